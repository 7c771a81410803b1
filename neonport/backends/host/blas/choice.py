"""Choose this process's matrix product: forced, remembered, measured or the default.

The choice is made by the first product of a process and then stays, so that equal calls give equal
bits. In this order:

1. `NEONPORT_BLAS` = numpy | openblas | openblas:CORE forces it;
2. what was measured on this machine before (same CPU and libraries);
3. if the first product is a large one: a measurement, once per machine, about a second;
4. the default: OpenBLAS with the core type that the CPU's flags suggest, NumPy without the wheel.

When small products come first the process stays with the default; its first large product then
makes the measurement, which serves the processes after it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neonport.backends.host.blas.openblas import find_library, wheel_version
from neonport.backends.host.cpu_info import cpu_flags, cpu_identity
from neonport.errors import ConfigurationError
from neonport.io.cache_dir import cache_dir, read_checked, write_checked
from neonport.log import logger

ENVIRONMENT = "NEONPORT_BLAS"
LARGE = 2**23  # multiply-adds from which on a product is worth a measurement

# What the default must be beaten by; measurements of equal candidates differ by some per cent.
_MARGIN_CORE = 1.03
_MARGIN_NUMPY = 1.10  # NumPy's product has neither alpha and beta nor a binding that costs nothing

_RETRY_SECONDS = 3600.0

# Core types of OpenBLAS and the instructions their kernels use.
_AVX512 = frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"})
_REQUIRES = {
    "HASWELL": frozenset({"avx2", "fma"}),
    "ZEN": frozenset({"avx2", "fma"}),
    "SKYLAKEX": _AVX512,
    "COOPERLAKE": _AVX512 | {"avx512_bf16", "avx512_vnni"},
    "SAPPHIRERAPIDS": _AVX512 | {"avx512_bf16", "avx512_vnni", "avx512_fp16", "amx_bf16"},
    "ARMV8": frozenset({"asimd"}),
    "NEOVERSEN1": frozenset({"asimd", "asimddp"}),
    "ARMV8SVE": frozenset({"sve"}),
    "NEOVERSEV1": frozenset({"sve", "bf16", "i8mm"}),
    "NEOVERSEN2": frozenset({"sve2", "bf16", "i8mm"}),
}


@dataclass(frozen=True)
class Choice:
    """A matrix product to use.

    Attributes:
        engine: "openblas" or "numpy".
        core: OpenBLAS core type to ask for; None for the one it detects.
        reason: "forced", "remembered", "measured" or "default".
        scores: relative speed of all candidates of the measurement, best 1.0; may be empty.
    """

    engine: str
    core: str | None = None
    reason: str = "default"
    scores: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """The text that forces this choice in NEONPORT_BLAS."""
        return f"{self.engine}:{self.core}" if self.core else self.engine


def plausible_cores() -> tuple[str, ...]:
    """Return the core types whose instructions this CPU has."""
    flags = cpu_flags()
    return tuple(core for core, needs in _REQUIRES.items() if needs <= flags)


def default_choice() -> Choice:
    """Return the choice without any measurement."""
    if find_library() is None:
        return Choice("numpy")
    # OpenBLAS takes AVX2 kernels on AMD CPUs that have AVX-512; all else it detects well.
    return Choice("openblas", "SKYLAKEX" if cpu_flags() >= _AVX512 else None)


def forced_choice() -> Choice | None:
    """Return what NEONPORT_BLAS asks for; None when it is not set, empty or "auto".

    Raises:
        ConfigurationError: it asks for something unknown, not installed or fatal on this CPU.
    """
    text = os.environ.get(ENVIRONMENT, "").strip()
    if text.lower() in ("", "auto"):
        return None
    if text.lower() == "numpy":
        return Choice("numpy", reason="forced")
    match = re.fullmatch(r"openblas(?::(\w+))?", text, re.IGNORECASE)
    if not match:
        raise ConfigurationError(
            f"{ENVIRONMENT}={text!r} is not known; use numpy, openblas, openblas:CORE "
            f"(here {', '.join(plausible_cores()) or 'no CORE'}) or auto"
        )
    if find_library() is None:
        raise ConfigurationError(
            f"{ENVIRONMENT}={text!r} needs the wheel scipy-openblas32, which is not installed; "
            "install it or unset the variable"
        )
    core = match[1] and match[1].upper()
    if core is None:
        known = remembered_choice()
        best = known if known and known.engine == "openblas" else default_choice()
        return Choice("openblas", best.core, "forced")
    if not _REQUIRES.get(core, frozenset({"?"})) <= cpu_flags():
        raise ConfigurationError(
            f"{ENVIRONMENT}={text!r}: this CPU cannot run core type {core}, or it is not known; "
            f"choose one of {', '.join(plausible_cores()) or 'none'}, or plain openblas"
        )
    return Choice("openblas", core, "forced")


def remembered_choice() -> Choice | None:
    """Return what was measured on this machine before, or None."""
    payload = read_checked(_cache_file())
    try:
        found = json.loads(payload) if payload is not None else None
        if not found or found["engine"] not in ("numpy", "openblas"):
            return None
        core, until = found["core"], found["until"]
        if core is not None and core not in plausible_cores():
            return None
        if until is not None and not time.time() < until < time.time() + 2 * _RETRY_SECONDS:
            return None
        scores = {str(name): float(score) for name, score in found["scores"].items()}
        return Choice(found["engine"], core, "remembered", scores)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def measured_choice() -> Choice:
    """Measure all candidates, remember the best and return it.

    When the machine is too busy for a clear result the default is returned, and remembered for an
    hour only. When nothing can be measured (another process is at it) nothing is remembered.
    """
    from neonport.backends.host.blas.measure import measure  # starts processes; rarely needed

    default = default_choice()
    library = find_library()
    if library is None:
        return default
    file = _cache_file()
    candidates: list[str | None] = [None, *plausible_cores()]
    seconds, steady = measure(library, candidates, file.with_suffix(".lock"))
    if not seconds:
        return default
    scores = {name: _score(row, seconds) for name, row in seconds.items()}
    choice = _best(scores, default) if steady else default
    logger.info("matrix product: %s, measured %s, steady: %s", choice.name, scores, steady)
    until = None if steady else time.time() + _RETRY_SECONDS
    content = {"engine": choice.engine, "core": choice.core, "scores": scores, "until": until}
    write_checked(file, json.dumps(content).encode())
    return choice


def _score(row: list[float], seconds: dict[str, list[float]]) -> float:
    """Geometric mean over the sizes of (best time of all / time)."""
    best = [min(times) for times in zip(*seconds.values(), strict=True)]
    logs = [math.log(b / t) for b, t in zip(best, row, strict=True)]
    return round(math.exp(sum(logs) / len(logs)), 4)


def _best(scores: dict[str, float], default: Choice) -> Choice:
    """Return the fastest candidate; the default keeps its place when it is about as fast."""
    cores = {name: score for name, score in scores.items() if name != "numpy"}
    engine, core, speed = "numpy", None, 0.0
    if cores:
        name = max(cores, key=lambda item: cores[item])
        usual = default.core or ""
        if cores.get(usual, 0.0) * _MARGIN_CORE >= cores[name]:
            name = usual
        engine, core, speed = "openblas", name or None, cores[name]
    if scores.get("numpy", 0.0) > speed * _MARGIN_NUMPY:
        engine, core = "numpy", None
    return Choice(engine, core, "measured", scores)


def _cache_file() -> Path:
    parts = (cpu_identity(), wheel_version(), np.__version__)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return cache_dir() / "blas" / f"choice-{digest}.json"
