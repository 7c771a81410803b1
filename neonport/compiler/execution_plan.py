"""Execution plans: a schedule made concrete, kernels and library calls over storage slots."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.loop_nest import LoopNestBuilder
from neonport.compiler.lowering import INT64, move_layout, read_dtype
from neonport.compiler.schedule import Schedule, Step, schedule
from neonport.shape import contiguous_strides


@dataclass(frozen=True)
class LibraryCall:
    """A step that is no kernel: a product, a window op or scatter_add.

    Attributes:
        value: the op and its parameters.
        operands: where its operands are.
        target: where its result goes.
    """

    value: Value
    operands: tuple[MemoryView, ...]
    target: MemoryView


@dataclass(frozen=True)
class ExecutionPlan:
    """Steps of a statement: kernels and calls in order.

    Attributes:
        steps: kernels and calls in order.
        temporaries: slot (negative) -> bytes.
        rands: number of random sources.
    """

    steps: tuple[BoundKernel | LibraryCall, ...]
    temporaries: dict[int, int]
    rands: int

    @property
    def kernels(self) -> list[BoundKernel]:
        """The kernels among the steps."""
        return [s for s in self.steps if isinstance(s, BoundKernel)]


def copy_kernel(source: MemoryView, target: MemoryView) -> BoundKernel:
    """A kernel that copies one view into another of the same (or a broadcast) shape."""
    value = Value("leaf", (), source.layout[0], read_dtype(source.dtype), source)
    values = (value, Value("broadcast", (0,), target.layout[0], value.dtype))
    graph = Graph(values, ((1, target),), 0, 0)
    plan = Schedule(schedule(graph).steps, {1: target}, (), frozenset({1}))
    return LoopNestBuilder(graph, plan, plan.steps[0]).build()


def fill_kernel(target: MemoryView) -> BoundKernel:
    """A kernel that fills a view with zeros."""
    iota = Value("iota", (), (1, 1), INT64, 0)
    value = Value("broadcast", (0,), target.layout[0], INT64)
    graph = Graph((iota, value), ((1, target),), 0, 0)
    plan = Schedule(schedule(graph).steps, {1: target}, (), frozenset({1}))
    return LoopNestBuilder(graph, plan, plan.steps[0]).build()


def make_plan(graph: Graph) -> ExecutionPlan:
    """Schedule a graph and build its kernels."""
    plan = schedule(graph)
    steps: list[BoundKernel | LibraryCall] = []
    for step in plan.steps:
        steps.extend(step_parts(graph, plan, step))
    steps.extend(copy_kernel(source, target) for source, target in plan.copies)
    temporaries = {
        leaf.slot: prod(leaf.layout[0]) * leaf.dtype.itemsize
        for leaf in plan.places.values()
        if leaf.slot < 0
    }
    return ExecutionPlan(tuple(steps), temporaries, graph.rands)


def step_parts(graph: Graph, plan: Schedule, step: Step) -> list[BoundKernel | LibraryCall]:
    """Kernels and calls of one step of a schedule."""
    if not step.call:
        return [LoopNestBuilder(graph, plan, step).build()]
    (root,) = step.roots
    value = graph.values[root]
    operands = tuple(
        graph.values[a].attr if graph.values[a].op == "leaf" else plan.places[a] for a in value.args
    )
    return _call_steps(value, operands, plan.places[root])


def _call_steps(
    value: Value, operands: tuple[MemoryView, ...], target: MemoryView
) -> list[BoundKernel | LibraryCall]:
    """The steps of a non-fusible op: movements become copies, the rest is a call."""
    params = dict(value.attr or ())
    if value.op == "pad_region":
        (source,) = operands
        starts, steps = params["starts"], params["steps"]
        _, strides, offset = target.layout
        region = MemoryView(
            target.slot,
            target.dtype,
            (
                source.layout[0],
                tuple(s * k for s, k in zip(strides, steps, strict=True)),
                offset + sum(a * s for a, s in zip(starts, strides, strict=True)),
            ),
        )
        return [fill_kernel(target), copy_kernel(source, region)]
    if value.op in ("transpose", "slice", "reshape"):
        (source,) = operands
        layout = move_layout(source.layout, value.op, params)
        if layout is None:  # a leaf that has no such view: copy it row by row into the flat target
            flat = MemoryView(
                target.slot,
                target.dtype,
                (source.layout[0], contiguous_strides(source.layout[0]), target.layout[2]),
            )
            return [copy_kernel(source, flat)]
        return [copy_kernel(MemoryView(source.slot, source.dtype, layout), target)]
    return [LibraryCall(value, operands, target)]
