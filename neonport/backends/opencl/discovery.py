"""Devices: listed, put in order, chosen by number or name, described for the renderer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from neonport import settings
from neonport.backends.host.cpu_info import cpu_flags, last_level_cache
from neonport.backends.opencl import clblast
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.compiler.codegen.cpu.buffers import KEPT_LENGTH
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.engine.device import ProbeResult
from neonport.errors import BackendUnavailable, ConfigurationError

# short names of platforms: what their own names contain
PLATFORMS = {
    "nvidia": "nvidia", "amd": "amd", "intel": "intel", "apple": "apple",
    "pocl": "portable computing language", "rusticl": "rusticl", "oclgrind": "oclgrind",
}  # fmt: skip
# CPU drivers that put work-items into the lanes of vectors themselves
SCALAR = frozenset({"rusticl"})
# llvmpipe ends the loops of a work-item after 65,535 turns, all together, without a word
LLVMPIPE_ROUNDS = 30_000
OWN_CACHE = frozenset({"pocl"})
# CPU drivers whose fma is the processor's instruction; none of them defines FP_FAST_FMAF, and the
# bit CL_FP_FMA is no guide either: Intel's leaves it out
FUSED = frozenset({"intel", "pocl"})
# CPU drivers where work-groups cost, and any size of them runs the same code
FREE = frozenset({"intel"})
# CPU drivers whose caller works while it waits, beside one thread for each of the other cores
HELPED = frozenset({"intel"})
FUSED_FLAGS = frozenset({"fma", "asimd"})
BROKEN_POCL = "3.0-rc"
INSTALL = "install a runtime (a GPU driver; `pip install intel-opencl-rt`; Debian: pocl-opencl-icd)"


@dataclass(frozen=True)
class Device:
    """A device and what it can do.

    Attributes:
        handle: PyOpenCL's device.
        platform: short name of its platform.
        ordinal: its number within the platform.
        index: its number among all devices, in the order of `list_devices`.
    """

    handle: Any
    platform: str
    ordinal: int
    index: int = 0

    @property
    def cpu(self) -> bool:
        """Whether work-items are loops on processor cores."""
        cl = load_pyopencl()
        return bool(self.handle.type & cl.device_type.CPU)

    @property
    def float64(self) -> bool:
        """Whether it has double precision."""
        return "cl_khr_fp64" in self.handle.extensions.split()

    @property
    def half(self) -> bool:
        """Whether it computes in half precision; storing it needs no such thing."""
        return "cl_khr_fp16" in self.handle.extensions.split()

    @property
    def fused(self) -> bool:
        """Whether fma is one instruction although the compiler does not say so."""
        return self.cpu and self.platform in FUSED and not FUSED_FLAGS.isdisjoint(cpu_flags())

    @property
    def runs_here(self) -> bool:
        """Whether a queue can run kernels on the thread that calls."""
        return "cl_intel_exec_by_local_thread" in self.handle.extensions.split()

    @property
    def helps(self) -> bool:
        """Whether the driver's threads are for other cores than that of the calling thread."""
        return self.cpu and self.platform in HELPED

    @property
    def words(self) -> str:
        """Platform, device and driver, for people."""
        name, driver = self.handle.name.strip(), self.handle.driver_version.strip()
        return f"{self.platform}:{self.ordinal} {name} (driver {driver})"

    @property
    def identity(self) -> str:
        """What compiled programs depend on besides their text."""
        d = self.handle
        return "|".join((d.platform.name, d.platform.version, d.name, d.version, d.driver_version))

    @property
    def keeps_programs(self) -> bool:
        """Whether the driver has a cache on disk; PoCL compiles twice where its binary is asked."""
        return self.platform in OWN_CACHE

    def traits(self) -> DeviceTraits:
        """What the renderer has to know."""
        d = self.handle
        units = max(1, int(d.max_compute_units))
        largest = int(d.max_work_group_size)
        if self.cpu:
            scalar = self.platform in SCALAR
            return DeviceTraits(
                vector_bytes=4 if scalar else 64,
                group=1,
                map_group=min(256, largest),
                column_group=8 if scalar else 4,
                units=8 * units,
                chunk=1 << 14,
                float64=self.float64,
                keep=KEPT_LENGTH,
                cache=last_level_cache() // 2,
                cores=units if self.platform in FREE else 0,
                largest=largest,
                rounds=LLVMPIPE_ROUNDS if scalar else 0,
            )
        group = 1 << (min(256, largest).bit_length() - 1)
        return DeviceTraits(16, group, group, min(64, group), 4 * units, 1 << 12, self.float64)

    @property
    def options(self) -> tuple[str, ...]:
        """Compiler options: results as on other devices, and what the compiler does not say."""
        cl = load_pyopencl()
        exact = cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
        found = ["-DNEO_FUSED"] if self.fused else []
        if self.handle.single_fp_config & exact:
            found.append("-cl-fp32-correctly-rounded-divide-sqrt")
        return tuple(found)


def _short(platform: Any) -> str:
    text = f"{platform.name} {platform.vendor}".lower()
    return next((s for s, part in PLATFORMS.items() if part in text), platform.name.lower())


def _rank(device: Device) -> int:
    cl = load_pyopencl()
    kinds = (cl.device_type.GPU, cl.device_type.ACCELERATOR, cl.device_type.CPU)
    return next((i for i, kind in enumerate(kinds) if device.handle.type & kind), len(kinds))


def _objection(platform: str, handle: Any) -> str:
    """Why a device is left out; empty if it is not."""
    if not handle.available:
        return "is not available"
    if not handle.compiler_available:
        return "has no compiler"
    if platform == "pocl" and handle.driver_version.startswith(BROKEN_POCL):
        return (
            f"is left out: PoCL {handle.driver_version.strip()}, the one in the package "
            "pocl-binary-distribution, has a compiler that fails on newer processors, or ends the "
            "process; pip uninstall pocl-binary-distribution, and install intel-opencl-rt or "
            "Debian's pocl-opencl-icd"
        )
    return ""


def list_devices() -> tuple[list[Device], list[str]]:
    """All devices, GPUs before CPUs and otherwise in the loader's order, and what went wrong.

    Raises:
        ImportError: PyOpenCL is missing or broken.
    """
    cl = load_pyopencl()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        return [], [f"no OpenCL platform ({error})"]
    found: list[Device] = []
    trouble: list[str] = []
    for platform in platforms:
        try:
            handles = platform.get_devices()
        except cl.Error as error:
            trouble.append(f"platform {platform.name}: {error}")
            continue
        if not handles:
            trouble.append(f"platform {platform.name} has no device")
        name = _short(platform)
        for handle in handles:
            why = _objection(name, handle)
            if why:
                trouble.append(f"{handle.name.strip()} on {platform.name} {why}")
                continue
            ordinal = sum(d.platform == name for d in found)
            found.append(Device(handle, name, ordinal))
    found.sort(key=_rank)
    return [replace(device, index=i) for i, device in enumerate(found)], trouble


def choose(device_id: int = 0) -> Device:
    """The device of a number, among those that NEONPORT_OPENCL_DEVICE ("intel", "intel:0") names.

    Raises:
        BackendUnavailable: there is none; says what there is.
    """
    devices, trouble = list_devices()
    wanted = settings.OPENCL_DEVICE.get().lower()
    fits = devices
    if wanted:
        name, _, number = wanted.partition(":")
        fits = [
            d for d in devices
            if name in d.platform and number in ("", str(d.ordinal))
        ]  # fmt: skip
    if 0 <= device_id < len(fits):
        return fits[device_id]
    known = "; ".join(d.words for d in devices) or "none"
    why = "; ".join(trouble)
    asked = f"device {device_id}" + (
        f" of {settings.OPENCL_DEVICE.name}={wanted}" if wanted else ""
    )
    raise BackendUnavailable(
        f"opencl: {asked} does not exist. Devices: {known}." + (f" {why}." if why else "")
        + ("" if devices else f" {INSTALL[0].upper()}{INSTALL[1:]}.")
    )  # fmt: skip


def probe() -> ProbeResult:
    """State of OpenCL here, without raising."""
    try:
        load_pyopencl()
    except ModuleNotFoundError as error:
        reason = f"{error.name} is missing: pip install 'neonport[opencl]'"
        return ProbeResult("not-installed", reason=reason)
    except Exception as error:  # a broken wheel may raise anything
        reason = f"PyOpenCL cannot be imported: {error}; reinstall it: pip install -U pyopencl"
        return ProbeResult("broken", reason=reason)
    try:
        devices, trouble = list_devices()
        if not devices:
            reason = "; ".join([*trouble, INSTALL])
            return ProbeResult("no-device", reason=reason)
        first = choose()
    except (BackendUnavailable, ConfigurationError) as error:
        return ProbeResult("no-device", reason=str(error))
    except Exception as error:  # drivers too
        return ProbeResult("broken", reason=f"OpenCL does not answer: {error}")
    library, why = clblast.load()
    kinds = f"fp64 {_yes(first.float64)}, fp16 {_yes(first.half)}, CLBlast {_yes(library)}"
    reason = f"CLBlast: {why}" if why and clblast.is_package_here() else ""
    words = tuple(f"{d.words}, {d.handle.version.strip()}" for d in devices)
    return ProbeResult("ready", f"{first.words}, {kinds}", reason, len(devices), devices=words)


def _yes(value: object) -> str:
    return "yes" if value else "no"
