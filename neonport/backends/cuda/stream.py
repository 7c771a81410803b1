"""The stream that all work of a backend goes through, and marks in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from neonport.backends.cuda.discovery import Device, load_cupy
from neonport.errors import BackendUnavailable, ConfigurationError, OutOfDeviceMemory

LEGACY, PER_THREAD = 1, 2  # names of the default streams in DLPack and in the runtime
# numbers of CUresult and cudaError_t, which agree
_OUT_OF_MEMORY, _INVALID_CONTEXT = 2, 201
_WRONG_THREAD = (1, 3, 101, _INVALID_CONTEXT, 400)


def failed(device: Device, error: Exception) -> Exception:
    """The exception to raise for an error of the device."""
    if getattr(error, "status", 0) == _OUT_OF_MEMORY:
        return OutOfDeviceMemory(
            f"cuda: {device.words} ran out of memory ({error}); use a smaller batch or model"
        )
    return BackendUnavailable(
        f"cuda: {device.words} failed ({error}); its results since the last synchronize are lost. "
        "A fault in a kernel ends the use of CUDA in this process: start it again"
    )


class _Foreign:
    """A stream of another library, for CuPy's stream protocol."""

    def __init__(self, pointer: int, owner: Any) -> None:
        self.pointer = pointer
        self.owner = owner

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self.pointer)


class Queue:
    """The stream of a backend.

    It is an ordinary stream: what other libraries do on the legacy default stream waits for it, and
    it for them.

    Attributes:
        device: the device.
        stream: CuPy's object; `ptr` is its handle, read at every launch.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        with self.current():
            self.own = load_cupy().cuda.Stream()
        self.stream: Any = self.own
        self.ptr: int = self.own.ptr

    def use(self, stream: Any) -> Any:
        """Go on with another stream, which waits for what was given to the last one.

        Args:
            stream: CuPy's or PyTorch's stream object, any other with `__cuda_stream__`, a handle as
                an int (0 or 1 legacy default, 2 per-thread default), or None for the own stream.

        Returns:
            The stream that was used before.
        """
        before, after = self.stream, self._wrap(stream)
        with self.current():
            event = load_cupy().cuda.Event(disable_timing=True)
            event.record(before)
            after.wait_event(event)
        self.stream, self.ptr = after, after.ptr
        return before

    def _wrap(self, stream: Any) -> Any:
        cuda = load_cupy().cuda
        if stream is None:
            return self.own
        if isinstance(stream, cuda.Stream):
            return stream
        pointer = getattr(stream, "cuda_stream", stream)  # PyTorch's name
        if hasattr(pointer, "__cuda_stream__"):
            return cuda.Stream.from_external(pointer)
        if isinstance(pointer, bool) or not isinstance(pointer, int) or pointer < 0:
            raise ConfigurationError(
                f"use_stream: {stream!r} is no stream; pass CuPy's or PyTorch's stream object, the "
                "handle as an int, or None"
            )
        return cuda.Stream.from_external(_Foreign(pointer, stream))

    @property
    def capturable(self) -> bool:
        """Whether a graph can be captured: the legacy default stream cannot."""
        return self.ptr not in (0, LEGACY)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device current in this thread for a block."""
        with load_cupy().cuda.Device(self.device.number):
            yield

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make device and stream current for a block."""
        with load_cupy().cuda.Device(self.device.number), self.stream:
            yield

    def synchronize(self) -> None:
        """Wait until the stream is empty."""
        try:
            with self.current():
                self.stream.synchronize()
        except RuntimeError as error:
            raise failed(self.device, error) from error

    def retry(self, error: Exception, call: Callable[[], None]) -> None:
        """Call again with the device current, if that may be why the first call failed.

        A thread that never used this device, or used another one last, is told so by the driver.
        """
        if getattr(error, "status", 0) not in _WRONG_THREAD:
            raise failed(self.device, error) from error
        try:
            with self.current():
                load_cupy().cuda.runtime.memGetInfo()  # binds the context to this thread
                call()
        except RuntimeError as again:
            raise failed(self.device, again) from again

    def mark(self) -> Any:
        """An event for time measurements."""
        with self.current():
            return load_cupy().cuda.Event()
