"""Faults of drivers and devices: a clear error, memory given back, and the program goes on."""

from __future__ import annotations

import gc
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from neonport.backends.opencl import context as sessions
from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl import launch, memory
from neonport.backends.opencl.device import OpenCLBackend
from neonport.compiler.codegen.gpu.writer import DeviceWriter
from neonport.errors import BackendUnavailable, CompileError, OutOfDeviceMemory

FORK = """
import os, sys
import numpy as np
from neonport.backends import gen_backend
from neonport.errors import BackendUnavailable

be = gen_backend("opencl")
x, y = be.ones((4, 5)), be.empty((4, 5))
y[:] = x * 3
be.synchronize()
pid = os.fork()
if pid == 0:
    wrong = []
    for use in (
        lambda: y.__setitem__(slice(None), x * 3),
        lambda: y.get(),
        lambda: be.zeros((2, 2)),
        lambda: be.array([1.0]),
        lambda: y.__dlpack__(),
        lambda: be.synchronize(),
        lambda: gen_backend("opencl"),
    ):
        try:
            use()
            wrong.append("no error")
        except BackendUnavailable as error:
            if "spawn" not in str(error) or be.device.info.words not in str(error):
                wrong.append(str(error))
    del x, y, be
    cpu = gen_backend("cpu")
    if cpu.ones((2, 2)).get().sum() != 4:
        wrong.append("cpu")
    print("child", wrong, flush=True)
    sys.exit(0)
status = os.waitpid(pid, 0)[1]  # of this child only: drivers have their own
print("parent", status, y.get().sum())
"""


def works(be):
    x, y = be.ones((3, 4)), be.empty((3, 4))
    y[:] = x * 2 + 1
    return bool((y.get() == 3).all())


def test_no_platform(monkeypatch):
    real = devices.load_pyopencl()

    def none():
        raise real.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    fake = SimpleNamespace(get_platforms=none, Error=real.Error)
    monkeypatch.setattr(devices, "load_pyopencl", lambda: fake)
    found = devices.probe()
    assert found.state == "no-device"
    assert "PLATFORM_NOT_FOUND" in found.reason
    assert "intel-opencl-rt" in found.reason
    with pytest.raises(BackendUnavailable, match=r"Devices: none\..*PLATFORM_NOT_FOUND"):
        devices.choose()


def test_a_kernel_that_the_driver_refuses(ocl, monkeypatch):
    x, y = ocl.ones((3, 4)), ocl.empty((3, 4))
    before = ocl.memory_stats()["in_use"]
    with monkeypatch.context() as patch:
        patch.setattr(DeviceWriter, "source", lambda self: "__kernel void neo_main( {\n")
        with pytest.raises(CompileError) as caught:
            y[:] = x * 5
    assert ocl.device.info.words in str(caught.value)
    gc.collect()
    assert ocl.memory_stats()["in_use"] == before
    assert not y.get().any()
    assert works(ocl)


def test_a_compiler_that_does_not_work(ocl, monkeypatch):
    sessions.forget_session(ocl.device.info)

    def fail(self, source, options):
        raise CompileError(f"opencl: {self.device.words}: error: unknown target CPU 'generic'")

    monkeypatch.setattr(sessions.Programs, "load", fail)
    with pytest.raises(BackendUnavailable) as caught:
        OpenCLBackend()
    assert "pocl-binary-distribution" in str(caught.value)
    assert ocl.device.info.words in str(caught.value)
    monkeypatch.undo()
    assert works(OpenCLBackend())


def test_a_runtime_that_is_known_to_crash_is_left_out(ocl, monkeypatch):
    monkeypatch.setattr(devices, "_short", lambda platform: "pocl")
    monkeypatch.setattr(devices, "BROKEN_POCL", "")
    found, trouble = devices.list_devices()
    assert not found
    assert "pip uninstall pocl-binary-distribution" in trouble[0]


@pytest.mark.parametrize("shared", [None, False])
def test_out_of_memory(ocl, monkeypatch, shared):
    be = OpenCLBackend(shared=shared)
    real = memory.load_pyopencl()

    def full(*args, **kwargs):
        raise real.MemoryError("clCreateBuffer failed: MEM_OBJECT_ALLOCATION_FAILURE")

    fake = SimpleNamespace(Buffer=full, Error=real.Error, mem_flags=real.mem_flags)
    kept = be.ones((100, 100))
    before = be.memory_stats()
    with monkeypatch.context() as patch:
        patch.setattr(memory, "load_pyopencl", lambda: fake)
        with pytest.raises(OutOfDeviceMemory, match="has no room for") as caught:
            be.empty((3000, 1000))
    assert be.device.info.words in str(caught.value)
    assert be.memory_stats()["in_use"] == before["in_use"]
    assert kept.get().all()
    assert works(be)
    be.cleanup_backend()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("clEnqueueNDRangeKernel failed: DEVICE_NOT_AVAILABLE", BackendUnavailable),
        ("clEnqueueNDRangeKernel failed: OUT_OF_RESOURCES", OutOfDeviceMemory),
    ],
)
def test_a_launch_that_fails(ocl, monkeypatch, words, error):
    cl = launch.load_pyopencl()

    def fail(*args):
        raise cl.RuntimeError(words)

    be = OpenCLBackend()
    x, y = be.ones((3, 4)), be.empty((3, 4))
    with monkeypatch.context() as patch:
        patch.setattr(be.device.progress, "enqueue", fail)
        with pytest.raises(error) as caught:
            y[:] = x * 7
    assert be.device.info.words in str(caught.value)
    assert words in str(caught.value)
    be.cleanup_backend()
    again = OpenCLBackend()
    assert (again.device.context != be.device.context) is (error is BackendUnavailable)
    assert works(again)


@pytest.mark.parametrize("shared", [None, False])
def test_a_queue_that_died(ocl, shared):
    cl = launch.load_pyopencl()
    be = OpenCLBackend(shared=shared)
    x = be.ones((3, 4))

    class Dead:
        def __getattr__(self, name):
            raise cl.RuntimeError("clFinish failed: INVALID_COMMAND_QUEUE")

    be.synchronize()  # the queue that dies has nothing to do, as one that really died
    be.device.queue = Dead()
    for use in (be.synchronize, x.get, lambda: be.array(np.ones((2, 2)))):
        with pytest.raises(BackendUnavailable, match=r"failed .*INVALID_COMMAND_QUEUE"):
            use()
    be.device.blocks.queue = be.device.queue
    be.cleanup_backend()
    assert be.closed
    assert works(OpenCLBackend())


def test_after_a_fork_the_child_is_told_what_to_do(ocl, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", FORK],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "child []" in done.stdout, done.stdout
    assert "parent 0 60.0" in done.stdout
