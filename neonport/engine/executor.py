"""`Executor`: statements become plans, plans become bound launches that are found again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.compiler.execution_plan import ExecutionPlan, LibraryCall, make_plan
from neonport.compiler.graph import Graph, MemoryView
from neonport.compiler.lowering import Lowering
from neonport.dtypes import BELOW_ONE, cast
from neonport.engine.device import Device, Launch
from neonport.engine.evaluator import drawn, evaluate, is_drawn, on_host
from neonport.engine.library_calls import bind_library_call
from neonport.engine.owner import Owner
from neonport.engine.statement import Statement, statement_key
from neonport.engine.tracing import Lap, Launched
from neonport.errors import CompileError
from neonport.foundation.bounded_table import BoundedTable
from neonport.foundation.fork import call_in_child
from neonport.optree.node import OpTreeNode, tensors, walk
from neonport.optree.replay_number import Traced
from neonport.tensor.overlaps import MemoryIndex
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor

MAX_PLANS = 1024  # of a generation
ALIGNMENT = 256  # bytes between temporaries


class Executor:
    """Runs the statements of a backend on its device.

    Args:
        owner: the backend; keeps the bound statements.
        device: where they run.
    """

    def __init__(self, owner: Owner, device: Device) -> None:
        self.owner = owner
        self.device = device
        device.executor = self
        self._plans: BoundedTable[Graph, ExecutionPlan] = BoundedTable(MAX_PLANS)
        self._arena: Storage | None = None
        self._renew_lock()
        call_in_child(self, Executor._renew_lock)

    def _renew_lock(self) -> None:
        self._arena_lock = threading.RLock()
        self.recording = threading.Lock()

    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Evaluate checked (target, operand) pairs: all operands first, then all stores.

        The statement is bound, run, and kept for the next time; where kernels do not serve, NumPy
        evaluates it.
        """
        if all(type(v) is Tensor and v.token == t.token for t, v in pairs):
            return  # the end of `x[1:3] += 1`, which assigns the view to itself
        if self.device.capabilities.runs and (not self.device.compiles or must_interpret(pairs)):
            self.interpret(pairs)
            return
        owner = self.owner
        recorder = owner.recorder if owner.recorder is not None and owner.recorder.here else None
        try:
            statement = self.bind(pairs)
        except CompileError as error:
            if not self.device.give_up_kernels(error):
                raise
            self.interpret(pairs)
            return
        statement.run()
        if recorder is not None:
            recorder.add(statement)
        storages = {id(t.storage): t.storage for t, _ in pairs}
        for leaf in tensors(*(v for _, v in pairs)):
            storages[id(leaf.storage)] = leaf.storage
        key, _ = statement_key(pairs)
        owner.remember(key, self._recall(statement), storages.values())

    def interpret(self, pairs: Sequence[tuple[Tensor, Any]]) -> None:
        """Evaluate every operand with NumPy, then store."""
        self.owner.unrecordable(
            "NumPy evaluates a statement (no compiler, no elements, or memory seen in two ways)"
        )
        with self.owner.tracer.evaluation(self.owner) as lap:
            self._interpret(pairs, lap)

    def _interpret(self, pairs: Sequence[tuple[Tensor, Any]], lap: Lap | None) -> None:
        self.device.synchronize()
        in_place = self.device.capabilities.host_memory
        values = []
        draws = drawn(pairs, self.owner.philox.reserve_with_key)
        operands = [operand for _, operand in pairs]
        targets = MemoryIndex([target for target, _ in pairs])
        known: dict[int, np.ndarray] = {}
        for (target, operand), held in zip(
            pairs, operands if in_place else on_host(operands), strict=True
        ):
            value = evaluate(held, target.shape, draws, known, lap)
            if target.dtype.name in BELOW_ONE and is_drawn(operand):
                value = np.minimum(value, BELOW_ONE[target.dtype.name])  # [0, 1) as stored too
            # a tensor, or a movement of one, is a view: later stores must not change it
            if in_place and targets.meets(value):
                value = value.copy()
            values.append(value)
        for (target, _), value in zip(pairs, values, strict=True):
            whole = np.broadcast_to(value, target.shape)
            self.device.copy_in(target, cast(whole, target.dtype))

    @staticmethod
    def _recall(statement: Statement) -> Callable[[tuple[float, ...]], bool]:
        """Call for a warm assignment; it gives False when the numbers ask for another plan."""
        run: Callable[[], None] = statement.run
        if len(statement.launches) == 1 and not statement.rands:
            (run,) = statement.launches

        def recall(scalars: tuple[float, ...]) -> bool:
            same = scalars == statement.last
            if same and statement.zeros:
                same = not statement.zeros_differ(scalars)
            if not same and not statement.update(scalars):
                return False
            run()
            return True

        return recall

    def plan(self, graph: Graph) -> ExecutionPlan:
        """The plan of a graph, made once."""
        plan = self._plans.find(graph)
        if plan is None:
            plan = make_plan(graph)
            self._plans.keep(graph, plan)
        return plan

    def bind(self, pairs: Sequence[tuple[Tensor, Any]]) -> Statement:
        """ExecutionPlan a statement and bind it to its tensors."""
        _, scalars = statement_key(pairs)
        lowering = Lowering(scalars)
        graph = lowering.build(pairs)
        if self.owner.recorder is not None and self.owner.recorder.here:
            self.owner.recorder.traced = any(type(n) is Traced for n in lowering.scalars)
        # numbers inside a large node are part of its identity and cannot be told apart by value
        large = any(isinstance(v, OpTreeNode) and v.sig.large for _, v in pairs)
        fixed = large or any(s != s for s in scalars)
        whole = self.device.bind_graph(graph, lowering.storages)
        if whole is not None:
            numbers, sources = range(len(lowering.scalars)), range(graph.rands)
            ops = tuple(value.op for value in graph.values)
            what = Launched(None, "statement", tuple(t.shape for t, _ in pairs), ops=ops)
            return Statement(
                self.owner, [self.owner.tracer.watch(whole, what, self.owner)],
                [(whole, tuple(numbers))] if numbers else [],
                [(whole, tuple(sources))] if sources else [],
                lowering.sources, scalars, lowering.scalars, fixed, None,
            )  # fmt: skip
        plan = self.plan(graph)
        self.device.prefetch(plan.kernels)
        arena, offsets = self._temporaries(plan)
        storages = lowering.storages

        def place(leaf: MemoryView) -> tuple[Storage, int]:
            if leaf.slot < 0 and arena is not None:
                return arena, offsets[leaf.slot]
            return storages[leaf.slot]

        launches: list[Callable[[], None]] = []
        numbered: list[tuple[Launch, tuple[int, ...]]] = []
        rands: list[tuple[Launch, tuple[int, ...]]] = []
        for step in plan.steps:
            if isinstance(step, LibraryCall):
                call = bind_library_call(self.device, step, place)
                launches.append(self.owner.tracer.watch(call, Launched(step), self.owner))
                continue
            places: list[tuple[Storage, int] | None] = []
            for access, offset in zip(step.kernel.accesses, step.offsets, strict=True):
                if access.buffer < 0:
                    places.append(None)
                    continue
                leaf = step.buffers[access.buffer]
                storage, start = place(leaf)
                places.append((storage, start + offset * leaf.dtype.itemsize))
            launch = self.device.bind_kernel(step, places)
            if step.scalars:
                numbered.append((launch, step.scalars))
            if step.rands:
                rands.append((launch, step.rands))
            launches.append(self.owner.tracer.watch(launch, Launched(step), self.owner))
        if plan.temporaries:
            launches = [self._locked(launches)]
        return Statement(
            self.owner, launches, numbered, rands, lowering.sources, scalars, lowering.scalars,
            fixed, arena,
        )  # fmt: skip

    def _temporaries(self, plan: ExecutionPlan) -> tuple[Storage | None, dict[int, int]]:
        offsets: dict[int, int] = {}
        size = 0
        for slot, nbytes in plan.temporaries.items():
            offsets[slot] = size
            size += -(-nbytes // ALIGNMENT) * ALIGNMENT
        return (self.arena(size) if offsets else None), offsets

    def arena(self, size: int) -> Storage:
        """Memory for temporaries of one statement at a time; growing it unbinds all statements."""
        with self._arena_lock:
            if self._arena is None or self._arena.nbytes < size:
                old = 0 if self._arena is None else self._arena.nbytes
                self._arena = self.device.allocate(max(size, 2 * old))
                self._arena.space = "arena"  # never compared with tensors
                self.owner.bound.clear()
            return self._arena

    def _locked(self, launches: list[Callable[[], None]]) -> Callable[[], None]:
        """All launches as one call: two threads must not share the temporaries."""

        def call() -> None:
            with self._arena_lock:
                for launch in launches:
                    launch()

        return call


def must_interpret(pairs: Sequence[tuple[Tensor, Any]]) -> bool:
    """Whether a statement is left to the evaluator: empty arrays, or memory seen in two ways."""
    values = [v for _, v in pairs]
    leaves = tensors(*values)
    if any(prod(t.shape) == 0 for t in (*(t for t, _ in pairs), *walk(*values), *leaves)):
        return True
    if any(isinstance(v, Tensor) and v.dtype.name == "uint64" for v in values):
        return True  # kernels read integers as int64
    memory = MemoryIndex(leaves)
    for target, _ in pairs:
        for leaf in (leaves[i] for i in memory.near(target)):
            # the scheduler knows how views of one size lie to each other
            if leaf.storage is not target.storage or leaf.dtype.itemsize != target.dtype.itemsize:
                return True
    return False
