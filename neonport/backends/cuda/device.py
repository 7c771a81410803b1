"""The cuda backend: one device, one stream, kernels from the shared renderer, cuBLAS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.backends.cuda import discovery as devices
from neonport.backends.cuda import graphs, memory
from neonport.backends.cuda.launch import KernelLaunch
from neonport.backends.cuda.products import CudaProducts
from neonport.backends.cuda.programs import Programs
from neonport.backends.cuda.stream import Queue
from neonport.backends.gpu.replay_arguments import WORDS, Box
from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.device import ProbeResult
from neonport.engine.recording import Recorder
from neonport.errors import BackendUnavailable, DLPackError
from neonport.shape import contiguous_strides
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

CUDA, MANAGED = 2, 13  # kDLCUDA, kDLCUDAManaged


class CUDABackend(CudaProducts):
    """Tensors in the memory of an NVIDIA GPU, through CuPy.

    Attributes:
        device: the device and what it can do.
        queue: the stream; see `use_stream`.
        programs, blocks: compiled kernels, memory.

    Raises:
        BackendUnavailable: no such device, no driver, or CuPy is missing.
    """

    backend_name: ClassVar[str] = "cuda"
    default_dtypes: ClassVar[tuple[str, ...]] = FLOAT_NAMES
    device_type: ClassVar[int] = 1
    use_pinned_mem: ClassVar[bool] = True
    tensor_cls = Tensor

    def __init__(self, *args: Any, device_id: int = 0, **kwargs: Any) -> None:
        self.device = devices.choose(device_id)
        super().__init__(*args, device_id=device_id, **kwargs)
        try:
            self.queue = Queue(self.device)
            self.blocks = memory.Pool(self.queue)
            self.transfers = memory.Transfers(self.queue)
            self.programs = Programs(self.queue)
        except RuntimeError as error:
            if isinstance(error, BackendUnavailable):
                raise
            raise BackendUnavailable(
                f"cuda: {self.device.words} cannot be opened: {error}"
            ) from error
        self.dialect = cuda_dialect()
        self.traits = self.device.traits()
        self.identity = self.device.identity

    @classmethod
    def probe(cls) -> ProbeResult:
        """CuPy, driver, devices and compiler as they are here."""
        return devices.probe()

    # ---- memory ------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory of the device."""
        self.check_open()
        return self.blocks.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """CuPy's array over the layout."""
        return memory.array_view(storage, dtype, layout)

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in, in the order of the stream; does not wait."""
        if 0 in target.shape:
            return
        whole = _bits(target)
        into = whole if whole.is_contiguous else self._apart(whole)
        address = into.storage.address + into.offset * into.dtype.itemsize
        self.transfers.upload(address, np.ascontiguousarray(values).view(into.dtype))
        if into is not whole:
            self.run([(whole, into)])

    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait, and return a new array with the values."""
        out = np.empty(source.shape, source.dtype)
        if out.size:
            whole = _bits(source)
            if not whole.is_contiguous:
                copy = self._apart(whole)
                self.run([(copy, whole)])
                whole = copy
            self.transfers.download(
                whole.storage.address + whole.offset * whole.dtype.itemsize, out
            )
        return out

    def _apart(self, tensor: Tensor) -> Tensor:
        """A contiguous tensor like another."""
        layout = (tensor.shape, contiguous_strides(tensor.shape), 0)
        return Tensor(self, self.allocate(tensor.nbytes), tensor.dtype, layout)

    def synchronize(self) -> None:
        """Wait until the stream is empty."""
        self.queue.synchronize()

    def use_stream(self, stream: Any) -> Any:
        """Go on with another stream; see `Queue.use`."""
        self.check_open()
        return self.queue.use(stream)

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use, at peak, and held for later."""
        return {"in_use": self.blocks.in_use, "peak": self.blocks.peak, "held": self.blocks.held}

    def cleanup_backend(self) -> None:
        """Wait for the stream and give held memory back."""
        if not self.closed:
            self.synchronize()
            super().cleanup_backend()
            self.close_library()
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

    # ---- recording ---------------------------------------------------------------------------

    def start_recording(self, recorder: Recorder) -> None:
        """Give the recording a box for the numbers that change."""
        storage = self.allocate(8 * WORDS)
        address = storage.address
        recorder.extra = Box(storage, lambda words: self.transfers.upload(address, words))

    def make_replay(self, recorder: Recorder) -> tuple[Callable[[], None], str]:
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

    def dlpack_capsule(
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
            self.run([(_bits(tensor), _bits(source))])
        with self.queue.entered():
            return tensor.native.__dlpack__(stream=stream, max_version=max_version)

    def dlpack_adopt(self, x: Any) -> Tensor:
        """A tensor over the producer's memory, after its pending work."""
        with self.queue.entered():
            array = devices.load_cupy().from_dlpack(x)
        storage, strides, offset = memory.adopt(array, self.blocks.space)
        return self.wrap(storage, array.dtype, array.shape, strides, offset)


def _bits(tensor: Tensor) -> Tensor:
    """A view of the memory as integers, since copies of these keep every bit."""
    dtype = np.dtype(f"int{8 * tensor.dtype.itemsize}")
    return Tensor(tensor.backend, tensor.storage, dtype, tensor.layout)
