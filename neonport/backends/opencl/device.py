"""The opencl backend: one device, one in-order queue, kernels from the shared renderer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from neonport import settings
from neonport.backends.backend import Backend
from neonport.backends.gpu.device import GpuDevice
from neonport.backends.gpu.matmul import check
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.kernels import dispatch as calls
from neonport.backends.host.workspace import Workspace
from neonport.backends.opencl import context as sessions
from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl import dlpack as exchange
from neonport.backends.opencl import interpreter_exit, launch, memory, pyopencl_arrays
from neonport.backends.opencl.clblast_choice import Choice
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.compiler.codegen.gpu.dialects import opencl_dialect
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.device import Bound, Capabilities, ProbeResult
from neonport.errors import BackendUnavailable, DLPackError, NeonportError
from neonport.log import logger
from neonport.ops.op import Kind, of_kind
from neonport.tensor.dlpack import CPU, adopt, host_capsule
from neonport.tensor.storage import Layout, Storage, array_over
from neonport.tensor.tensor import Tensor

# what the host does on processors faster than our kernels: images 1.4 to 15 times, and sequences,
# whose steps would be launches
HOSTED = of_kind(Kind.SEQUENCE) | {
    "conv", "conv_backward_data", "conv_backward_filter", "pool", "max_pool_backward",
}  # fmt: skip


class OpenCLDevice(GpuDevice):
    """The memory, kernels and queue of an OpenCL device.

    Args:
        device_id: number of the device, GPUs first, among those that NEONPORT_OPENCL_DEVICE
            ("intel", "pocl:0") names.
        shared: whether the host may read and write buffers in place where the device lets it;
            False, or NEONPORT_OPENCL_SHARED=0, treats the memory as out of reach.

    Attributes:
        info: the device and what it can do.
        context, programs: what all backends on the device share.
        queue: PyOpenCL's in-order queue; everything goes through it, but for small launches while
            nothing is pending.
        here: queue for these, which runs them on the thread that calls; None if there is no such.
        progress: what is known to be done of what the queue was given.
        shared: whether the host sees the memory.
        blocks: memory.
        clblast: which products go to CLBlast.

    Raises:
        BackendUnavailable: no such device, or PyOpenCL is missing.
    """

    def __init__(self, device_id: int = 0, shared: bool | None = None) -> None:
        try:
            cl = load_pyopencl()
        except ImportError as error:
            raise BackendUnavailable(f"opencl: {devices.probe().reason}") from error
        super().__init__(device_id)
        self.info = devices.choose(device_id)
        dtypes = FLOAT_NAMES if self.info.float64 else FLOAT_NAMES[:3]
        self.capabilities = Capabilities(dtypes=dtypes)
        session = sessions.open_session(self.info, self)
        self.context, self.programs = session.context, session.programs
        try:
            self.queue = cl.CommandQueue(self.context, self.info.handle)
            self.here = launch.queue_here(self.context, self.info)
        except cl.Error as error:
            raise launch.failed(self.info, error) from error
        self.progress = launch.Progress(session.workers)
        if shared is None:
            shared = settings.OPENCL_SHARED.get()
        self.shared = shared and memory.is_shared(self.context, self.queue, self.info)
        self.dlpack_data = "pointer" if self.shared else exchange.DATA
        self.blocks = memory.Pool(self.context, self.queue, self.info, self.shared)
        self.workspace = Workspace()
        self.clblast = Choice()
        self.dialect = opencl_dialect()
        self.identity = self.info.identity
        self.traits = self.info.traits()

    @classmethod
    def probe(cls) -> ProbeResult:
        """PyOpenCL, platforms and devices as they are here."""
        return devices.probe()

    # ---- memory ------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory of the device."""
        self.check_alive()
        return self.blocks.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """An array over the layout where the host shares the memory, else the buffer.

        Whoever has it keeps the memory.
        """
        if self.shared:
            return array_over(storage.native.host, dtype, layout)
        cl = load_pyopencl()
        own = cl.MemoryObject.from_int_ptr(storage.native.buffer.int_ptr, retain=True)
        own.hold = storage.native.hold
        return own

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Copy bytes out, after pending work."""
        self._move(out, storage.native.buffer, src_offset=start)

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy bytes in, after pending work."""
        self._move(storage.native.buffer, values, dst_offset=start)

    def _move(self, target: Any, source: Any, **where: int) -> None:
        self.synchronize()
        cl = load_pyopencl()
        try:
            cl.enqueue_copy(self.queue, target, source, is_blocking=True, **where)
        except cl.Error as error:
            raise launch.failed(self.info, error) from error

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in, after pending work."""
        if not self.shared:
            super().copy_in(target, values)
            return
        self.synchronize()
        target.native[...] = values

    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait, and return a new array with the values."""
        if not self.shared:
            return super().copy_out(source)
        self.synchronize()
        return np.array(source.native, order="C")

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        if sessions.is_inherited():
            raise sessions.after_fork(self.info)
        try:
            self.progress.finish(self.queue)
        except load_pyopencl().Error as error:
            raise launch.failed(self.info, error) from error

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use, at peak, and held for later."""
        return {"in_use": self.blocks.in_use, "peak": self.blocks.peak, "held": self.blocks.held}

    def check_alive(self) -> None:
        """Raise in a process that was forked from the one that opened the device.

        Raises:
            BackendUnavailable: with the way out.
            SystemExit: in all threads but one while the interpreter ends.
        """
        if sessions.is_inherited():
            raise sessions.after_fork(self.info)
        interpreter_exit.check()

    def close(self) -> None:
        """Wait for the queue and give held memory back; what fails now is logged."""
        inherited = sessions.is_inherited()
        try:
            if not inherited:
                self.synchronize()
        except NeonportError as error:
            logger.warning("%s", error)
        super().close()
        if not inherited:
            self.blocks.close()

    # ---- programs and products ---------------------------------------------------------------

    def build(self, source: str, options: tuple[str, ...]) -> Any:
        """The program of a text, from memory, disk or the driver's compiler."""
        interpreter_exit.check()
        return self.programs.load(source, (*options, *self.info.options))

    def bind_launch(
        self,
        program: Any,
        name: str,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
        elements: int | None = None,
    ) -> launch.KernelLaunch:
        """A kernel object with its arguments; small ones may run on the thread that calls."""
        interpreter_exit.check()
        words = [a.native.buffer if isinstance(a, Storage) else a for a in arguments]
        kernel = load_pyopencl().Kernel(program, name)
        # else the queue has copies and fills to do, which `progress` does not know of
        small = self.shared and launch.is_small(groups, elements)
        return launch.KernelLaunch(
            self.queue, self.here if small else None, self.progress, self.info,
            kernel, groups, group, words, keep,
        )  # fmt: skip

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """The host's BLAS where it shares the memory, else a product on the device."""
        if not self.shared:
            return super().matmul(a, b, c, alpha, beta)
        check(a, b, c)
        return self._hosted(blas.bind_gemm(a.native, b.native, c.native, alpha, beta))

    def own_product(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """CLBlast where it is there and measured to be faster, else our kernel."""
        ours = super().own_product(a, b, c, alpha, beta)
        if 0 in c.shape:
            return ours
        return self.clblast.bind(self, (a, b, c), (alpha, beta), ours)

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """The host's BLAS for all of the batch where it shares the memory, else one launch."""
        if not self.shared:
            return super().batched_matmul(a, b, c)
        return self._hosted(blas.bind_batched_gemm(a.native, b.native, c.native))

    def library_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Bound | None:
        """The host's way where it shares the memory and is faster, else a hand-written kernel."""
        if self.shared and op in HOSTED:
            arrays = [t.native for t in operands]
            call = calls.bind(op, arrays, target.native, params, self.workspace)
            if call is not None:
                return self._hosted(call)
        return super().library_call(op, operands, target, params)

    def _hosted(self, call: Callable[[], object]) -> Bound:
        """A call of the host on shared memory, after the launches before it."""
        settle, queue = self.progress.settle, self.queue

        def run() -> None:
            settle(queue)
            call()

        return run

    # ---- exchange ----------------------------------------------------------------------------

    def host_array(self, tensor: Tensor, dtype: Any, copy: bool | None) -> np.ndarray:
        """The live memory as an array where it is shared and nothing has to be converted."""
        if not self.shared or (dtype is not None and np.dtype(dtype) != tensor.dtype):
            return super().host_array(tensor, dtype, copy)
        self.synchronize()
        native: np.ndarray = tensor.native
        return native.copy() if copy else native

    def dlpack_device(self) -> tuple[int, int]:
        """The host where it shares the memory, else kDLOpenCL with the number of the device."""
        return CPU if self.shared else (exchange.OPENCL, self.info.index)

    def dlpack_export(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """NumPy's capsule of shared memory, or one with the cl_mem, after pending work."""
        if not self.shared:
            return exchange.capsule(self, tensor, stream=stream, max_version=max_version, copy=copy)
        if stream is not None:
            raise DLPackError(f"dlpack: host memory has no stream; stream={stream!r} must be None")
        array = tensor.get() if copy else self.host_array(tensor, None, None)
        return host_capsule(array, max_version, copied=bool(copy))

    def dlpack_adopt(self, x: Any, trust_cl_mem: bool = False, **options: Any) -> Tensor:
        """A tensor over memory of this context.

        Raises:
            DLPackError: the memory is the host's, which a driver may copy unseen, or not of this
                context.
        """
        if self.shared or (isinstance(x, Tensor) and x.backend is self.executor.owner):
            return super().dlpack_adopt(x)
        return exchange.adopt(self, x, trust_cl_mem)


class OpenCLBackend(Backend):
    """Tensors in the memory of an OpenCL device; arguments of the device as `OpenCLDevice`."""

    backend_name: ClassVar[str] = "opencl"
    device_class = OpenCLDevice

    @property
    def shared(self) -> bool:
        """Whether the host sees the memory."""
        return self.device.shared

    def from_dlpack(self, x: Any, copy: bool | None = None, trust_cl_mem: bool = False) -> Tensor:
        """A tensor over the memory of another library's array; see `Backend.from_dlpack`.

        Args:
            x: object with `__dlpack__` and `__dlpack_device__`, or an array of PyOpenCL.
            copy: None or False share the memory; True copies, also from another device.
            trust_cl_mem: believe that the data of `x` is a cl_mem handle although it does not say
                so. A handle that is none ends the process.
        """
        if not pyopencl_arrays.is_pyopencl_array(x):
            return adopt(self, x, copy, trust_cl_mem=trust_cl_mem)
        self.check_open()
        if copy:
            return self.array(x.get())
        if self.shared:
            raise DLPackError(
                f"from_dlpack: {self} works in the host's memory; copy it: be.array(x.get())"
            )
        return pyopencl_arrays.adopt_array(self.device, x)

    def pyopencl_array(self, tensor: Tensor) -> Any:
        """A `pyopencl.array.Array` over the memory of a tensor of this backend.

        Args:
            tensor: where the memory is the device's own (`shared` is false).

        Raises:
            DLPackError: it is no such tensor, or the memory is the host's.
        """
        self.check_open()
        if not isinstance(tensor, Tensor) or tensor.backend is not self:
            raise DLPackError(
                f"pyopencl_array: {type(tensor).__name__} is no tensor of {self}; make it one: "
                "be.array(x)"
            )
        if self.shared or tensor.readonly:
            why = "is the host's" if self.shared else "is read-only, which PyOpenCL cannot say"
            raise DLPackError(
                f"pyopencl_array: the memory {why}; copy it: pyopencl.array.to_device(queue, "
                "t.get())"
            )
        self.unrecordable("it hands a tensor to another library (PyOpenCL)")
        return pyopencl_arrays.as_array(self.device, tensor)
