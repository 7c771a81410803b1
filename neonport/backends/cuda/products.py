"""Matrix products of the cuda backend: cuBLAS, or our kernels where it cannot help."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from neonport.backends.cuda.cublas import TYPES, CuBlas
from neonport.backends.cuda.memory import Pool
from neonport.backends.cuda.stream import Queue
from neonport.backends.gpu.device import DeviceBackend
from neonport.backends.gpu.gemm import check
from neonport.errors import BackendUnavailable
from neonport.tensor.tensor import Tensor


class CudaProducts(DeviceBackend):
    """The part of the cuda backend that multiplies matrices.

    Attributes:
        cublas: whether the library is used; False leaves all products to our kernels.
    """

    queue: Queue
    blocks: Pool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cublas = True
        self._blas: CuBlas | None = None
        self._blas_known = False

    def library(self) -> CuBlas | None:
        """The library; None where it is switched off or missing, after one warning."""
        if not self.cublas:
            return None
        if not self._blas_known:
            self._blas_known = True
            try:
                self._blas = CuBlas(self.queue, self.blocks)
            except BackendUnavailable as error:
                warnings.warn(
                    f"{error}. Matrix products run on neonport's own kernels, which are slower",
                    RuntimeWarning,
                    stacklevel=4,
                )
        return self._blas

    @property
    def tf32(self) -> bool:
        """Whether products of float32 may use the TF32 units; off unless NEONPORT_TF32=1."""
        library = self.library()
        return library is not None and library.tf32

    @tf32.setter
    def tf32(self, value: bool) -> None:
        library = self.library()
        if library is not None:
            library.tf32 = bool(value)
            self.bound.clear()  # what is bound keeps the mode it was bound with

    def bind_matmul(
        self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Callable[[], None]:
        """CuBLAS, or our kernel for layouts that it does not take."""
        check(a, b, c)
        library = self.library()
        own = super().bind_matmul
        if library is None or 0 in c.shape or c.dtype.name not in TYPES:
            return own(a, b, c, alpha, beta)

        def bind(x: Tensor, y: Tensor) -> Callable[[], None]:
            return library.bind(x, y, c, alpha, beta) or own(x, y, c, alpha, beta)

        return self.copied([a, b], bind, c)

    def bind_batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Callable[[], None]:
        """CuBLAS for one result a batch entry, else our kernel."""
        library = self.library()
        call = None
        if library is not None and c.ndim == 3 and 0 not in c.shape and c.dtype.name in TYPES:
            check(a, b, c)
            call = library.bind(a, b, c, 1.0, 0.0)
        return call or super().bind_batched_matmul(a, b, c)

    def close_library(self) -> None:
        """Give the handle back."""
        if self._blas is not None:
            self._blas.close()
            self._blas = None
