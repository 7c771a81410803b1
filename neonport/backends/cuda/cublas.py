"""Matrix products by cuBLAS, called through ctypes.

CuPy's own binding looks up the stream at every call and refuses to work while a graph is captured;
the library itself can do both. CuPy finds and loads it, a handle and its workspace are ours.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from neonport import settings
from neonport.backends.cuda.discovery import load_cupy
from neonport.backends.cuda.memory import Pool
from neonport.backends.cuda.stream import Queue
from neonport.backends.host.blas.layout import blas_layout
from neonport.dtypes import ROWS
from neonport.errors import BackendUnavailable
from neonport.io.shared_library import load_shared_library
from neonport.tensor.tensor import Tensor

WORKSPACE = 32 << 20  # bytes; what the library asks for on its largest devices
INT_MAX = 2**31 - 1
DEFAULT_ALGORITHM = -1
# cudaDataType_t and cublasComputeType_t by dtype: what is stored, what products are added up in
COMPUTE = {"float32": 68, "float64": 70}
TYPES = {
    row.name: (row.cuda_code, COMPUTE[row.compute])
    for row in ROWS.values()
    if row.cuda_code is not None
}
TF32 = 77

_INT, _POINTER, _LONG = ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong
SIGNATURES = {
    "cublasCreate_v2": (_POINTER,),
    "cublasDestroy_v2": (_POINTER,),
    "cublasSetStream_v2": (_POINTER, _POINTER),
    "cublasSetWorkspace_v2": (_POINTER, _POINTER, ctypes.c_size_t),
    "cublasGemmEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER, _POINTER, _INT, _INT,
        _POINTER, _INT, _INT, _POINTER, _POINTER, _INT, _INT, _INT, _INT,
    ),
    "cublasGemmStridedBatchedEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER, _POINTER, _INT, _INT, _LONG,
        _POINTER, _INT, _INT, _LONG, _POINTER, _POINTER, _INT, _INT, _LONG, _INT, _INT, _INT,
    ),
}  # fmt: skip


def load_library() -> Any:
    """The library's functions.

    Raises:
        BackendUnavailable: it is not installed.
    """
    major = load_cupy().cuda.runtime.runtimeGetVersion() // 1000
    windows = sys.platform == "win32"
    name = f"cublas64_{major}.dll" if windows else f"libcublas.so.{major}"
    try:
        from cupy_backends.cuda.libs import cublas  # finds and loads it

        cublas.create  # noqa: B018  # CuPy loads lazily
        library = load_shared_library(name, keeps_lock=True)  # one handle serves all threads
    except (ImportError, OSError, AttributeError) as error:
        raise BackendUnavailable(
            f"cuda: cuBLAS cannot be loaded ({error}); pip install "
            f"{'nvidia-cublas' if major > 12 else f'nvidia-cublas-cu{major}'}"
        ) from error
    for function, types in SIGNATURES.items():
        getattr(library, function).argtypes = types
        getattr(library, function).restype = _INT
    return library


def _destroy(library: Any, queue: Queue, handle: Any) -> None:
    with queue.current():
        library.cublasDestroy_v2(handle)


class CuBlas:
    """A handle of the library on the stream of a backend.

    Attributes:
        tf32: whether products of float32 may round their operands to 10 bits of mantissa; products
            that are bound keep what was set then.

    Raises:
        BackendUnavailable: the library is missing or does not start.
    """

    def __init__(self, queue: Queue, pool: Pool) -> None:
        self.queue = queue
        self.library = load_library()
        self.tf32 = settings.TF32.get()
        self._workspace = pool.allocate(WORKSPACE)
        handle = ctypes.c_void_p()
        with queue.current():
            self.check(self.library.cublasCreate_v2(ctypes.byref(handle)))
        self.handle = handle
        # a backend that nobody uses any more may go without having been closed
        self._destroy = weakref.finalize(self, _destroy, self.library, queue, handle)
        self._destroy.atexit = False
        self._stream = -1

    def check(self, status: int) -> None:
        """Raise BackendUnavailable for a status of the library that is not success."""
        if status:
            raise BackendUnavailable(
                f"cuda: cuBLAS failed with status {status} on {self.queue.device.words}"
            )

    def follow(self) -> None:
        """Use the stream of the backend; its own workspace makes results repeatable."""
        stream = self.queue.ptr
        self.check(self.library.cublasSetStream_v2(self.handle, stream))
        address = self._workspace.address
        self.check(self.library.cublasSetWorkspace_v2(self.handle, address, WORKSPACE))
        self._stream = stream

    def close(self) -> None:
        """Give the handle back."""
        self._destroy()
        self.handle = ctypes.c_void_p()

    def bind(
        self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Callable[[], None] | None:
        """A call for `c = alpha * a @ b + beta * c`, or None where the layouts do not allow it.

        Args:
            a, b, c: matrices; or `c` 3-D with the batch in front, then `a` and `b` are too, or are
                one matrix for all of the batch.
        """
        found = arrange(*(t[0] if t.ndim == 3 else t for t in (a, b, c)))
        if found is None:
            return None
        sizes, swapped, (first, second, out) = found
        stored, compute = TYPES[c.dtype.name]
        if self.tf32 and c.dtype == np.float32:
            compute = TF32
        kind = ctypes.c_double if c.dtype == np.float64 else ctypes.c_float
        scales = (kind(alpha), kind(beta))
        tensors = (b, a, c) if swapped else (a, b, c)
        jumps = [(t.strides[0] if t.ndim == 3 else 0,) if c.ndim == 3 else () for t in tensors]
        if any(jump < (0,) for jump in jumps if jump):
            return None
        places = [t.storage.address + t.offset * t.dtype.itemsize for t in tensors]
        arguments = (
            first[0], second[0], *sizes, ctypes.addressof(scales[0]),
            places[0], stored, first[1], *jumps[0],
            places[1], stored, second[1], *jumps[1], ctypes.addressof(scales[1]),
            places[2], stored, out[1], *jumps[2],
            *((c.shape[0],) if c.ndim == 3 else ()), compute, DEFAULT_ALGORITHM,
        )  # fmt: skip
        name = "cublasGemmStridedBatchedEx" if c.ndim == 3 else "cublasGemmEx"
        return self._call(getattr(self.library, name), arguments, scales)

    def _call(self, function: Any, arguments: tuple[Any, ...], keep: Any) -> Callable[[], None]:
        runtime = load_cupy().cuda.runtime
        queue, number, current = self.queue, self.queue.device.number, runtime.getDevice

        def invoke() -> None:
            if queue.ptr != self._stream:
                self.follow()
            status = function(self.handle, *arguments)
            if status:
                self.check(status)

        def run(keep: Any = keep) -> None:
            if current() == number:
                invoke()
            else:
                with queue.current():
                    invoke()

        return run


Operand = tuple[int, int]


def arrange(
    a: Tensor, b: Tensor, c: Tensor
) -> tuple[tuple[int, int, int], bool, tuple[Operand, Operand, Operand]] | None:
    """How a library that stores columns sees a product of matrices.

    Memory that holds rows is, for the library, the transpose. So c.T = b.T @ a.T is computed where
    `c` holds rows, and c = a @ b where it holds columns.

    Returns:
        (rows, columns, inner size), whether `b` comes first, and (transposed, leading dimension) of
        the first operand, the second and the result; None where a layout has no such description.
    """
    step = c.dtype.itemsize
    layouts = []
    for t in (a, b, c):
        found = blas_layout(t.shape, tuple(s * step for s in t.strides), step)
        if found is None:
            return None
        layouts.append(found)
    (ta, la), (tb, lb), (tc, lc) = layouts
    (m, k), n = a.shape, b.shape[1]
    if max(m, k, n) > INT_MAX:
        return None
    if tc:
        return (m, n, k), False, ((int(not ta), la), (int(not tb), lb), (0, lc))
    return (n, m, k), True, ((int(tb), lb), (int(ta), la), (0, lc))
