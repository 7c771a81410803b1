"""Who does the work, and how long it takes: the device, its parts put together, or NumPy.

    profile = Profile()
    with traced_by(profile):  # of every backend that is made inside
        be = gen_backend("npu")
    train(be)
    for row in profile.rows():
        print(row.op, row.origin, row.seconds)

Launches wait for the device before and after, so the times are those of each op alone; the whole
takes longer than without a profile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from neonport.compiler.kernel import BoundKernel, Kernel
from neonport.compiler.lowering import CALLS
from neonport.engine.device import Device
from neonport.engine.library_calls import HostDefinition
from neonport.engine.recording import Unbound
from neonport.engine.tracing import Lap, Launched, Tracer
from neonport.ops.op import OPS

NATIVE, DERIVED, FALLBACK = "native", "derived", "fallback"
KERNELS = "compile_c"  # or bind_kernel
NOBODY = ""  # nothing that a device could give would change it
PRODUCTS = {
    "dot": "matmul", "compound_dot": "matmul", "compound_dots": "matmul",
    "batched_dot": "batched_matmul",
}  # fmt: skip
PLUMBING = frozenset({"leaf", "load", "scalar", "iota", "gather", "result", "broadcast"})


class Key(NamedTuple):
    """What times are added up for.

    Attributes:
        op: name in the op table, or `compound_dot`.
        origin: `NATIVE`, `DERIVED` or `FALLBACK`.
        method: what the device would have to give, so that this is native; empty for nothing.
    """

    op: str
    origin: str
    method: str


@dataclass
class Row:
    """Calls and time of an op that was done in one way.

    Attributes:
        op, origin, method: see `Key`.
        calls: how often it ran; a kernel of several ops counts for each of them.
        seconds: time; that of a kernel is divided among its ops.
    """

    op: str
    origin: str
    method: str
    calls: int = 0
    seconds: float = 0.0


class Enough(BaseException):
    """Ends what is profiled after the time that was given; no error, so nothing should catch it."""


class Profile(Tracer):
    """Measures every launch, and every statement that NumPy evaluates.

    Args:
        limit: seconds after which `Enough` is raised; None for no end.

    Attributes:
        on: whether anything is measured.
    """

    def __init__(self, limit: float | None = None) -> None:
        super().__init__()
        self.on, self.printing = True, False
        self._rows: dict[tuple[str, Key], Row] = {}
        self._end = None if limit is None else time.perf_counter() + limit

    @property
    def backends(self) -> set[str]:
        """Names of the backends that something ran on."""
        return {name for name, _ in self._rows}

    def rows(self, backend: str | None = None) -> list[Row]:
        """What was measured, the longest first.

        Args:
            backend: a name; None for all.
        """
        found = (row for (name, _), row in self._rows.items() if backend in (None, name))
        return sorted(found, key=lambda row: -row.seconds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Measure nothing while the block runs, for example a first step, which compiles."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    def watch(self, launch: Callable[[], None], what: Launched, backend: Any) -> Callable[[], None]:
        """A call that measures the launch."""
        keys = _origins(backend.device, what, launch)

        def measured() -> None:
            backend.unrecordable("it is profiled")
            backend.device.synchronize()
            start = time.perf_counter()
            launch()
            backend.device.synchronize()
            seconds = time.perf_counter() - start
            for key in keys:
                self._add(backend, key, seconds / len(keys))

        return measured

    @contextmanager
    def evaluation(self, backend: Any) -> Iterator[Lap]:
        """Measure a statement that NumPy evaluates: its ops, and the copies for it."""
        # where kernels are compiled, NumPy does what kernels cannot do on any device
        wanting = not backend.device.compiles
        backend.device.synchronize()
        nodes: list[tuple[Key, float]] = []
        start = mark = time.perf_counter()

        def lap(node: Any) -> None:
            nonlocal mark
            now = time.perf_counter()
            if node is not None:
                method = _method(backend.device, node.op) if wanting else NOBODY
                nodes.append((Key(node.op, FALLBACK, method), now - mark))
            mark = time.perf_counter()

        yield lap
        backend.device.synchronize()
        whole = time.perf_counter() - start
        nodes = nodes or [(Key("copy", FALLBACK, KERNELS if wanting else NOBODY), whole)]
        inside = sum(seconds for _, seconds in nodes)
        for key, seconds in nodes:  # copies and bookkeeping are there for the ops: shared out
            part = seconds / inside if inside else 1 / len(nodes)
            self._add(backend, key, whole * part)

    def _add(self, backend: Any, key: Key, seconds: float) -> None:
        if not self.on:
            return
        place = (backend.backend_name, key)
        row = self._rows.get(place)
        if row is None:
            row = self._rows[place] = Row(*key)
        row.calls += 1
        row.seconds += seconds
        if self._end is not None and time.perf_counter() > self._end:
            raise Enough


def _method(device: Device, op: str) -> str:
    """What a device without kernels has to give, so that an op of a statement is its own."""
    if op in PRODUCTS:  # what there is of a library is reached by statements with kernels
        return KERNELS if overrides(device, "matmul") else "matmul"
    if OPS[op].kind in CALLS or op == "scatter_add":
        return KERNELS if overrides(device, "library_call") else f'library_call("{op}")'
    return KERNELS


def _origins(device: Device, what: Launched, launch: Callable[[], None]) -> list[Key]:
    """Who does a launch; a kernel of several ops has a key for each."""
    if isinstance(what.step, BoundKernel):
        return [Key(op, NATIVE, NOBODY) for op in _ops(what.step.kernel)]
    if what.ops:
        return [Key(op, NATIVE, NOBODY) for op in _computed(what.ops)]
    op = what.op if what.step is None else what.step.value.op
    if op in PRODUCTS:
        return [_product(device, op)]
    if isinstance(launch, HostDefinition):
        return [Key(op, FALLBACK, f'library_call("{op}")')]
    return [Key(op, NATIVE, NOBODY)]


def _product(device: Device, op: str) -> Key:
    if overrides(device, PRODUCTS[op]):
        return Key(op, NATIVE, NOBODY)
    if overrides(device, "matmul"):
        return Key(op, DERIVED, PRODUCTS[op])
    return Key(op, FALLBACK, "matmul")


def overrides(device: Device, method: str) -> bool:
    """Whether a device has a method of its own instead of the default of `Device`."""
    return getattr(type(device), method) is not getattr(Device, method)


@contextmanager
def profiled(backend: Any) -> Iterator[Profile]:
    """Measure what a backend does while the block runs.

    Example:
        with profiled(be) as profile:
            y[:] = be.exp(x)
        print(profile.rows())
    """
    profile = Profile()
    before = backend.tracer, backend.bound
    backend.tracer, backend.bound = profile, Unbound()  # every launch is bound, and so seen
    try:
        yield profile
    finally:
        backend.tracer, backend.bound = before


def _ops(kernel: Kernel) -> list[str]:
    """The ops that a kernel computes."""
    values = (node.op for node in kernel.nodes)
    return _computed([*values, *(reduction.op for reduction in kernel.reductions)])


def _computed(ops: Iterable[str]) -> list[str]:
    """The ops among the values of a launch; "copy" if it only moves some."""
    return [op for op in ops if op not in PLUMBING] or ["copy"]
