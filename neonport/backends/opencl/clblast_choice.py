"""Choose products for CLBlast: measured once for each class on a device, and kept on disk.

CLBlast adds in another order than our kernel, so its bits are others. A choice therefore holds for
as long as the cache does; one that cannot be kept is not made, and our kernel stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from neonport import settings
from neonport.backends.gpu import autotune as tuning
from neonport.backends.gpu.matmul import WORTH, bind_product, kind_of
from neonport.backends.opencl import clblast
from neonport.io.cache_dir import is_lasting
from neonport.log import logger
from neonport.tensor.tensor import Tensor

MARGIN = 1.1  # as fast as this times ours, or it is not worth other bits
BATCH = "batch"
BATCH_SHAPES = ((64, 64, 64), (64, 64, 64), (64, 64, 64))


class Choice:
    """The choices of one backend between CLBlast and our kernel.

    Attributes:
        wanted: False (never), True (wherever it has the product), or None (where it is faster).
        failed: whether CLBlast has reported an error; it is left alone from then on.
        known: what was decided for (dtype, class).
    """

    def __init__(self) -> None:
        self.wanted = settings.OPENCL_CLBLAST.get()
        self.failed = False
        self.known: dict[tuple[np.dtype, str], bool] = {}
        self._lock = threading.RLock()  # a finalizer of the user's may come here while we are here

    def bind(
        self,
        be: Any,
        operands: tuple[Tensor, Tensor, Tensor],
        numbers: tuple[float, float],
        ours: Callable[[], None],
    ) -> Callable[[], None]:
        """CLBlast's product with ours behind it, or ours.

        Args:
            be: the OpenCL backend.
            operands: a, b and c of c = alpha * a @ b + beta * c.
            numbers: alpha and beta.
            ours: our product of the same operands.
        """
        a, b, c = operands
        library = self._library(be, a, b, c)
        if library is None:
            return ours

        def bind(x: Tensor, y: Tensor) -> Callable[[], None]:
            call = library.bind(be, x, y, c, *numbers)
            return ours if call is None else self._guarded(be, call, ours)

        return be.copied([a, b], bind, c)

    def _library(self, be: Any, a: Tensor, b: Tensor, c: Tensor) -> clblast.Library | None:
        """The library if a product of this class goes to it."""
        forced = self.wanted is True
        if self.wanted is False or self.failed or c.dtype.name not in clblast.LETTERS:
            return None
        batched = c.ndim == 3
        (m, k), n = a.shape[-2:], b.shape[-1]
        work = m * n * k * (c.shape[0] if batched else 1)
        if not forced and (work < WORTH or not tuning.allowed() or not is_lasting()):
            return None
        library, reason = clblast.load()
        if library is None:
            if forced:
                self._stop(f"{settings.OPENCL_CLBLAST.name}=1, but it cannot be used: {reason}")
            return None
        if forced:
            return library
        kind = BATCH if batched else kind_of(m, n, be.traits.units)
        key = (c.dtype, kind)
        with self._lock:
            if key not in self.known:
                self.known[key] = self._faster(be, library, c.dtype, kind)
            return library if self.known[key] else None

    def _faster(self, be: Any, library: clblast.Library, dtype: np.dtype, kind: str) -> bool:
        """Whether CLBlast is faster on products of a class, from disk or measured now."""
        shapes = BATCH_SHAPES if kind == BATCH else tuning.shapes_of(kind)

        def measure() -> int:
            a, b, c = tuning.trial(be, dtype, shapes)
            tile = be.tile_for(dtype, *c.shape[-2:], a.shape[-1])
            ours = bind_product(be, a, b, c, 1.0, 0.0, tile)
            call = library.bind(be, a, b, c, 1.0, 0.0)
            if call is None:
                return 0
            theirs = tuning.seconds_of(be, self._guarded(be, call, ours))
            return int(not self.failed and theirs * MARGIN < tuning.seconds_of(be, ours))

        return bool(tuning.kept(be, ("CLBlast", dtype.name, shapes), dtype, 2, measure))

    def _guarded(self, be: Any, call: clblast.Call, ours: Callable[[], None]) -> Callable[[], None]:
        """The call, or ours if CLBlast refuses it or has refused another one."""
        progress = be.progress

        def run() -> None:
            if not self.failed:
                status = call()
                if status == 0:
                    progress.last = object()  # the queue has something to do
                    return
                why = clblast.REASONS.get(status, "see the status codes in its clblast_c.h")
                self._stop(f"it reports {status}: {why}")
            ours()

        return be.together([run])

    def _stop(self, reason: str) -> None:
        self.failed = True
        logger.warning("CLBlast: %s; our own kernel takes its place", reason)
