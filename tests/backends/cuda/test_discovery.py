"""What is said about CuPy, the driver and the devices, whatever is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from neonport.backends.cuda import discovery as devices
from neonport.backends.cuda.device import CUDABackend
from neonport.errors import BackendUnavailable
from neonport.plugins import registry


class Failure(RuntimeError):
    """An error of the runtime library."""

    def __init__(self, status):
        self.status = status
        super().__init__(f"cudaError {status}")


def fake(count=1, driver=13000, needed=13020, capability=(9, 0), error=None):
    """CuPy as the probe sees it."""

    def get_count():
        if error is not None:
            raise Failure(error)
        return count

    properties = {
        "name": b"Some GPU",
        "major": capability[0],
        "minor": capability[1],
        "totalGlobalMem": 80 << 30,
        "multiProcessorCount": 132,
    }
    runtime = SimpleNamespace(
        getDeviceCount=get_count,
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: needed,
        getDeviceProperties=lambda number: properties,
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))


@pytest.fixture
def cupy(monkeypatch):
    """`cupy(**fields)`: what is installed from now on."""
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    nvrtc = SimpleNamespace(getVersion=lambda: (13, 0), getSupportedArchs=lambda: (75, 80, 90))
    monkeypatch.setattr(devices, "load_nvrtc", lambda: nvrtc)

    def install(**fields):
        module = fake(**fields)
        monkeypatch.setattr(devices, "load_cupy", lambda: module)

    return install


STATES = [
    ({"error": 35, "driver": 0}, "no NVIDIA driver is loaded"),
    (
        {"error": 35, "driver": 12020},
        r"too old: it knows CUDA 12\.2, this CuPy needs 13\.2.*cuda12",
    ),
    ({"error": 100}, r"no device is visible.*cudaError 100.*nvidia-smi -L"),
    ({"count": 0}, "no device is visible: see whether"),
    ({"capability": (6, 1)}, r"capability 6\.1.*too old for NVRTC 13\.0.*7\.5.*cuda12"),
]


@pytest.mark.parametrize(("fields", "words"), STATES)
def test_no_device(cupy, fields, words):
    import re

    cupy(**fields)
    found = devices.probe()
    assert found.state == "no-device"
    assert re.search(words, found.reason), found.reason
    with pytest.raises(BackendUnavailable, match=words):
        CUDABackend()


def test_hidden_devices(cupy, monkeypatch):
    monkeypatch.setenv(devices.VISIBLE, "")
    cupy(error=100)
    assert "CUDA_VISIBLE_DEVICES='' leaves none; unset it" in devices.probe().reason


def test_ready(cupy):
    cupy(count=2)
    found = devices.probe()
    assert (found.state, found.count, found.capabilities) == ("ready", 2, (9.0, 9.0))
    assert found.device == "Some GPU (capability 9.0, 80 GiB)"
    traits = devices.choose(1).traits()
    assert (traits.units, traits.vector_bytes, traits.aligned) == (528, 16, True)


def test_a_number_too_large_names_what_there_is(cupy):
    cupy()
    with pytest.raises(BackendUnavailable, match=r"device 7 does not exist\. Devices: 0: Some GPU"):
        CUDABackend(device_id=7)


def test_the_driver_answers_nonsense(cupy, monkeypatch):
    def broken():
        raise ValueError("garbage")

    cupy()
    monkeypatch.setattr(devices, "count", broken)
    assert devices.probe().state == "broken"


def test_without_the_compiler(cupy, monkeypatch):
    def missing():
        raise BackendUnavailable("cuda: the compiler NVRTC cannot be loaded; pip install it")

    cupy()
    monkeypatch.setattr(devices, "load_nvrtc", missing)
    found = devices.probe()
    assert (found.state, "NVRTC" in found.reason) == ("not-installed", True)


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (ModuleNotFoundError("no", name="cupy"), "not-installed", "pip install 'neonport"),
        (ImportError("libcuda.so: bad"), "broken", "libcuda.so: bad; reinstall"),
    ],
)
def test_without_cupy(monkeypatch, error, state, words):
    def load():
        raise error

    monkeypatch.setattr(devices, "load_cupy", load)
    found = devices.probe()
    assert found.state == state
    assert words in found.reason
    with pytest.raises(BackendUnavailable, match="cuda"):
        CUDABackend()


def test_doctor_shows_the_reason(cupy):
    cupy(error=35, driver=0)
    row = registry.probe("cuda")
    assert row.state == "no-device"
    assert "no NVIDIA driver is loaded" in row.reason
    with pytest.raises(BackendUnavailable, match="no NVIDIA driver is loaded"):
        registry.create_backend("gpu")


def test_nothing_is_imported_before_the_backend_is_named():
    code = (
        "import sys, neonport, neonport.backends.cuda, neonport.backends.cuda.device\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('cupy', 'cupy_backends')]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
