"""Kernels bound to memory: the arguments stay in the kernel objects, a call only enqueues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.backends.opencl.devices import Device
from neonport.backends.opencl.runtimes import load_pyopencl
from neonport.backends.opencl.sessions import forget_session
from neonport.errors import BackendUnavailable, OutOfDeviceMemory
from neonport.render_device import DeviceWriter
from neonport.render_device_shape import Cut


def failed(device: Device, error: Exception) -> Exception:
    """What to raise for an error of the queue."""
    if "MEM_OBJECT_ALLOCATION" in str(error) or "OUT_OF_" in str(error):
        return OutOfDeviceMemory(
            f"opencl: {device.words} ran out of memory or resources ({error}); use a smaller batch"
        )
    forget_session(device)
    return BackendUnavailable(
        f"opencl: {device.words} failed ({error}); its results since the last synchronize are "
        "lost. Make a new backend with gen_backend, or choose another device"
    )


class DeviceLaunch:
    """Entries of a program with their arguments, enqueued in order.

    Args:
        queue: in-order queue.
        device: for messages.
        entries: (kernel, global size, local size).
        numbers: index of the first number argument, and its type.
        rands: index of the first random argument.
        keep: what must live as long as the launch.
    """

    __slots__ = ("_device", "_enqueue", "_entries", "_numbers", "_queue", "_rands", "keep")

    def __init__(
        self,
        queue: Any,
        device: Device,
        entries: list[tuple[Any, tuple[int], tuple[int]]],
        numbers: tuple[int, type],
        rands: int,
        keep: Any,
    ) -> None:
        self._queue = queue
        self._device = device
        self._entries = entries
        self._enqueue = load_pyopencl().enqueue_nd_range_kernel
        self._numbers = numbers
        self._rands = rands
        self.keep = keep

    def __call__(self) -> None:
        """Enqueue the entries."""
        try:
            for kernel, size, group in self._entries:
                self._enqueue(self._queue, kernel, size, group)
        except load_pyopencl().Error as error:
            raise failed(self._device, error) from error

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        first, kind = self._numbers
        for kernel, _, _ in self._entries:
            for i, number in enumerate(numbers):
                with np.errstate(over="ignore"):
                    kernel.set_arg(first + i, kind(number))

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        for kernel, _, _ in self._entries:
            for i, (key, offset) in enumerate(sources):
                kernel.set_arg(self._rands + 2 * i, np.uint64(key))
                kernel.set_arg(self._rands + 2 * i + 1, np.uint64(offset))


def bind(
    queue: Any,
    device: Device,
    program: Any,
    writer: DeviceWriter,
    cut: Cut,
    buffers: Sequence[Any],
    integers: Sequence[int],
    scratch: Any,
    keep: Any,
) -> DeviceLaunch:
    """A launch of a rendered kernel.

    Args:
        program: built text of `writer`.
        cut: sizes of the launch.
        buffers: one for each buffer argument.
        integers: as `DeviceArguments.values` gives them.
        scratch: buffer of partial results of a split kernel, or None.
        keep: what must live as long as the launch.
    """
    cl = load_pyopencl()
    whole = np.int64 if cut.variant.wide else np.int32
    words = [*buffers, *([] if scratch is None else [scratch]), *(whole(i) for i in integers)]
    entries = []
    for name, groups, group in writer.launches(cut):
        kernel = cl.Kernel(program, name)
        for i, word in enumerate(words):
            kernel.set_arg(i, word)
        entries.append((kernel, (groups * group,), (group,)))
    kind = np.float64 if writer.float64 else np.float32
    rands = len(words) + writer.k.scalars
    return DeviceLaunch(queue, device, entries, (len(words), kind), rands, keep)
