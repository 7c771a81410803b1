"""Backends: `gen_backend` makes the process-wide one; nothing here imports a device library."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport import settings
from neonport.base import NervanaObject, shown
from neonport.errors import ConfigurationError
from neonport.log import logger
from neonport.plugins import registry

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from neonport.autodiff.autodiff import Autodiff as Autodiff
    from neonport.backends.backend import Backend
    from neonport.backends.placement import on as on

__all__ = ["Autodiff", "cleanup_backend", "gen_backend", "on"]

_exit_handler_registered = False
others: dict[Any, Any] = {}  # that `neonport.on` has made, by what was asked for
_replaced: weakref.WeakSet[Any] = weakref.WeakSet()  # former defaults that something still uses


def __getattr__(name: str) -> Any:
    """Import `Autodiff` and `on` on first use."""
    if name == "on":
        from neonport.backends.placement import on

        return on
    if name == "Autodiff":
        from neonport.autodiff.autodiff import Autodiff

        return Autodiff
    raise AttributeError(f"module 'neonport.backends' has no attribute {name!r}")


def gen_backend(
    backend: str | None = None,
    rng_seed: int | None = None,
    datatype: DTypeLike = np.float32,
    batch_size: int = 0,
    stochastic_round: bool | int = False,
    device_id: int = 0,
    max_devices: int | None = None,
    compat_mode: str | None = None,
    deterministic_update: bool | None = None,
    deterministic: bool | None = None,
) -> Backend:
    """Construct a backend and make it the process-wide default, `NervanaObject.be`.

    The previous default is replaced only when the new one stands, and goes on living as long as
    something uses it: tensors and trained models on it keep working, data and models made from now
    on are on the new one. Its memory is free when the last of them is gone, or `cleanup_backend`
    is called.

    Args:
        backend: name or alias (`gpu` is cuda, `mkl` is cpu); None means $NEONPORT_BACKEND or `cpu`.
        rng_seed: seed of the random numbers; None draws one.
        datatype: default dtype of new tensors.
        batch_size: columns of an activation buffer, kept as `be.bsz`; 0 for none yet.
        stochastic_round: default rounding of new tensors, on devices that have it.
        device_id: which device, where there are several.
        max_devices: accepted for neon's sake.
        compat_mode: None or `"caffe"`.
        deterministic_update: deprecated, without effect.
        deterministic: deprecated, without effect.

    Returns:
        The backend.

    Raises:
        UnknownBackendError: no such name; the message lists the names and their states.
        BackendUnavailable: it cannot be used here; the message says why and what to do.
        ConfigurationError: `batch_size` is no whole number.
        ValueError: an argument the backend does not take.
    """
    name = registry.default_backend() if backend is None else backend
    if not isinstance(name, str):
        raise ConfigurationError(
            f"gen_backend: backend is {shown(name)}; give its name, such as 'cpu'"
        )
    for argument, value in (
        ("deterministic_update", deterministic_update),
        ("deterministic", deterministic),
    ):
        if value is not None:
            logger.warning("gen_backend: argument %s is deprecated and has no effect", argument)
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 0:
        raise ConfigurationError(
            f"gen_backend: batch_size={batch_size!r} must be a whole number of samples, 1 or more "
            "(0 for none yet)"
        )
    registry.require(name)
    be = make(
        name,
        rng_seed=rng_seed,
        default_dtype=datatype,
        stochastic_round=stochastic_round,
        device_id=device_id,
        num_devices=max_devices,
        compat_mode=compat_mode,
        deterministic=None,
    )
    be.bsz = int(batch_size)
    if NervanaObject.be is not None:
        _replaced.add(NervanaObject.be)
    NervanaObject.be = be
    return be


def make(name: str, **keywords: Any) -> Backend:
    """Construct a backend, checked by a second one if `NEONPORT_CHECK` asks for that.

    Args:
        name: name or alias.
        keywords: for its constructor.
    """
    global _exit_handler_registered
    if not _exit_handler_registered:
        atexit.register(cleanup_backend)
        _exit_handler_registered = True
    be: Backend = registry.create_backend(name, **keywords)
    if settings.CHECK.text():
        from neonport.checking.opinion import install_by_setting

        install_by_setting(be)
    return be


def cleanup_backend() -> None:
    """Clean up the process-wide default backend, those it replaced and those of `neonport.on`.

    Their tensors, and the models on them, cannot be used any more.
    """
    be: Any = NervanaObject.be
    backends = [*([] if be is None else [be]), *_replaced, *others.values()]
    _replaced.clear()
    others.clear()
    NervanaObject.be = None  # type: ignore[assignment]
    with contextlib.ExitStack() as stack:  # all of them, also when one fails
        for old in backends:
            stack.callback(old.cleanup_backend)
