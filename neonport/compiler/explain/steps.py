"""The steps of a statement with their costs: one `Part` for each kernel or call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from neonport.compiler.execution_plan import (
    LibraryCall,
    call_operands,
    concat_copies,
    copy_kernel,
    step_parts,
)
from neonport.compiler.explain.formulas import Formulas, Names
from neonport.compiler.graph import Graph, MemoryView
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.schedule import Schedule, Scheduler
from neonport.ops.op import OPS, Kind
from neonport.shape import Shape

Render = Callable[[BoundKernel], str]


@dataclass(frozen=True, eq=False)
class Part:
    """A kernel or a call.

    Attributes:
        spec: the kernel with its sizes, or the call.
        step: index of the step of the schedule it belongs to.
        space: index space of a kernel, shape of the result of a call.
        axes: axes that are folded.
        lines: what it computes.
        bytes_moved: each input read once, each output written once.
        operations: floating-point operations: every op of the table is one (exp as much as add),
            each value counted once an element (or once a row), a product of m x k and k x n as
            2 m k n, a convolution as 2 C T R S K M P Q N, a pooling as one for each window cell.
        source: the text that is compiled, without its prelude; empty unless asked for.
    """

    spec: BoundKernel | LibraryCall
    step: int
    space: Shape
    axes: tuple[int, ...]
    lines: tuple[str, ...]
    bytes_moved: int
    operations: int
    source: str = ""

    @property
    def is_kernel(self) -> bool:
        """Whether this is a kernel and not a call."""
        return isinstance(self.spec, BoundKernel)

    def title(self) -> str:
        """Kind, index space and cost in one line."""
        words = [f"{'kernel' if self.is_kernel else 'call'} over {self.space}"]
        if isinstance(self.spec, BoundKernel):
            if self.axes:
                words.append(f"folds axis {', '.join(map(str, self.axes))}")
            phases = self.spec.kernel.phases
            words.append(f"{phases} phase{'s' * (phases > 1)}")
        return f"{', '.join(words)}: {self.bytes_moved:,} bytes, {self.operations:,} operations"


def make_parts(
    graph: Graph,
    scheduler: Scheduler,
    plan: Schedule,
    names: Names,
    render: Render,
) -> list[Part]:
    """Parts in the order in which they run."""
    formulas = Formulas(graph, scheduler, plan, names)
    found = []
    for number, step in enumerate(plan.steps):
        specs = step_parts(graph, plan, step)
        copies = iter(_parts_put_together(graph, plan, step.roots[0], names))
        for spec in specs:
            if isinstance(spec, LibraryCall):
                line = formulas.call(spec.value, spec.operands, spec.target)
                found.append(_call(spec, number, line))
                continue
            if graph.values[step.roots[0]].op == "concat":
                lines = [next(copies)]
            elif spec is specs[-1]:
                lines = formulas.lines(step.roots)
            else:  # zeros around a region that the next kernel fills
                lines = [f"{names.leaf(plan.places[step.roots[0]])} <- 0"]
            found.append(_kernel(spec, number, step.space, step.axes, lines, render))
    for number, (source, target) in enumerate(plan.copies, len(plan.steps)):
        line = f"{names.leaf(target)} <- {names.leaf(source)}"
        spec = copy_kernel(source, target)
        found.append(_kernel(spec, number, target.layout[0], (), [line], render))
    return found


def _parts_put_together(graph: Graph, plan: Schedule, root: int, names: Names) -> list[str]:
    """A line for each part of a concat that is copied to where it belongs."""
    value = graph.values[root]
    if value.op != "concat":
        return []
    copies = concat_copies(value, call_operands(graph, plan, root), plan.places[root])
    return [f"{names.leaf(region)} <- {names.leaf(source)}" for source, region in copies]


def _kernel(
    spec: BoundKernel,
    step: int,
    space: Shape,
    axes: tuple[int, ...],
    lines: Sequence[str],
    render: Render,
) -> Part:
    text = render(spec)
    return Part(spec, step, space, axes, tuple(lines), spec.bytes_moved, operations_of(spec), text)


def operations_of(spec: BoundKernel | LibraryCall) -> int:
    """Floating-point operations of a kernel or call, as `Part.operations` counts them."""
    if isinstance(spec, LibraryCall):
        shapes = [leaf.layout[0] for leaf in (*spec.operands, spec.target)]
        return OPS[spec.value.op].work(shapes, dict(spec.value.attr or ()))
    kernel = spec.kernel
    every = prod(spec.sizes)
    rows = prod(n for n, folded in zip(spec.sizes, kernel.axes, strict=True) if not folded)
    total = 0
    for node in kernel.nodes:
        op = OPS.get(node.op)
        if op is not None and op.kind is Kind.ELEMENTWISE and node.dtype.startswith("float"):
            total += rows if node.row else every
    return total + sum(OPS[r.op].work((), {}) * every for r in kernel.reductions)


def _call(spec: LibraryCall, step: int, line: str) -> Part:
    leaves: list[MemoryView] = [*spec.operands, spec.target]
    moved = sum(prod(leaf.layout[0]) * leaf.dtype.itemsize for leaf in leaves)
    return Part(spec, step, spec.target.layout[0], (), (line,), moved, operations_of(spec))
