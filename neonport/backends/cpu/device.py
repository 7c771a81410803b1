"""The cpu backend: NumPy arrays, kernels compiled for this machine, a BLAS, NumPy for the rest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.backends.backend import Backend
from neonport.backends.host import memory
from neonport.backends.host.cpu_info import cpu_name
from neonport.backends.host.jit import launcher as jit
from neonport.backends.host.workspace import Workspace
from neonport.compiler.kernel import BoundKernel
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.device import Bound, Capabilities, Device, Launch, Place, ProbeResult
from neonport.errors import CompileError, DLPackError
from neonport.tensor.dlpack import CPU, HOST_READABLE, host_array, host_capsule
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor


class CPUDevice(Device):
    """The host: its memory, its C compiler, its BLAS."""

    capabilities = Capabilities(dtypes=FLOAT_NAMES, device_type=0, host_memory=True)

    def __init__(self, device_id: int = 0) -> None:
        super().__init__(device_id)
        self._jit: jit.HostJit | None = None
        self._jit_known = False
        self.workspace = Workspace()

    @classmethod
    def probe(cls) -> ProbeResult:
        """The host is always there."""
        return ProbeResult("ready", cpu_name(), count=1)

    # ---- memory ------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled host memory on a 64-byte boundary."""
        return memory.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> np.ndarray:
        """An ndarray over the layout."""
        return memory.array_view(storage, dtype, layout)

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Copy bytes out."""
        memory.read(storage, start, out)

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy bytes in."""
        memory.write(storage, start, values)

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in."""
        target.native[...] = values

    def copy_out(self, source: Tensor) -> np.ndarray:
        """A new array with the values."""
        return np.array(source.native, order="C")

    def host_array(self, tensor: Tensor, dtype: Any, copy: bool | None) -> np.ndarray:
        """The live memory as an array, copied if asked for or if the dtype differs."""
        if dtype is not None and np.dtype(dtype) != tensor.dtype:
            return super().host_array(tensor, dtype, copy)
        return tensor.get() if copy else tensor.native

    def scatter(self, target: Tensor, indices: np.ndarray, axis: int, values: Tensor) -> bool:
        """Store entries at their indices along an axis."""
        at = (*(slice(None),) * axis, indices)
        target.native[at] = values.native
        return True

    # ---- kernels -----------------------------------------------------------------------------

    @property
    def compiles(self) -> bool:
        """Whether there is a C compiler that works; looked for once."""
        if not self._jit_known:
            self._jit = jit.shared_jit()
            self._jit_known = True  # last: an interrupt leaves it open, other threads wait above
        return self._jit is not None

    def give_up_kernels(self, error: CompileError) -> bool:
        """NumPy runs from now on; said once."""
        if self._jit is None:  # another thread was first
            return True
        self._jit = None
        warnings.warn(
            f"{self}: kernels are not compiled, NumPy runs instead (slower, same results): {error}",
            RuntimeWarning,
            stacklevel=4,
        )
        return True

    def _compiler(self) -> jit.HostJit:
        if not self.compiles or self._jit is None:
            raise CompileError(
                f"{self}: kernels are not compiled here, so a statement cannot be bound; "
                "assign it instead: y[:] = tree"
            )
        return self._jit

    def prefetch(self, kernels: Sequence[BoundKernel]) -> None:
        """Compile several kernels at the same time."""
        self._compiler().load(kernels)

    def render_kernel(self, kernel: BoundKernel, prelude: bool = False) -> str:
        """The kernel in C."""
        return jit.render_c(kernel, prelude)

    def bind_kernel(self, kernel: BoundKernel, places: Sequence[Place | None]) -> Launch:
        """A call of compiled code."""
        compiler = self._compiler()
        (code,) = compiler.load([kernel])
        return compiler.bind(code, kernel, places)

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """A BLAS call on the tensors' memory."""
        from neonport.backends.host.blas import gemm as blas  # not needed to start

        return blas.bind_gemm(a.native, b.native, c.native, alpha, beta)

    def matmuls(self, products: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Bound:
        """Products of the same rows in one pass over them."""
        from neonport.backends.host.blas import gemm as blas

        return blas.bind_gemms([(a.native, b.native, c.native) for a, b, c in products])

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """A BLAS call on the tensors' memory, for all matrices of the batch."""
        from neonport.backends.host.blas import gemm as blas

        return blas.bind_batched_gemm(a.native, b.native, c.native)

    def library_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Bound | None:
        """Compiled C for convolutions and pooling."""
        from neonport.backends.host.kernels import dispatch  # not needed to start

        arrays = [t.native for t in operands]
        return dispatch.bind(op, arrays, target.native, params, self.workspace)

    # ---- exchange ----------------------------------------------------------------------------

    def dlpack_device(self) -> tuple[int, int]:
        """`kDLCPU`, ordinal 0."""
        return CPU

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Whatever the host can read, pinned memory included."""
        return device[0] in HOST_READABLE

    def dlpack_export(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """NumPy's own capsule of the memory."""
        if stream is not None:
            raise DLPackError(f"dlpack: host memory has no stream; stream={stream!r} must be None")
        array = tensor.get() if copy else tensor.native
        return host_capsule(array, max_version, copied=bool(copy))

    def dlpack_adopt(self, x: Any, **options: Any) -> Tensor:
        """A tensor over the producer's host memory."""
        return self.adopt_array(host_array(x))

    def adopt_array(self, array: np.ndarray) -> Tensor:
        """A tensor over the memory of an ndarray; writes go through (unless it is read-only)."""
        storage, strides, offset = memory.adopt(array)
        return self.adopted(storage, array.dtype, array.shape, strides, offset)


class CPUBackend(Backend):
    """Tensors in host memory; always available, and the reference for every other backend."""

    backend_name: ClassVar[str] = "cpu"
    device_class = CPUDevice
