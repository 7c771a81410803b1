"""Execution plans: a schedule made concrete, kernels and library calls over storage slots."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.loop_nest import LoopNestBuilder
from neonport.compiler.lowering import INT64, concat_regions, move_layout, read_dtype
from neonport.compiler.schedule import Schedule, Step, schedule
from neonport.shape import contiguous_strides


class LibraryCall(NamedTuple):
    """A step that is no kernel: a product, a window op, an op along an axis or scatter_add.

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
    temporaries: dict[int, int] = {}
    for leaf in plan.places.values():
        if leaf.slot < 0:  # a part of a concat lies in the memory of the whole
            nbytes = prod(leaf.layout[0]) * leaf.dtype.itemsize
            temporaries[leaf.slot] = max(nbytes, temporaries.get(leaf.slot, 0))
    return ExecutionPlan(tuple(steps), temporaries, graph.rands)


def step_parts(graph: Graph, plan: Schedule, step: Step) -> list[BoundKernel | LibraryCall]:
    """Kernels and calls of one step of a schedule."""
    if not step.call:
        return [LoopNestBuilder(graph, plan, step).build()]
    (root,) = step.roots
    value = graph.values[root]
    return _call_steps(value, call_operands(graph, plan, root), plan.places[root])


def concat_copies(
    value: Value, operands: tuple[MemoryView, ...], target: MemoryView
) -> list[tuple[MemoryView, MemoryView]]:
    """(from, to) of those parts of a concat that were not computed where they belong."""
    shapes = [leaf.layout[0] for leaf in operands]
    regions = concat_regions(target, shapes, dict(value.attr)["axis"])
    return [(a, b) for a, b in zip(operands, regions, strict=True) if a != b]


def call_operands(graph: Graph, plan: Schedule, root: int) -> tuple[MemoryView, ...]:
    """Where the operands of a call are."""
    return tuple(
        graph.values[a].attr if graph.values[a].op == "leaf" else plan.places[a]
        for a in graph.values[root].args
    )


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
    if value.op == "concat":
        return [copy_kernel(a, b) for a, b in concat_copies(value, operands, target)]
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
