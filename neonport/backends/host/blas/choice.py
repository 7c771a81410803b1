"""Which library multiplies matrices on the host: one choice a process, by its first product.

`NEONPORT_BLAS` = numpy | openblas | openblas:CORE decides. Else it is the private OpenBLAS with the
core type that the CPU's flags suggest, or NumPy where the wheel is not installed. The choice never
changes, so that equal calls give equal bits. The logger `neonport` says at level DEBUG what it is.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neonport import settings
from neonport.backends.host.blas.engines import Engine, NumpyEngine, OpenBlasEngine
from neonport.backends.host.blas.gate import room_for
from neonport.backends.host.blas.openblas import (
    find_library,
    load_openblas,
    wheel_version,
)
from neonport.backends.host.cpu_info import cpu_flags
from neonport.backends.host.threads import num_threads
from neonport.errors import ConfigurationError, OutOfDeviceMemory
from neonport.log import logger

FIRST_BYTES = 192 << 20  # twice what the library and its first call map

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
    """A library of matrix products.

    Attributes:
        engine: "openblas" or "numpy".
        core: OpenBLAS core type to ask for; None for the one it detects.
        forced: whether NEONPORT_BLAS asks for it.
    """

    engine: str
    core: str | None = None
    forced: bool = False


class _State:
    """The choice of this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.engine: Engine | None = None
        self.choice: Choice | None = None


_state = _State()


def current_engine() -> Engine:
    """Return the engine of this process; the first call decides.

    Raises:
        ConfigurationError: NEONPORT_BLAS asks for something unknown, not installed or fatal here.
        OutOfDeviceMemory: there is no room for the library.
    """
    engine = _state.engine
    if engine is not None:
        return engine
    with _state.lock:
        if _state.engine is None:
            choice = forced_choice() or default_choice()
            made = make_engine(choice)
            logger.debug(
                "matrix products: %s, core type %s, threads %d", made.name, made.core or "none",
                num_threads(),
            )  # fmt: skip
            _state.choice, _state.engine = choice, made
        return _state.engine


def make_engine(choice: Choice) -> Engine:
    """Load the library of a choice; NumPy with a warning where OpenBLAS cannot be loaded.

    Raises:
        OutOfDeviceMemory: there is no room for the library and what it maps at its first call,
            where it would end the process if there was none.
    """
    if not room_for(FIRST_BYTES):
        raise OutOfDeviceMemory(
            f"matrix products need {FIRST_BYTES >> 20} MiB of address space once, before the first "
            "of them; free memory, raise the limit (ulimit -v), or multiply matrices earlier"
        )
    path = find_library() if choice.engine == "openblas" else None
    if path is None:
        return _warm(NumpyEngine())
    try:
        return OpenBlasEngine(load_openblas(path, choice.core))
    except OSError as error:
        logger.warning("matrix products go through NumPy: %s cannot be loaded: %s", path, error)
        return _warm(NumpyEngine())


def _warm(engine: NumpyEngine) -> NumpyEngine:
    """Let NumPy's library map its memory while there is some."""
    matrix = np.ones((128, 128), np.float32)
    engine.bind(matrix, matrix, np.empty_like(matrix), 1.0, 0.0)()
    return engine


def plausible_cores() -> tuple[str, ...]:
    """Return the core types whose instructions this CPU has."""
    flags = cpu_flags()
    return tuple(core for core, needs in _REQUIRES.items() if needs <= flags)


def default_choice() -> Choice:
    """Return the choice by what is installed and by the CPU's flags."""
    if find_library() is None:
        return Choice("numpy")
    if not cpu_flags() >= _AVX512:
        return Choice("openblas")
    # OpenBLAS takes AVX2 kernels on AMD CPUs that have AVX-512; all else it detects well. On Zen 4
    # they are up to 30 % slower for the products that come here (128 cubed: 158 and 216 GFLOP/s).
    return Choice("openblas", "SKYLAKEX")


def forced_choice() -> Choice | None:
    """Return what NEONPORT_BLAS asks for; None when it is not set or "auto".

    Raises:
        ConfigurationError: it asks for something unknown, not installed or fatal on this CPU.
    """
    text = settings.BLAS.get()
    engine, _, core = text.upper().partition(":")
    if engine == "AUTO":
        return None
    if engine == "NUMPY":
        return Choice("numpy", forced=True)
    if find_library() is None:
        raise ConfigurationError(
            f"NEONPORT_BLAS={text!r} needs the wheel scipy-openblas32, which is not installed; "
            "install it or unset the variable"
        )
    if not core:
        return replace(default_choice(), forced=True)
    if not _REQUIRES.get(core, frozenset({"?"})) <= cpu_flags():
        raise ConfigurationError(
            f"NEONPORT_BLAS={text!r}: this CPU cannot run core type {core}, or it is not known; "
            f"choose one of {', '.join(plausible_cores()) or 'none'}, or plain openblas"
        )
    return Choice("openblas", core, forced=True)


def blas_info() -> dict[str, Any]:
    """Describe the matrix product in use, for people: engine, core, version, threads, forced."""
    engine = current_engine()
    choice = _state.choice
    assert choice is not None
    version = wheel_version() if engine.name == "openblas" else np.__version__
    return {
        "engine": engine.name, "core": engine.core, "version": version,
        "threads": num_threads(), "forced": choice.forced,
    }  # fmt: skip


def _after_fork() -> None:
    _state.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
