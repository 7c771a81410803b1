"""Name and vector instructions of this machine's CPU."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_IDENTITY = ("vendor_id", "cpu family", "model", "model name", "stepping", "CPU implementer",
             "CPU part", "CPU variant")  # fmt: skip


@functools.lru_cache(maxsize=1)
def _first_cpu() -> dict[str, str]:
    """Return the fields /proc/cpuinfo gives for the first core; empty where there is none."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    fields = re.findall(r"^([^\t:\n]+?)\s*:[ \t]*(.*)$", text.split("\n\n")[0], re.MULTILINE)
    return dict(fields)


@functools.lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets as Linux names them (avx2, avx512f, sve, ...).

    On other systems the few that matter are translated from what NumPy detected.
    """
    fields = _first_cpu()
    flags = fields.get("flags", fields.get("Features", "")).split()
    return frozenset(flags) if flags else _flags_of_numpy()


def _flags_of_numpy() -> frozenset[str]:
    try:
        from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
            __cpu_features__ as features,
        )
    except ImportError:
        return frozenset()
    names = {
        "AVX2": "avx2", "FMA3": "fma", "AVX512F": "avx512f", "AVX512CD": "avx512cd",
        "AVX512BW": "avx512bw", "AVX512DQ": "avx512dq", "AVX512VL": "avx512vl",
        "AVX512BF16": "avx512_bf16", "AVX512VNNI": "avx512_vnni", "ASIMD": "asimd", "SVE": "sve",
    }  # fmt: skip
    return frozenset(name for key, name in names.items() if features.get(key))


def cpu_name() -> str:
    """Return the CPU's name for people."""
    fields = _first_cpu()
    name = fields.get("model name") or fields.get("CPU part") or platform.processor()
    return name or platform.machine()


def cpu_vendor() -> str:
    """Return who made the CPU, as it says itself (GenuineIntel, AuthenticAMD); empty if unknown."""
    return _first_cpu().get("vendor_id", "")


def cpu_identity() -> str:
    """Return a text that differs between machines whose best code differs.

    A virtual machine may hide instructions that the named CPU has, so they take part.
    """
    fields = _first_cpu()
    parts = [platform.machine(), platform.system(), cpu_name()]
    parts += [fields.get(name, "") for name in _IDENTITY]
    flags = hashlib.sha256(" ".join(sorted(cpu_flags())).encode()).hexdigest()[:16]
    return "|".join([*parts, flags])


_CACHE_SHARE = 16 << 20  # bytes that a processor may count on, of a cache that many share


@functools.lru_cache(maxsize=1)
def last_level_cache() -> int:
    """Return the bytes of the largest cache, 32 MiB where the system does not tell.

    A virtual machine with a few processors of a large one is told of the whole cache, and has a
    part of it: at most 16 MiB a processor are counted.
    """
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            found = re.fullmatch(r"(\d+)([KM]?)", path.read_text("ascii", "replace").strip())
        except OSError:
            continue
        if found:
            sizes.append(int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]])
    return min(max(sizes, default=32 << 20), _CACHE_SHARE * (os.cpu_count() or 1))
