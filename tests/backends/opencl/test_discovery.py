"""Which device is used, and what is said when there is none."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from neonport.backends.gpu import transpose
from neonport.backends.gpu.kernel_text import bind, kernel_text
from neonport.backends.opencl import clblast
from neonport.backends.opencl import discovery as devices
from neonport.backends.opencl.device import OpenCLBackend
from neonport.errors import BackendUnavailable


def test_the_environment_narrows_the_choice(ocl, monkeypatch):
    name = ocl.device.info.platform
    monkeypatch.setenv("NEONPORT_OPENCL_DEVICE", f"{name}:{ocl.device.info.ordinal}")
    assert devices.choose().words == ocl.device.info.words
    monkeypatch.setenv("NEONPORT_OPENCL_DEVICE", "no-such-vendor")
    with pytest.raises(BackendUnavailable, match=r"no-such-vendor does not exist.*" + name):
        devices.choose()


def test_a_number_too_large_names_what_there_is(ocl):
    with pytest.raises(BackendUnavailable, match=r"device 99.* does not exist\. Devices: .*driver"):
        OpenCLBackend(device_id=99)


def test_gpus_come_before_processors(ocl, monkeypatch):
    real = devices.load_pyopencl()
    kinds = real.device_type

    def handle(name, kind):
        return SimpleNamespace(
            name=name, type=kind, available=True, compiler_available=True, driver_version="1"
        )

    platforms = [
        SimpleNamespace(name="Intel", vendor="", get_devices=lambda: [handle("c", kinds.CPU)]),
        SimpleNamespace(name="NVIDIA", vendor="", get_devices=lambda: [handle("g", kinds.GPU)]),
    ]
    fake = SimpleNamespace(get_platforms=lambda: platforms, device_type=kinds, Error=real.Error)
    monkeypatch.setattr(devices, "load_pyopencl", lambda: fake)
    assert [d.platform for d in devices.list_devices()[0]] == ["nvidia", "intel"]


def test_multiply_adds_round_once_on_processors_that_have_them(ocl, monkeypatch):
    """x * x - (x * x as a float32) is 0 if the product is rounded, else what rounding lost."""
    kernel = "KERNEL void k(GLOBAL float *x) { x[1] = NEO_FMA(x[0], x[0], x[1]); }\n"
    text = kernel_text(ocl.device.dialect, (), np.dtype(np.float32)) + kernel
    x = np.float32(1 + 2.0**-12)
    lost = float(x) ** 2 - float(x * x)
    results = []
    for flags in ({"fma"}, {"sse2"}):
        monkeypatch.setattr(devices, "cpu_flags", lambda flags=flags: frozenset(flags))
        t = ocl.array([[x, -x * x]])
        bind(ocl.device, text, "k", (1, 1), [t])()
        results.append(t.get()[0, 1])
    if ocl.device.info.platform in devices.FUSED:
        assert results == [lost, 0]
    else:
        assert results[0] == results[1]


def test_pyopencl_is_not_installed(monkeypatch):
    devices.load_pyopencl.cache_clear()
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    try:
        found = devices.probe()
    finally:
        devices.load_pyopencl.cache_clear()
    assert found.state == "not-installed"
    assert "pip install" in found.reason


def test_pyopencl_is_broken(monkeypatch):
    def broken():
        raise ImportError("libOpenCL.so.1: cannot open shared object file")

    monkeypatch.setattr(devices, "load_pyopencl", broken)
    found = devices.probe()
    assert found.state == "broken"
    assert "libOpenCL.so.1" in found.reason


def test_no_device(ocl, monkeypatch):
    monkeypatch.setattr(devices, "list_devices", lambda: ([], ["platform X has no device"]))
    found = devices.probe()
    assert found.state == "no-device"
    assert "platform X has no device" in found.reason
    assert "intel-opencl-rt" in found.reason


def test_transposed_copies_on_processors_go_by_tiles(ocl):
    if not ocl.device.info.cpu:
        pytest.skip("a GPU")
    assert transpose.gains(ocl.device.traits) == (ocl.device.info.platform not in devices.SCALAR)


def test_clblast_is_absent_where_the_locale_is_latin1(monkeypatch):
    """The loader's words are then no UTF-8, and ctypes raises a UnicodeDecodeError."""

    def load(name, mode):
        said = name.encode() + b": Kann die Datei nicht \xf6ffnen"
        raise UnicodeDecodeError("utf-8", said, len(said) - 5, len(said) - 4, "invalid start byte")

    monkeypatch.setattr(ctypes, "CDLL", load)
    clblast.load.cache_clear()
    try:
        assert clblast.load()[0] is None
        assert devices.probe().state == "ready"
    finally:
        clblast.load.cache_clear()
