"""The cuda backend: one device, one stream, kernels from the shared renderer, cuBLAS."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.backends.backend import Backend
from neonport.backends.cuda import discovery as devices
from neonport.backends.cuda import graphs, memory
from neonport.backends.cuda.cublas import TYPES, CuBlas
from neonport.backends.cuda.launch import KernelLaunch
from neonport.backends.cuda.programs import Programs
from neonport.backends.cuda.stream import Queue
from neonport.backends.gpu.device import GpuDevice
from neonport.backends.gpu.launch import WORDS, Box
from neonport.backends.gpu.matmul import check
from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from neonport.dtypes import FLOAT_NAMES, is_bfloat16
from neonport.engine.device import Bound, Capabilities, ProbeResult
from neonport.engine.host_buffer import HostBuffer
from neonport.engine.recording import Recorder
from neonport.errors import BackendUnavailable, DLPackError
from neonport.shape import Shape, contiguous_strides
from neonport.tensor.capsules import Checked
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

CUDA, MANAGED = 2, 13  # kDLCUDA, kDLCUDAManaged
LEGACY_STREAM = 1  # what the array interface calls the default stream


class CUDADevice(GpuDevice):
    """The memory, kernels and stream of an NVIDIA GPU, through CuPy.

    Args:
        device_id: number of the device.

    Attributes:
        info: the device and what it can do.
        queue: the stream; see `use_stream`.
        programs, blocks: compiled kernels, memory.
        cublas: whether cuBLAS multiplies matrices; False leaves all products to our kernels.

    Raises:
        BackendUnavailable: no such device, no driver, or CuPy is missing.
    """

    capabilities = Capabilities(dtypes=FLOAT_NAMES, pinned_memory=True)

    def __init__(self, device_id: int = 0) -> None:
        self.info = devices.choose(device_id)
        super().__init__(device_id)
        try:
            self.queue = Queue(self.info)
            self.blocks = memory.Pool(self.queue)
            self.transfers = memory.Transfers(self.queue)
            self.programs = Programs(self.queue)
        except RuntimeError as error:
            if isinstance(error, BackendUnavailable):
                raise
            raise BackendUnavailable(
                f"cuda: {self.info.words} cannot be opened: {error}"
            ) from error
        self.dialect = cuda_dialect()
        self.traits = self.info.traits()
        self.identity = self.info.identity
        self.cublas = True
        self._blas: CuBlas | None = None
        self._blas_known = False

    @classmethod
    def probe(cls) -> ProbeResult:
        """CuPy, driver, devices and compiler as they are here."""
        return devices.probe()

    # ---- memory ------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory of the device."""
        return self.blocks.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """CuPy's array over the layout."""
        return memory.array_view(storage, dtype, layout)

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Wait, and copy bytes out."""
        self.transfers.download(storage.address + start, out)

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy bytes in, in the order of the stream; does not wait."""
        self.transfers.upload(storage.address + start, values)

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in, in the order of the stream; does not wait."""
        if target.is_contiguous or 0 in target.shape:
            super().copy_in(target, values)
            return
        whole = _bits(target)
        into = self._apart(whole)
        super().copy_in(into, np.ascontiguousarray(values).view(into.dtype))
        self.executor.run([(whole, into)])

    def host_buffer(self, shape: Shape, dtype: np.dtype) -> HostBuffer:
        """Page-locked memory, from which copies go to the device without another one."""
        return memory.PinnedBuffer(self.transfers, shape, dtype)

    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait, and return a new array with the values."""
        if source.is_contiguous or 0 in source.shape:
            return super().copy_out(source)
        whole = _bits(source)
        copy = self._apart(whole)
        self.executor.run([(copy, whole)])
        return super().copy_out(copy).view(source.dtype)

    def _apart(self, tensor: Tensor) -> Tensor:
        """A contiguous tensor like another."""
        layout = (tensor.shape, contiguous_strides(tensor.shape), 0)
        return self.tensor(self.allocate(tensor.nbytes), tensor.dtype, layout)

    def synchronize(self) -> None:
        """Wait until the stream is empty."""
        self.queue.synchronize()

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use, at peak, and held for later."""
        return {"in_use": self.blocks.in_use, "peak": self.blocks.peak, "held": self.blocks.held}

    def close(self) -> None:
        """Wait for the stream and give held memory back."""
        self.synchronize()
        self.transfers.settle()
        super().close()
        if self._blas is not None:
            self._blas.close()
            self._blas = None
        self.blocks.release()

    # ---- programs ----------------------------------------------------------------------------

    def build(self, source: str, options: tuple[str, ...]) -> Any:
        """The module of a text, from memory, disk or NVRTC."""
        return self.programs.load(source, options)

    def bind_launch(
        self,
        program: Any,
        name: str,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
        elements: int | None = None,
    ) -> KernelLaunch:
        """A function of a module with its arguments."""
        function = program.get_function(name)
        return KernelLaunch(self.queue, function, groups, group, arguments, (keep, program))

    # ---- matrix products ----------------------------------------------------------------------

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
            self.forget_statements()  # what is bound keeps the mode it was bound with

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """CuBLAS, or our kernel for layouts that it does not take."""
        check(a, b, c)
        library = self.library()
        own = super().matmul
        if library is None or 0 in c.shape or c.dtype.name not in TYPES:
            return own(a, b, c, alpha, beta)

        def bind(x: Tensor, y: Tensor) -> Bound:
            return library.bind(x, y, c, alpha, beta) or own(x, y, c, alpha, beta)

        return self.copied([a, b], bind, c)

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """CuBLAS for one result a batch entry, else our kernel."""
        library = self.library()
        call = None
        if library is not None and c.ndim == 3 and 0 not in c.shape and c.dtype.name in TYPES:
            check(a, b, c)
            call = library.bind(a, b, c, 1.0, 0.0)
        return call or super().batched_matmul(a, b, c)

    # ---- recording ---------------------------------------------------------------------------

    def start_recording(self, recorder: Recorder) -> None:
        """Give the recording a box for the numbers that change."""
        storage = self.allocate(8 * WORDS)
        address = storage.address
        recorder.extra = Box(storage, lambda words: self.transfers.upload(address, words))

    def make_replay(self, recorder: Recorder) -> tuple[Bound, str]:
        """A CUDA graph of the launches, or the calls where none can be captured."""
        return graphs.make_replay(self.queue, recorder)

    # ---- time --------------------------------------------------------------------------------

    def init_mark(self) -> Any:
        """An event for `record_mark`."""
        return self.queue.mark()

    def record_mark(self, marker: Any) -> None:
        """Put a mark behind the work given so far; does not wait."""
        marker.record(self.queue.stream)

    def synchronize_mark(self, marker: Any) -> None:
        """Wait until the device has reached a mark."""
        marker.synchronize()

    def get_time(self, start: Any, end: Any) -> float:
        """Milliseconds between two marks on the device."""
        end.synchronize()
        return float(devices.load_cupy().cuda.get_elapsed_time(start, end))

    # ---- exchange ----------------------------------------------------------------------------

    def dlpack_device(self) -> tuple[int, int]:
        """The DLPack type of CUDA memory, and the number of the device."""
        return (CUDA, self.device_id)

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Memory of the same device, and managed memory."""
        return device == self.dlpack_device() or device[0] == MANAGED

    def dlpack_export(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """CuPy's capsule; the consumer's stream waits for the work given so far.

        Args:
            stream: None or 1 the legacy default stream, 2 the per-thread one, a handle, or -1 for
                no synchronisation.

        Raises:
            DLPackError: 0, which the protocol forbids, or no stream at all.
        """
        if stream is not None and (
            isinstance(stream, bool) or not isinstance(stream, int) or stream < -1 or stream == 0
        ):
            raise DLPackError(
                f"dlpack: stream={stream!r} is no stream: None or 1 is the legacy default stream, "
                "2 the per-thread one, -1 asks for no synchronisation, others are handles; 0 is "
                "forbidden because it is ambiguous"
            )
        if copy:
            source, tensor = tensor, self._apart(tensor)
            self.executor.run([(_bits(tensor), _bits(source))])
        with self.queue.entered():
            return tensor.native.__dlpack__(stream=stream, max_version=max_version)

    def cuda_array_interface(self, tensor: Tensor) -> dict[str, Any] | None:
        """Version 3: a consumer waits for the stream that is named.

        Source: the CUDA array interface of Numba's documentation.
        """
        if is_bfloat16(tensor.dtype):
            return None
        step = tensor.dtype.itemsize
        strides = None if tensor.is_contiguous else tuple(s * step for s in tensor.strides)
        address = tensor.raw() if tensor.size else 0
        return {
            "version": 3,
            "shape": tensor.shape,
            "strides": strides,
            "typestr": tensor.dtype.str,
            "data": (address, tensor.readonly),
            "stream": int(self.queue.stream.ptr) or LEGACY_STREAM,
        }

    def dlpack_adopt(self, x: Any, **options: Any) -> Tensor:
        """A tensor over the producer's memory, after its pending work."""
        try:
            with self.queue.entered():
                array = devices.load_cupy().from_dlpack(Checked(x))
        except DLPackError:
            raise
        except (BufferError, TypeError, ValueError) as error:
            raise DLPackError(
                f"from_dlpack: CuPy cannot read the {type(x).__name__}: {error}; copy it: "
                "be.from_dlpack(x, copy=True)"
            ) from error
        storage, strides, offset = memory.adopt(array, self.blocks.space)
        return self.adopted(storage, array.dtype, array.shape, strides, offset)


class CUDABackend(Backend):
    """Tensors in the memory of an NVIDIA GPU, through CuPy."""

    backend_name: ClassVar[str] = "cuda"
    device_class = CUDADevice

    def use_stream(self, stream: Any) -> Any:
        """Go on with another stream; see `Queue.use`."""
        self.check_open()
        return self.device.queue.use(stream)

    @property
    def tf32(self) -> bool:
        """Whether products of float32 may use the TF32 units; off unless NEONPORT_TF32=1."""
        return self.device.tf32

    @tf32.setter
    def tf32(self, value: bool) -> None:
        self.device.tf32 = value

    @property
    def cublas(self) -> bool:
        """Whether cuBLAS multiplies matrices; False leaves all products to our kernels."""
        return self.device.cublas

    @cublas.setter
    def cublas(self, value: bool) -> None:
        self.device.cublas = bool(value)


def _bits(tensor: Tensor) -> Tensor:
    """A view of the memory as integers, since copies of these keep every bit."""
    dtype = np.dtype(f"int{8 * tensor.dtype.itemsize}")
    return Tensor(tensor.backend, tensor.storage, dtype, tensor.layout)
