"""The cpu backend: NumPy arrays, a BLAS, the NumPy evaluator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.backends.host import memory
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.jit import launcher as jit
from neonport.backends.host.kernels import dispatch as calls
from neonport.backends.host.workspace import Workspace
from neonport.compiler.loop_nest import BoundKernel
from neonport.dtypes import FLOAT_NAMES, cast
from neonport.engine.device import ProbeResult
from neonport.engine.evaluator import evaluate
from neonport.engine.executor import CompiledBackend, Launch, must_interpret
from neonport.errors import CompileError, DLPackError
from neonport.tensor.dlpack import CPU, HOST_READABLE, host_array, host_capsule
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor


class CPUBackend(CompiledBackend):
    """Tensors in host memory; always available, and the reference for every other backend."""

    backend_name: ClassVar[str] = "cpu"
    default_dtypes: ClassVar[tuple[str, ...]] = FLOAT_NAMES
    device_type: ClassVar[int] = 0
    tensor_cls = Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._jit: jit.HostJit | None = None
        self._jit_known = False
        self.workspace = Workspace()

    @classmethod
    def probe(cls) -> ProbeResult:
        """The host is always there."""
        import platform

        return ProbeResult("ready", platform.processor() or platform.machine(), count=1)

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled host memory on a 64-byte boundary."""
        return memory.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> np.ndarray:
        """An ndarray over the layout."""
        return memory.array_view(storage, dtype, layout)

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

    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Run compiled code, or the evaluator where there is none."""
        if self._find_jit() is None or must_interpret(pairs):
            self.interpret(pairs)
            return
        try:
            super().run(pairs)
        except CompileError as error:
            self._without_jit(error)
            self.interpret(pairs)

    def interpret(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Evaluate every operand with NumPy, then store."""
        self.unrecordable("NumPy evaluates a statement (no compiler, or one without elements)")
        values = []
        for target, operand in pairs:
            value = evaluate(operand, target.shape, self.draw_uniform)
            # a tensor, or a movement of one, is a view: later stores must not change it
            if any(np.may_share_memory(value, t.native) for t, _ in pairs):
                value = value.copy()
            values.append(value)
        for (target, _), value in zip(pairs, values, strict=True):
            target.native[...] = cast(value, target.dtype)

    def _find_jit(self) -> jit.HostJit | None:
        if not self._jit_known:
            self._jit_known = True
            try:
                self._jit = jit.shared_jit()
            except CompileError as error:
                self._without_jit(error)
        return self._jit

    def _without_jit(self, error: CompileError) -> None:
        self._jit = None
        warnings.warn(
            f"{self}: kernels are not compiled, NumPy runs instead (slower, same results): {error}",
            RuntimeWarning,
            stacklevel=4,
        )

    def load_kernels(self, kernels: Sequence[BoundKernel]) -> list[Any]:
        """Compiled code of some kernels.

        Raises:
            CompileError: there is no compiler; an assignment runs without one, a bound statement
                does not.
        """
        compiled = self._find_jit()
        if compiled is None:
            raise CompileError(
                f"{self}: kernels are not compiled here, so a statement cannot be bound; "
                "assign it instead: y[:] = tree"
            )
        return compiled.load(kernels)

    def render_kernel(self, spec: BoundKernel) -> str:
        """The kernel in C."""
        return jit.render_c(spec)

    def bind_kernel(
        self, code: Any, spec: BoundKernel, places: Sequence[tuple[Storage, int] | None]
    ) -> Launch:
        """A call of compiled code."""
        assert self._jit is not None
        return self._jit.bind(code, spec, places)

    def scatter(self, target: Tensor, indices: np.ndarray, axis: int, values: Tensor) -> None:
        """Store entries at their indices along an axis."""
        at = (*(slice(None),) * axis, indices)
        target.native[at] = values.native

    def bind_matmul(
        self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Callable[[], None]:
        """A BLAS call on the tensors' memory."""
        return blas.bind_gemm(a.native, b.native, c.native, alpha, beta)

    def bind_batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Callable[[], None]:
        """A BLAS call on the tensors' memory, for all matrices of the batch."""
        return blas.bind_batched_gemm(a.native, b.native, c.native)

    def bind_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Callable[[], None]:
        """Compiled C for convolutions and pooling, else the NumPy meaning."""
        return calls.bind(op, [t.native for t in operands], target.native, params, self.workspace)

    def synchronize(self) -> None:
        """Nothing is pending: calls return when they are done."""

    def dlpack_device(self) -> tuple[int, int]:
        """kDLCPU, ordinal 0."""
        return CPU

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Whatever the host can read, pinned memory included."""
        return device[0] in HOST_READABLE

    def dlpack_capsule(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """NumPy's own capsule of the memory."""
        if stream is not None:
            raise DLPackError(f"dlpack: host memory has no stream; stream={stream!r} must be None")
        array = tensor.get() if copy else tensor.native
        return host_capsule(array, max_version, copied=bool(copy))

    def dlpack_adopt(self, x: Any) -> Tensor:
        """A tensor over the producer's host memory."""
        return self.adopt_array(host_array(x))

    def adopt_array(self, array: np.ndarray) -> Tensor:
        """A tensor over the memory of an ndarray; writes go through (unless it is read-only)."""
        storage, strides, offset = memory.adopt(array)
        return self.wrap(storage, array.dtype, array.shape, strides, offset)
