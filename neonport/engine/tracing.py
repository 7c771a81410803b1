"""Seeing what runs: launches counted and printed (NEONPORT_TRACE=1), statements observed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neonport import settings
from neonport.compiler.kernel import BoundKernel

if TYPE_CHECKING:
    from neonport.compiler.execution_plan import LibraryCall

Lap = Callable[[Any], None]
"""Called with None before NumPy evaluates an operand, and with each node when it is done."""

observers: list[Callable[[Any, list[tuple[Any, Any]]], None]] = []
"""Called with the backend and the (target, value) pairs of each statement before its first run."""


@contextmanager
def observing(observer: Callable[[Any, list[tuple[Any, Any]]], None]) -> Iterator[None]:
    """Let `observer` see every statement that is new while the block runs, on every backend."""
    observers.append(observer)
    try:
        yield
    finally:
        observers.remove(observer)


_chosen: list[Tracer] = []


@contextmanager
def traced_by(tracer: Tracer) -> Iterator[None]:
    """Let `tracer` watch all backends that are made while the block runs."""
    _chosen.append(tracer)
    try:
        yield
    finally:
        _chosen.remove(tracer)


def new_tracer() -> Tracer:
    """The tracer of a new backend."""
    return _chosen[-1] if _chosen else Tracer()


class Tracer:
    """Watches launches when it is on; costs nothing when it is off.

    Attributes:
        on: whether launches bound from now on are watched.
        count: launches since `count` was last set.
    """

    def __init__(self) -> None:
        self.printing = settings.TRACE.get()
        self.on = self.printing
        self.count = 0

    def watch(self, launch: Callable[[], None], what: Launched, backend: Any) -> Callable[[], None]:
        """The launch itself, or a call that also counts and prints it.

        Args:
            launch: what runs.
            what: tells what that is.
            backend: where it runs.
        """
        if not self.on:
            return launch

        def watched() -> None:
            self.count += 1
            if not self.printing:
                launch()
                return
            backend.synchronize()
            start = time.perf_counter()
            launch()
            backend.synchronize()
            seconds = time.perf_counter() - start
            print(f"neonport {backend} {what.line(seconds)}", file=sys.stderr)

        return watched

    def evaluation(self, backend: Any) -> AbstractContextManager[Lap | None]:
        """A block around the evaluation of a statement by NumPy; it gets what watches the nodes.

        Args:
            backend: where the statement belongs.
        """
        return NOTHING


NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True)
class Launched:
    """What a launch does.

    Attributes:
        step: the step of a plan, or None for a call that is no statement.
        op: name of the op that is called, of a step empty.
        shapes: of such a call: those of the operands, then that of the result.
        operands: of a call of products: a function for each of a, b and c, one product after the
            other, that gives it.
        factors: of such a call: alpha and beta.
        ops: of a statement that is one launch: what it computes.
    """

    step: BoundKernel | LibraryCall | None
    op: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    operands: tuple[Callable[[], Any], ...] = ()
    factors: tuple[float, float] = (1.0, 0.0)
    ops: tuple[str, ...] = ()

    def line(self, seconds: float) -> str:
        """What is printed: name, sizes, time and rate."""
        step = self.step
        if isinstance(step, BoundKernel):
            rate = step.bytes_moved / seconds / 1e9 if seconds else 0.0
            name = f"kernel {step.kernel.key[:8]} {step.sizes}"
            return f"{name} {seconds * 1e6:.1f} us {rate:.1f} GB/s"
        op, shape = (
            (self.op, self.shapes[-1]) if step is None else (step.value.op, step.target.layout[0])
        )
        return f"call {op} {shape} {seconds * 1e6:.1f} us"
