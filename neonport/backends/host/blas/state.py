"""The engine of this process: made by the first product, kept to the end."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from neonport.backends.host.blas import choice as blas_choice
from neonport.backends.host.blas.engines import Engine, NumpyEngine, OpenBlasEngine
from neonport.backends.host.blas.openblas import find_library, load_openblas, wheel_version
from neonport.backends.host.threads import num_threads
from neonport.log import logger


class _State:
    """The choice of this process and what comes with it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.engine: Engine | None = None
        self.choice: blas_choice.Choice | None = None
        self.settled = False  # nothing is left to measure, for this process or the next ones
        self.pool = 0


_state = _State()


def current_engine(work: int) -> Engine:
    """Return the engine of this process; the first call decides, a large product may measure.

    Args:
        work: multiply-adds of the product to come.
    """
    engine = _state.engine
    if engine is not None and is_settled(work):
        return engine
    with _state.lock:
        if _state.engine is None:
            known = blas_choice.forced_choice() or blas_choice.remembered_choice()
            if known is None and work >= blas_choice.LARGE:
                known = blas_choice.measured_choice()
            _state.settled = known is not None or find_library() is None
            _use(known or blas_choice.default_choice())
        elif not is_settled(work):
            _state.settled = True
            if blas_choice.remembered_choice() is None:
                blas_choice.measured_choice()  # for the next processes
        assert _state.engine is not None
        return _state.engine


def is_settled(work: int) -> bool:
    """Whether a product of that many multiply-adds can be computed without asking anything."""
    return _state.settled or work < blas_choice.LARGE


def _use(choice: blas_choice.Choice) -> None:
    """Make a choice the engine of this process."""
    path = find_library() if choice.engine == "openblas" else None
    engine: Engine = NumpyEngine()
    if path is not None:
        try:
            library = load_openblas(path, choice.core)
            engine = OpenBlasEngine(library)
            if _state.pool:
                library.use_thread_pool(_state.pool)
        except OSError as error:
            logger.warning("matrix products go through NumPy: %s cannot be loaded: %s", path, error)
    _state.choice, _state.engine = choice, engine


def use_thread_pool(address: int) -> None:
    """Run the products on the threads of the fused kernels, so that the two never compete.

    Args:
        address: see `OpenBlas.use_thread_pool`; 0 returns to the library's own threads.
    """
    with _state.lock:
        _state.pool = address
        if isinstance(_state.engine, OpenBlasEngine):
            _state.engine.library.use_thread_pool(address)


def measure_blas() -> dict[str, Any]:
    """Measure the candidates now and remember the best for later processes.

    This process uses the result as well if it has computed no product yet.

    Returns:
        What `blas_info` returns, with the scores of this measurement.
    """
    with _state.lock:
        choice = blas_choice.measured_choice()
        if _state.engine is None:
            _use(blas_choice.forced_choice() or choice)
        _state.settled = True
        return {**blas_info(), "scores": choice.scores}


def blas_info() -> dict[str, Any]:
    """Describe the matrix product in use, for people: engine, core, version, threads, reason."""
    engine = current_engine(0)
    choice = _state.choice
    assert choice is not None
    info: dict[str, Any] = {
        "engine": engine.name, "reason": choice.reason, "core": "", "version": np.__version__,
        "threads": num_threads(), "scores": choice.scores,
    }  # fmt: skip
    if isinstance(engine, OpenBlasEngine):
        info |= {"core": engine.library.core, "version": wheel_version()}
    return info


def _after_fork() -> None:
    _state.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
