"""The runtime library."""

from __future__ import annotations

import time

from cupy import _machine as machine
from cupy._machine import CUDARuntimeError as CUDARuntimeError

memcpyHostToHost, memcpyHostToDevice, memcpyDeviceToHost, memcpyDeviceToDevice = range(4)
streamLegacy, streamPerThread = machine.LEGACY, machine.PER_THREAD


def getDeviceCount():
    return machine.DEVICES


def driverGetVersion():
    return 13000


def runtimeGetVersion():
    return 99000


def getDevice():
    return machine.local.device


def setDevice(number):
    machine.local.device = number
    machine.bind_context()


def getDeviceProperties(number):
    major, minor = machine.CAPABILITY
    return {
        "name": f"Emulated GPU {number}".encode(),
        "major": major,
        "minor": minor,
        "totalGlobalMem": machine.MEMORY,
        "multiProcessorCount": 8,
    }


def memGetInfo():
    machine.bind_context()
    return machine.MEMORY - machine.used[machine.local.device], machine.MEMORY


def memsetAsync(address, value, nbytes, stream):
    def run():
        machine.bytes_at(address, nbytes)[...] = value

    machine.enqueue(stream, run)


def memcpyAsync(target, source, nbytes, kind, stream):
    # pageable host memory is read before the call returns, pinned memory when the copy runs
    early = kind == memcpyHostToDevice and not machine.is_pinned(source)
    data = machine.bytes_at(source, nbytes).copy() if early else None

    def run():
        values = machine.bytes_at(source, nbytes) if data is None else data
        machine.bytes_at(target, nbytes)[...] = values

    machine.enqueue(stream, run)


def eventRecord(event, stream):
    found = machine.state(stream)
    when = {}
    machine.enqueue(stream, lambda: when.setdefault("time", time.perf_counter()))
    machine.events[event] = (found, found.given, when)


def streamWaitEvent(stream, event):
    found = machine.events[event]
    if found is not None and found[0] is not machine.state(stream):
        machine.enqueue(stream, lambda: machine.run_until(found[0], found[1]))


def streamIsCapturing(stream):
    return machine.state(stream).capture is not None


def streamSynchronize(stream):
    machine.synchronize(stream)
