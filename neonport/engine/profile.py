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
from collections.abc import Callable, Iterator
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
PRODUCTS = {"dot": "matmul", "compound_dot": "matmul", "batched_dot": "batched_matmul"}
PLUMBING = frozenset({"load", "scalar", "iota", "gather", "result", "broadcast"})


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


class Profile(Tracer):
    """Measures every launch, and every statement that NumPy evaluates.

    Attributes:
        backends: names of the backends that something ran on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on = self.printing = False
        self.backends: set[str] = set()
        self._rows: dict[Key, Row] = {}

    def rows(self) -> list[Row]:
        """What was measured, the longest first."""
        return sorted(self._rows.values(), key=lambda row: -row.seconds)

    @property
    def seconds(self) -> float:
        """Time of all launches and evaluations."""
        return sum(row.seconds for row in self._rows.values())

    def clear(self) -> None:
        """Forget what was measured, for example of a first step that compiles."""
        self._rows.clear()

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
        self.backends.add(backend.backend_name)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(*key)
        row.calls += 1
        row.seconds += seconds


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
    """The ops that a kernel computes; "copy" if it only moves values."""
    found = [node.op for node in kernel.nodes if node.op not in PLUMBING]
    return [*found, *(reduction.op for reduction in kernel.reductions)] or ["copy"]
