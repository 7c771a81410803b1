"""Seeing launches: counted always on request, printed with NEONPORT_TRACE=1."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neonport.backends.contract import Contract
    from neonport.nest import BoundKernel

ENVIRONMENT = "NEONPORT_TRACE"


class Tracer:
    """Watches launches when it is on; costs nothing when it is off.

    Attributes:
        on: whether launches bound from now on are watched.
        count: launches since `count` was last set.
    """

    def __init__(self) -> None:
        self.printing = os.environ.get(ENVIRONMENT, "") not in ("", "0")
        self.on = self.printing
        self.count = 0

    def watch(
        self, launch: Callable[[], None], step: BoundKernel, backend: Contract
    ) -> Callable[[], None]:
        """The launch itself, or a call that also counts and prints it."""
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
            rate = step.bytes_moved / seconds / 1e9 if seconds else 0.0
            print(
                f"neonport {backend} kernel {step.kernel.key[:8]} {step.sizes} "
                f"{seconds * 1e6:.1f} us {rate:.1f} GB/s",
                file=sys.stderr,
            )

        return watched
