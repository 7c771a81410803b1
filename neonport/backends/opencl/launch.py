"""A kernel bound to memory: the arguments stay in the kernel object, a call only enqueues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neonport.backends.opencl import interpreter_exit
from neonport.backends.opencl.context import forget_session
from neonport.backends.opencl.discovery import Device
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.backends.opencl.thread_affinity import Workers
from neonport.errors import BackendUnavailable, OutOfDeviceMemory

# CL_QUEUE_THREAD_LOCAL_EXEC_ENABLE_INTEL of the extension cl_intel_exec_by_local_thread
HERE = 1 << 31
# what takes no longer than to wake another thread for it, measured with Intel's runtime
SMALL, FEW = 2048, 16  # elements, work-groups


def queue_here(context: Any, device: Device) -> Any:
    """A queue that runs kernels on the thread that enqueues them; None if the device has none."""
    if not device.runs_here:
        return None
    return load_pyopencl().CommandQueue(context, device.handle, properties=HERE)


def is_small(groups: int, elements: int | None) -> bool:
    """Whether a launch is worth less than to hand it to another thread."""
    return elements is not None and elements <= SMALL and groups <= FEW


def failed(device: Device, error: Exception) -> Exception:
    """The exception to raise for an error of the queue."""
    if "MEM_OBJECT_ALLOCATION" in str(error) or "OUT_OF_" in str(error):
        return OutOfDeviceMemory(
            f"opencl: {device.words} ran out of memory or resources ({error}); use a smaller batch"
        )
    forget_session(device)
    return BackendUnavailable(
        f"opencl: {device.words} failed ({error}); its results since the last synchronize are "
        "lost. Make a new backend with gen_backend, or choose another device"
    )


class Progress:
    """The last launch that a queue was given, and the last one that it is known to have done.

    Events are compared by identity: what another thread enqueues during a wait is never taken for
    done.

    Args:
        workers: the driver's threads, which keep off the processor of who launches and waits.

    Attributes:
        enqueue: what launches call.
    """

    __slots__ = ("__weakref__", "done", "enqueue", "last", "workers")

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.last: Any = None
        self.done: Any = None
        self.enqueue: Any = load_pyopencl().enqueue_nd_range_kernel
        interpreter_exit.watch(self)

    def finish(self, queue: Any) -> None:
        """Wait for the queue."""
        interpreter_exit.check()
        last = self.last
        self.workers.look()
        queue.finish()
        self.done = last

    def settle(self, queue: Any) -> None:
        """Wait for the queue unless all launches are known to be done: an idle one takes a while.

        For work of the host on shared memory, where launches are all that a queue has to do.
        """
        if self.last is not self.done:
            self.finish(queue)


class KernelLaunch:
    """A kernel object with its arguments.

    Args:
        queue: in-order queue.
        here: queue that runs the kernel at once, for use while nothing is pending; or None.
        progress: what is known of the queue.
        device: for messages.
        kernel: PyOpenCL's, of this launch alone.
        groups, group: work-groups, and work-items in each.
        arguments: buffers and NumPy scalars.
        keep: what must live as long as the launch.
    """

    __slots__ = (
        "_device", "_group", "_here", "_kernel", "_progress", "_queue", "_size", "_workers", "keep",
    )  # fmt: skip

    def __init__(
        self,
        queue: Any,
        here: Any,
        progress: Progress,
        device: Device,
        kernel: Any,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
    ) -> None:
        self._queue = queue
        self._here = here
        self._progress = progress
        self._workers = progress.workers
        self._device = device
        self._kernel = kernel
        self._size = (groups * group,)
        self._group = (group,)
        self.keep = keep
        self.set_arguments(0, arguments)

    def __call__(self) -> None:
        """Run it here if it is small and nothing is pending, else enqueue it."""
        progress = self._progress
        try:
            if self._here is not None and progress.last is progress.done:
                progress.enqueue(self._here, self._kernel, self._size, self._group)
            else:
                workers = self._workers
                workers.left -= 1
                if workers.left < 0:
                    workers.look()
                progress.last = progress.enqueue(self._queue, self._kernel, self._size, self._group)
        except load_pyopencl().Error as error:
            raise failed(self._device, error) from error

    def set_arguments(self, first: int, values: Sequence[Any]) -> None:
        """Replace arguments from position `first` on."""
        for i, value in enumerate(values, first):
            self._kernel.set_arg(i, value)
