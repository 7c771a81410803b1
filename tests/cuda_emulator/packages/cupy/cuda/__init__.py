"""Devices, streams, events and graphs."""

from __future__ import annotations

import time

from cupy import _machine as machine
from cupy.cuda import function as function
from cupy.cuda import memory as memory
from cupy.cuda import runtime as runtime
from cupy.cuda.memory import MemoryPointer as MemoryPointer
from cupy.cuda.memory import MemoryPool as MemoryPool
from cupy.cuda.memory import alloc_pinned_memory as alloc_pinned_memory


class Device:
    """Makes a device current for a block."""

    def __init__(self, number):
        self.id = number
        self._before = []

    def __enter__(self):
        self._before.append(machine.local.device)
        machine.local.device = self.id
        return self

    def __exit__(self, *args):
        machine.local.device = self._before.pop()


class Event:
    """A point in a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.timing = not disable_timing
        self.ptr = next(machine.numbers)
        machine.events[self.ptr] = None

    def __del__(self):
        machine.events.pop(self.ptr, None)

    @property
    def done(self):
        found = machine.events[self.ptr]
        return found is None or found[0].done >= found[1]

    def record(self, stream=None):
        runtime.eventRecord(self.ptr, (stream or get_current_stream()).ptr)

    def synchronize(self):
        found = machine.events[self.ptr]
        if found is not None:
            machine.run_until(found[0], found[1])


def get_elapsed_time(start, end):
    """Milliseconds between two events."""
    assert start.timing
    assert end.timing
    first, last = machine.events[start.ptr], machine.events[end.ptr]
    if "time" not in last[2]:
        raise machine.CUDARuntimeError(machine.NOT_READY, "device not ready")
    return (last[2]["time"] - first[2]["time"]) * 1e3


class Stream:
    """A stream."""

    null = ptds = None

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else machine.create_stream()
        self.device_id = -1 if null else machine.local.device
        self._owner = None

    @classmethod
    def from_external(cls, obj):
        version, pointer = obj.__cuda_stream__()
        assert version == 0
        assert isinstance(pointer, int)
        out = cls.__new__(cls)
        out.ptr, out.device_id, out._owner = pointer, -1, obj
        return out

    def __cuda_stream__(self):
        return (0, self.ptr)

    def __eq__(self, other):
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self):
        return self.ptr

    def __enter__(self):
        if self.device_id not in (-1, machine.local.device):
            raise RuntimeError("the stream does not match the current device")
        machine.local.streams.append(self)
        return self

    def __exit__(self, *args):
        machine.local.streams.pop()

    def synchronize(self):
        machine.synchronize(self.ptr)

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        runtime.streamWaitEvent(self.ptr, event.ptr)

    def begin_capture(self, mode=None):
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        machine.state(self.ptr).capture = []

    def end_capture(self):
        found = machine.state(self.ptr)
        calls, found.capture = found.capture, None
        return Graph(calls)

    def is_capturing(self):
        return machine.state(self.ptr).capture is not None


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    """The stream that is current in this thread."""
    return machine.local.streams[-1] if machine.local.streams else Stream.null


class Graph:
    """Captured work."""

    def __init__(self, calls):
        self.calls = calls

    def launch(self, stream=None):
        for call in self.calls:
            machine.enqueue((stream or get_current_stream()).ptr, call)


def now():
    """A time for events."""
    return time.perf_counter()
