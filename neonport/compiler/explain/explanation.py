"""What a statement does: its kernels and calls, what they read, compute and write.

    print(be.explain(be.exp(x) / be.sum(be.exp(x), axis=0)))
    print(be.explain([(m, m_new), (v, v_new), (p, p_new)], source=True))

Nothing is allocated, compiled or run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from neonport.compiler.explain.drawing import Outline, draw
from neonport.compiler.explain.formulas import Names
from neonport.compiler.explain.steps import Part, Render, make_parts
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.lowering import Lowering
from neonport.compiler.schedule import Scheduler
from neonport.errors import BackendMismatchError, ConfigurationError, ShapeError
from neonport.optree.node import Expression, OpTreeNode, walk
from neonport.optree.operators import as_pairs
from neonport.shape import Shape, contiguous_strides


class StatementBackend(Protocol):
    """A backend, as far as statements are explained for it."""

    default_dtype: np.dtype

    def check_pair(self, target: Any, value: Any) -> Any:
        """The value as an operand; raises what the assignment to `target` would raise."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Steps of a statement in the order in which they run; `str()` and `print` show all.

    Attributes:
        reads: name, dtype and shape of each tensor that is read.
        writes: the same of each target.
        steps: kernels and calls.
        temporaries: name -> bytes of memory between steps.
        outline: graph and cut.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    steps: tuple[Part, ...]
    temporaries: dict[str, int]
    outline: Outline | None

    @property
    def kernels(self) -> list[Part]:
        """The kernels among the steps."""
        return [s for s in self.steps if s.is_kernel]

    @property
    def calls(self) -> list[Part]:
        """The calls of the matrix product and of what else is no loop nest."""
        return [s for s in self.steps if not s.is_kernel]

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written by all steps."""
        return sum(s.bytes_moved for s in self.steps)

    @property
    def operations(self) -> int:
        """Floating-point operations of all steps."""
        return sum(s.operations for s in self.steps)

    def mermaid(self) -> str:
        r"""The op-tree as a Mermaid flowchart, a box of nodes for each kernel or call.

        Example:
            print("```mermaid", be.explain(tree).mermaid(), "```", sep="\n")
        """
        titles = {}
        for number, part in enumerate(self.steps, 1):
            kind, space = "kernel" if part.is_kernel else "call", " x ".join(map(str, part.space))
            # not "1. ...", which Mermaid takes for a list
            titles[part.step] = f"{kind} {number}: {space}, {part.bytes_moved:,} bytes"
        return draw(titles, self.outline)

    def __str__(self) -> str:
        lines = [f"reads   {text}" for text in self.reads]
        lines += [f"writes  {text}" for text in self.writes]
        if not self.steps:
            return "\n".join([*lines, "no elements: nothing runs"])
        lines.append(
            f"{_count(len(self.kernels), 'kernel')}, {_count(len(self.calls), 'call')}, "
            f"{self.bytes_moved:,} bytes, {self.operations:,} operations"
        )
        lines += [f"keeps   {name} ({size:,} bytes)" for name, size in self.temporaries.items()]
        for number, step in enumerate(self.steps, 1):
            lines += ["", f"{number}. {step.title()}", *(f"   {text}" for text in step.lines)]
            if step.source and isinstance(step.spec, BoundKernel):
                lines += ["", f"   source of kernel {step.spec.kernel.key}:", ""]
                lines += [f"     {text}".rstrip() for text in step.source.splitlines()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        kernels, calls = len(self.kernels), len(self.calls)
        return f"<Explanation {_count(kernels, 'kernel')}, {_count(calls, 'call')}>"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'s' * (n != 1)}"


class Placeholder:
    """Stands for the tensor that a tree without a target would be assigned to."""

    name = "out"

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.storage = object()
        self.offset = 0
        self.shape = shape
        self.dtype = dtype
        self.layout = (shape, contiguous_strides(shape), 0)


def explain(statement: Any, backend: StatementBackend, render: Render | None = None) -> Explanation:
    """Tell what a statement does; see `Backend.explain`.

    Args:
        statement: a tree (assigned to a new tensor), or (target, value) pairs given together.
        backend: where it would run.
        render: gives the text of a kernel; None leaves the sources out.

    Raises:
        ShapeError: a size of the tree is only known on assignment.
    """
    pairs = _pairs(statement, backend)
    lowering = Lowering(
        [s for _, v in pairs for s in (v.scalars if isinstance(v, Expression) else (v,))]
    )
    graph = lowering.build(pairs)
    names = Names(pairs, lowering)
    reads, writes = (
        tuple(dict.fromkeys(f"{names.tensor(t)} {t.dtype} {t.shape}" for t in found))
        for found in (names.reads, names.writes)
    )
    if _empty(pairs):
        return Explanation(reads, writes, (), {}, None)
    scheduler = Scheduler(graph)
    plan = scheduler.run()
    parts = make_parts(graph, scheduler, plan, names, render or (lambda spec: ""))
    places = sorted(plan.places.values(), key=lambda p: prod(p.layout[0]))
    used = {p.slot: p for p in places if p.slot < 0}  # the largest of those that share memory
    temporaries = {
        names.leaf(leaf): prod(leaf.layout[0]) * leaf.dtype.itemsize for leaf in used.values()
    }
    outline = Outline(graph, scheduler, plan, names)
    return Explanation(reads, writes, tuple(parts), dict(sorted(temporaries.items())), outline)


def _pairs(statement: Any, backend: StatementBackend) -> list[tuple[Any, Any]]:
    if isinstance(statement, OpTreeNode):
        if statement.sig.wild:
            raise ShapeError(
                f"explain: the size of axis {sorted(statement.sig.wild)} of {statement} is only "
                "known on assignment; explain the assignment: [(target, tree)]"
            )
        home: Any = statement.backend
        if home is not None and home is not backend:
            raise BackendMismatchError(
                f"explain: the tree lives on {statement.backend}, not on {backend}; ask its own "
                "backend: tree.schedule()"
            )
        return [(Placeholder(statement.shape, backend.default_dtype), statement)]
    if isinstance(statement, Expression) or not isinstance(statement, (list, tuple)):
        raise ConfigurationError(
            f"explain: needs an op-tree or a list of (target, value) pairs, not "
            f"{type(statement).__name__}; a copy is [(target, tensor)]"
        )
    return [(t, backend.check_pair(t, v)) for t, v in as_pairs("explain", statement)]


def _empty(pairs: Sequence[tuple[Any, Any]]) -> bool:
    shapes = [t.shape for t, _ in pairs]
    shapes += [n.shape for _, v in pairs for n in walk(v) if not n.sig.wild]
    return any(prod(shape) == 0 for shape in shapes)
