"""Devices: what CuPy, the driver and the compiler say, and what the renderer has to know."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.engine.device import ProbeResult
from neonport.errors import BackendUnavailable

INSTALL = (
    "pip install 'neonport[cuda]' for a driver of CUDA 13 (580 or later), 'neonport[cuda12]' for "
    "one of CUDA 12"
)
VISIBLE = "CUDA_VISIBLE_DEVICES"
# numbers of cudaError_t
_INSUFFICIENT_DRIVER = 35


@dataclass(frozen=True)
class Device:
    """A device and what it can do.

    Attributes:
        number: CuPy's device number.
        name: what the vendor calls it.
        capability: compute capability, (9, 0) for an H100.
        memory: bytes.
        units: streaming multiprocessors.
    """

    number: int
    name: str
    capability: tuple[int, int]
    memory: int
    units: int

    @property
    def words(self) -> str:
        """Name, capability and memory, for people."""
        major, minor = self.capability
        return f"{self.name} (capability {major}.{minor}, {self.memory / 2**30:.0f} GiB)"

    @property
    def identity(self) -> str:
        """The key under which measured choices are kept: device and versions."""
        runtime = load_cupy().cuda.runtime
        return f"cuda|{self.words}|{self.units}|{runtime.driverGetVersion()}"

    def traits(self) -> DeviceTraits:
        """Loads of 16 bytes; rows are cut into chunks until every multiprocessor has some."""
        return DeviceTraits(units=4 * self.units, aligned=True)


@lru_cache(maxsize=1)
def load_cupy() -> Any:
    """CuPy with what the backend uses of it.

    Raises:
        ImportError: it is not installed, or its libraries cannot be loaded.
    """
    import cupy
    import cupy.cuda.runtime

    return cupy


@lru_cache(maxsize=1)
def load_nvrtc() -> Any:
    """CuPy's binding of the compiler.

    Raises:
        BackendUnavailable: its library is missing.
    """
    load_cupy()
    try:
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()
    except Exception as error:  # a loader that fails has errors of its own
        raise BackendUnavailable(
            f"cuda: the compiler NVRTC cannot be loaded ({error}); pip install nvidia-cuda-nvrtc, "
            "or nvidia-cuda-nvrtc-cu12 for CUDA 12"
        ) from error
    return nvrtc


def spell(version: int) -> str:
    """A version number of CUDA as people write it."""
    return f"{version // 1000}.{version % 1000 // 10}"


def count() -> int:
    """Number of devices.

    Raises:
        BackendUnavailable: there is none, or no driver that could reach it; says why.
    """
    runtime = load_cupy().cuda.runtime
    try:
        found = int(runtime.getDeviceCount())
    except RuntimeError as error:
        driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        if not driver:
            reason = (
                "no NVIDIA driver is loaded; install one (`nvidia-smi` must answer), or start the "
                "container with its GPUs"
            )
        elif getattr(error, "status", 0) == _INSUFFICIENT_DRIVER or driver < needed // 1000 * 1000:
            reason = (
                f"the driver is too old: it knows CUDA {spell(driver)}, this CuPy needs "
                f"{spell(needed)}; update the driver, or take another CuPy: {INSTALL}"
            )
        else:
            reason = _invisible(f" ({error})")
        raise BackendUnavailable(reason) from error
    if not found:
        raise BackendUnavailable(_invisible(""))
    return found


def _invisible(words: str) -> str:
    hidden = os.environ.get(VISIBLE)
    if hidden is not None:
        return (
            f"no device is visible{words}: {VISIBLE}={hidden!r} leaves none; unset it, or name one "
            "that `nvidia-smi -L` lists"
        )
    return f"no device is visible{words}: see whether `nvidia-smi -L` lists one"


def describe(number: int) -> Device:
    """A device by its number."""
    runtime = load_cupy().cuda.runtime
    found = runtime.getDeviceProperties(number)
    name = found["name"]
    return Device(
        number,
        name.decode() if isinstance(name, bytes) else str(name),
        (int(found["major"]), int(found["minor"])),
        int(found["totalGlobalMem"]),
        int(found["multiProcessorCount"]),
    )


def oldest() -> int:
    """The oldest architecture that the compiler builds for, such as 75."""
    return int(min(load_nvrtc().getSupportedArchs()))


def check_capability(device: Device) -> None:
    """Raise BackendUnavailable if the compiler has left this device behind."""
    least = oldest()
    major, minor = device.capability
    if 10 * major + minor < least:
        raise BackendUnavailable(
            f"{device.words} is too old for NVRTC {'.'.join(map(str, load_nvrtc().getVersion()))}, "
            f"which builds for capability {least // 10}.{least % 10} and later; take an older one: "
            "pip install 'neonport[cuda12]'"
        )


def choose(number: int) -> Device:
    """The device of a number.

    Raises:
        BackendUnavailable: there is none that can be used; says what there is.
    """
    try:
        load_cupy()
    except ImportError as error:
        raise BackendUnavailable(f"cuda: {probe().reason}") from error
    found = count()
    if not 0 <= number < found:
        known = "; ".join(f"{i}: {describe(i).words}" for i in range(found))
        raise BackendUnavailable(f"cuda: device {number} does not exist. Devices: {known}")
    device = describe(number)
    check_capability(device)
    return device


def probe() -> ProbeResult:
    """State of CUDA here, without raising."""
    try:
        load_cupy()
    except ModuleNotFoundError as error:
        return ProbeResult("not-installed", reason=f"{error.name} is missing: {INSTALL}")
    except Exception as error:  # a broken wheel may raise anything
        reason = f"CuPy cannot be imported: {error}; reinstall it: {INSTALL}"
        return ProbeResult("broken", reason=reason)
    try:
        devices = [describe(i) for i in range(count())]
    except BackendUnavailable as error:
        return ProbeResult("no-device", reason=str(error))
    except Exception as error:  # drivers too
        return ProbeResult("broken", reason=f"CUDA does not answer: {error}")
    capabilities = tuple(major + minor / 10 for major, minor in (d.capability for d in devices))
    try:
        load_nvrtc()
    except BackendUnavailable as error:
        return ProbeResult("not-installed", reason=str(error), count=len(devices))
    try:
        check_capability(devices[0])
    except BackendUnavailable as error:
        return ProbeResult("no-device", reason=str(error), capabilities=capabilities)
    runtime = load_cupy().cuda.runtime
    driver = f"driver of CUDA {spell(runtime.driverGetVersion())}"
    words = tuple(f"{d.words}, {driver}" for d in devices)
    return ProbeResult("ready", devices[0].words, "", len(devices), capabilities, words)
