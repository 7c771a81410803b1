"""Which device is used, and what is said when there is none."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from neonport.backends.opencl import devices
from neonport.backends.opencl.backend import OpenCLBackend
from neonport.errors import BackendUnavailable


def test_the_environment_narrows_the_choice(ocl, monkeypatch):
    name = ocl.device.platform
    monkeypatch.setenv(devices.ENVIRONMENT, f"{name}:{ocl.device.ordinal}")
    assert devices.choose().words == ocl.device.words
    monkeypatch.setenv(devices.ENVIRONMENT, "no-such-vendor")
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
