"""CompiledBackend: statements become plans, plans become bound launches that are found again.

A backend on this base gives: `load_kernels` (text to code, several at once), `bind_kernel` (code,
addresses and sizes to a launch) and `bind_matmul`. Everything else is here; `bind_call`, for ops
that are no loop nest and no product, may be overridden by something faster.
"""

from __future__ import annotations

import threading
import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import copysign, prod
from typing import Any, Protocol

import numpy as np

from neonport.backends.backend import Backend
from neonport.compiler.execution_plan import ExecutionPlan, LibraryCall, make_plan
from neonport.compiler.graph import Graph, MemoryView
from neonport.compiler.loop_nest import BoundKernel
from neonport.compiler.lowering import Lowering, scalar_slots
from neonport.engine.device import statement_key
from neonport.engine.recording import Recorder, Step, bound_calls
from neonport.engine.tracing import of_step
from neonport.ops.table import OPS
from neonport.optree.node import Expression, OpTreeNode, tensors, walk
from neonport.optree.replay_number import Traced, plain
from neonport.tensor.storage import Storage, byte_range
from neonport.tensor.tensor import Tensor

MAX_PLANS = 4096
ALIGNMENT = 256  # bytes between temporaries


class Launch(Protocol):
    """A kernel bound to memory."""

    def __call__(self) -> None:
        """Run it."""

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""


class Statement:
    """A plan bound to tensors: everything is prepared but numbers and random offsets.

    Args:
        launches: calls in order.
        numbered: launches with number arguments and the slot of each.
        rands: launches with random sources and the slot of each.
        rand_sizes: elements of each random source.
        slots: for each number of the statement the first one equal to it; statements whose numbers
            are equal in another pattern need another plan.
        numbers: values of the slots.
        fixed: whether other numbers always need another plan.
        keep: what must live as long as the statement.
    """

    def __init__(
        self,
        backend: CompiledBackend,
        launches: list[Callable[[], None]],
        numbered: list[tuple[Launch, tuple[int, ...]]],
        rands: list[tuple[Launch, tuple[int, ...]]],
        rand_sizes: list[int],
        scalars: tuple[float, ...],
        numbers: list[float],
        fixed: bool,
        keep: Any,
    ) -> None:
        self.backend = backend
        self.fixed = fixed
        self.keep = keep
        self.launches = launches
        self.numbered = numbered
        self.rands = rands
        self.rand_sizes = rand_sizes
        self.slots = scalar_slots(scalars)
        self.first = sorted(set(self.slots))
        self._taken(scalars)
        self.numbers = numbers
        self.traced = [i for i, n in enumerate(numbers) if type(n) is Traced]
        self._set_numbers(numbers)

    @property
    def changes(self) -> bool:
        """Whether its launches take other arguments at each replay."""
        return bool(self.rands or self.traced)

    def prepare(self) -> None:
        """Compute traced numbers anew and draw random numbers, for a replay of its launches."""
        if self.traced:
            self._set_numbers([plain(n) for n in self.numbers])
        self._draw()

    def _set_numbers(self, numbers: Sequence[float]) -> None:
        for launch, slots in self.numbered:
            launch.set_numbers([numbers[s] for s in slots])

    def _taken(self, scalars: tuple[float, ...]) -> None:
        self.last = scalars
        self.zeros = [i for i, number in enumerate(scalars) if number == 0]

    def zeros_differ(self, scalars: tuple[float, ...]) -> bool:
        """Whether a zero among numbers equal to the last ones has the other sign: 0.0 == -0.0."""
        last = self.last
        for i in self.zeros:
            number = scalars[i]
            if number is not last[i] and copysign(1.0, number) != copysign(1.0, last[i]):
                return True
        return False

    def update(self, scalars: tuple[float, ...]) -> bool:
        """Take other numbers; False if their pattern of equal ones differs."""
        if self.fixed or scalar_slots(scalars) != self.slots:
            return False
        self._set_numbers([float(scalars[i]) for i in self.first])
        self._taken(scalars)
        return True

    def _draw(self) -> None:
        if self.rands:
            drawn = [self.backend.philox.reserve_with_key(n) for n in self.rand_sizes]
            for launch, slots in self.rands:
                launch.set_rands([drawn[s] for s in slots])

    def run(self) -> None:
        """Run all launches."""
        self._draw()
        for call in self.launches:
            call()


class CompiledBackend(Backend):
    """A backend that runs scheduled kernels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[Graph, ExecutionPlan] = {}
        self._arena: Storage | None = None
        self._arena_lock = threading.RLock()

    # ---- what a backend gives ----------------------------------------------------------------

    @abstractmethod
    def load_kernels(self, kernels: Sequence[BoundKernel]) -> list[Any]:
        """Code of some kernels, compiled at the same time; CompileError if that fails."""

    @abstractmethod
    def bind_kernel(
        self, code: Any, spec: BoundKernel, places: Sequence[tuple[Storage, int] | None]
    ) -> Launch:
        """A launch of `code`; `places`: (storage, byte offset) of each access, None: no memory."""

    def bind_batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Callable[[], None]:
        """A call that multiplies the matrices of `a` and `b`, at least one of which has a batch.

        Args:
            a, b: 3-D with the batch in front, or one matrix for all of the batch.
            c: 3-D for all products, 2-D for their sum.
        """
        batch = next(t.shape[0] for t in (a, b) if t.ndim == 3)
        calls = []
        for i in range(batch):
            x, y, z = (t[i] if t.ndim == 3 else t for t in (a, b, c))
            beta = 0.0 if c.ndim == 3 or i == 0 else 1.0
            calls.append(self.bind_matmul(x, y, z, 1.0, beta))

        def run() -> None:
            for call in calls:
                call()

        return run

    def bind_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Callable[[], None]:
        """A call that stores op(operands) in `target`; this one runs the NumPy meaning on the host.

        It must not keep the memory of tensors alive: hold native arrays or weak references.

        Args:
            op: name in the op table: a window op or untake.
            operands: tensors of any layout, in the dtypes that the row says (`Op.reads`).
            target: tensor of the result's shape and dtype; shares no memory with the operands.
            params: parameters of the op.
        """
        meaning = OPS[op].numpy
        views = [(weakref.ref(t.storage), t.dtype, t.layout) for t in (*operands, target)]

        def run() -> None:
            found = [(ref(), dtype, layout) for ref, dtype, layout in views]
            *inputs, out = (
                Tensor(self, storage, dtype, layout)
                for storage, dtype, layout in found
                if storage is not None
            )
            with np.errstate(all="ignore"):
                values = meaning(*(t.get() for t in inputs), **params)
            out.set(values)

        return run

    # ---- recording ---------------------------------------------------------------------------

    def record(self, function: Callable[..., Any] | None = None) -> Step:
        """A step whose launches are replayed from its second run on.

        Args:
            function: the step, called when it runs first; its arguments must be hashable. None: a
                `with` block is the step.

        Example:
            step = be.record(train_one_batch)
            step()  # runs
            step()  # replays
        """
        return Step(self, function)

    def start_recording(self, recorder: Recorder) -> None:
        """Prepare what a backend keeps with a recording."""

    def make_replay(self, recorder: Recorder) -> tuple[Callable[[], None], str]:
        """A replay of what was recorded, and how it is done."""
        return bound_calls(recorder), "bound calls"

    # ---- statements --------------------------------------------------------------------------

    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Bind the statement, run it, and keep it for the next time."""
        recorder = self.recorder if self.recorder is not None and self.recorder.here else None
        statement = self.bind(pairs)
        statement.run()
        if recorder is not None:
            recorder.add(statement)
        storages = {id(t.storage): t.storage for t, _ in pairs}
        for leaf in tensors(*(v for _, v in pairs)):
            storages[id(leaf.storage)] = leaf.storage
        key, _ = statement_key(pairs)
        self.remember(key, self._recall(statement), storages.values())

    @staticmethod
    def _recall(statement: Statement) -> Callable[[tuple[float, ...]], bool]:
        """What a warm assignment calls; False when the numbers ask for another plan."""
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
        plan = self._plans.get(graph)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[graph] = make_plan(graph)
        return plan

    def bind(self, pairs: Sequence[tuple[Tensor, Any]]) -> Statement:
        """Plan a statement and bind it to its tensors."""
        _, scalars = statement_key(pairs)
        lowering = Lowering(scalars)
        graph = lowering.build(pairs)
        if self.recorder is not None:
            self.recorder.traced = any(type(n) is Traced for n in lowering.scalars)
        plan = self.plan(graph)
        kernels = plan.kernels
        codes = iter(self.load_kernels(kernels))
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
                call = self._bind_call(step, place)
                launches.append(self.tracer.watch(call, of_step(step), self))
                continue
            places: list[tuple[Storage, int] | None] = []
            for access, offset in zip(step.kernel.accesses, step.offsets, strict=True):
                if access.buffer < 0:
                    places.append(None)
                    continue
                leaf = step.buffers[access.buffer]
                storage, start = place(leaf)
                places.append((storage, start + offset * leaf.dtype.itemsize))
            launch = self.bind_kernel(next(codes), step, places)
            if step.scalars:
                numbered.append((launch, step.scalars))
            if step.rands:
                rands.append((launch, step.rands))
            launches.append(self.tracer.watch(launch, of_step(step), self))
        if plan.temporaries:
            launches = [self._locked(launches)]
        # numbers inside a large node are part of its identity and cannot be told apart by value
        large = any(isinstance(v, OpTreeNode) and v.sig.large for _, v in pairs)
        fixed = large or any(s != s for s in scalars)
        return Statement(
            self, launches, numbered, rands, lowering.rand_sizes, scalars, lowering.scalars, fixed,
            arena,
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
                self._arena = self.allocate(max(size, 2 * old))
                self._arena.space = "arena"  # never compared with tensors
                self.bound.clear()
            return self._arena

    def _locked(self, launches: list[Callable[[], None]]) -> Callable[[], None]:
        """All launches as one call: two threads must not share the temporaries."""

        def call() -> None:
            with self._arena_lock:
                for launch in launches:
                    launch()

        return call

    # ---- calls -------------------------------------------------------------------------------

    def _bind_call(
        self, call: LibraryCall, place: Callable[[MemoryView], tuple[Storage, int]]
    ) -> Callable[[], None]:
        def tensor(leaf: MemoryView) -> Tensor:
            storage, start = place(leaf)
            shape, strides, offset = leaf.layout
            first = offset + start // leaf.dtype.itemsize
            return Tensor(self, storage, leaf.dtype, (shape, strides, first))

        op, operands, target = call.value.op, list(map(tensor, call.operands)), tensor(call.target)
        if op not in ("dot", "batched_dot"):
            return self.bind_call(op, operands, target, dict(call.value.attr or ()))
        a, b = operands
        if op == "dot":
            return self.bind_matmul(a, b, target, 1.0, 0.0)
        return self.bind_batched_matmul(a, b, target)


def must_interpret(pairs: Sequence[tuple[Tensor, Any]]) -> bool:
    """Whether a statement is left to the evaluator: empty arrays, or memory seen in two ways."""
    if any(prod(t.shape) == 0 for t, _ in pairs):
        return True
    if any(isinstance(v, Tensor) and v.dtype.name == "uint64" for _, v in pairs):
        return True  # kernels read integers as int64
    for _, operand in pairs:
        if any(prod(n.shape) == 0 for n in walk(operand)):
            return True
    leaves = [t for _, v in pairs if isinstance(v, Expression) for t in tensors(v)]
    if any(prod(t.shape) == 0 for t in leaves):
        return True
    for target, _ in pairs:
        low, high = byte_range(target.storage, target.dtype, target.layout)
        for leaf in leaves:
            if leaf.storage.space != target.storage.space:
                continue
            same = leaf.storage is target.storage
            if same and leaf.dtype.itemsize == target.dtype.itemsize:
                continue  # the scheduler knows how views of one size lie to each other
            first, last = byte_range(leaf.storage, leaf.dtype, leaf.layout)
            if first < high and low < last:
                return True
    return False
