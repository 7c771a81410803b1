"""Training in 16 bits on float32 weights: which types there are, and the buffers of that type.

Outputs and errors of layers have 16 bits; weights, gradients and the optimizer's states keep
float32 (Micikevicius et al., 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.crossing import backends_of
from neonport.models.loss_scale import LossScale
from neonport.models.state import Network
from neonport.optimizers.base import get_param_list

PRECISIONS = ("float32", "bfloat16", "float16")


def check_precision(precision: Any, be: Any) -> None:
    """Raise unless a model can be trained in a precision on a backend.

    Raises:
        ConfigurationError: an unknown one, or one that the backend cannot have.
    """
    if precision is None:
        return
    if be is None:
        raise ConfigurationError("fit: there is no backend; call gen_backend(batch_size=...) first")
    if precision not in PRECISIONS:
        names = ", ".join(repr(name) for name in PRECISIONS)
        raise ConfigurationError(f"fit: precision={precision!r} must be one of {names}")
    if be.default_dtype.name != "float32":
        raise ConfigurationError(
            f"fit: precision={precision!r} keeps float32 weights, but the backend's datatype is "
            f"{be.default_dtype}; leave precision out, or call gen_backend without datatype"
        )
    if precision not in be.default_dtypes:
        raise ConfigurationError(
            f"fit: {be} does not store {precision}; use one of "
            f"{', '.join(name for name in PRECISIONS if name in be.default_dtypes)}"
        )


def chosen(model: Network, precision: str | None) -> str | None:
    """The precision of a model's buffers: the one given, or that of a checkpoint.

    Raises:
        ConfigurationError: it cannot be had, or the buffers are made already, in another one.
    """
    be, kept = model.be, model.state.precision
    check_precision(precision, be)
    several = len(backends_of(model.layers)) > 1
    if several and (precision or kept) not in (None, "float32"):
        raise ConfigurationError(
            f"precision={precision or kept!r}: the layers of model {model.name!r} are on several "
            "backends, which is possible in the backend's datatype only; leave precision out"
        )
    if model.initialized and precision not in (None, kept or "float32"):
        raise ConfigurationError(
            f"precision={precision!r}: the buffers of model {model.name!r} are made already, in "
            f"{kept or be.default_dtype}; name the precision where the model is used first: "
            "fit(..., precision=...), or initialize(..., precision=...)"
        )
    return kept if precision is None and be.default_dtype.name == "float32" else precision


def make_buffers(model: Network, precision: str | None) -> None:
    """Allocate outputs, parameters and errors of all layers."""
    be, state = model.be, model.state
    with be.activations(precision or be.default_dtype):
        model.layers.allocate()
        model.layers.allocate_deltas()
    state.precision = precision
    state.loss_scale = LossScale(be) if precision == "float16" else None


def scaled(model: Network, errors: Any) -> Any:
    """The errors, multiplied by the loss scale in place where the type needs it.

    Args:
        model: whose outputs they belong to.
        errors: a tensor, or lists of them.
    """
    scale = model.state.loss_scale
    if scale is not None:
        scale.scale(errors)
    return errors


def optimize(model: Network, layers: list[Any], epoch: int) -> None:
    """Update the parameters of layers by gradients of `scaled` errors.

    Args:
        model: whose optimizer.
        layers: layers with `get_params()`.
        epoch: index of the epoch.
    """
    scale = model.state.loss_scale
    if scale is None:
        model.optimizer.optimize(layers, epoch=epoch)
        return
    scale.unscale([gradient for (_, gradient), _ in get_param_list(layers)])
    with guarded(model.optimizer, scale.finite):
        model.optimizer.optimize(layers, epoch=epoch)


@contextmanager
def guarded(optimizer: Any, guard: Any) -> Iterator[None]:
    """Inside, the optimizer changes nothing where the guard is 0; one that has no guards does."""
    set_guard = getattr(optimizer, "set_guard", None)
    if set_guard is None:
        yield
        return
    set_guard(guard)
    try:
        yield
    finally:
        set_guard(None)
