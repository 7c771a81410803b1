"""Mistakes in the use of layers, found before anything is written, and what to do about them.

Also which optional arguments a layer's methods take: user layers may leave them out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from neonport.dtypes import is_float
from neonport.errors import (
    BackendMismatchError,
    ConfigurationError,
    DtypeError,
    ShapeError,
)
from neonport.initializers.names import initializer_of
from neonport.layers.shapes import is_int
from neonport.tensor.tensor import Tensor
from neonport.transforms.names import activation_of


class Checked(Protocol):
    """A layer, as far as its calls are checked.

    Attributes:
        in_shape, out_shape: logical shapes; None before `configure`.
        inputs, outputs: tensors of the last `fprop`.
    """

    be: Any
    in_shape: Any
    out_shape: Any
    inputs: Any
    outputs: Any
    _in_buffer: tuple[int, int] | None
    _seen_inputs: Any
    _seen_error: Any


class AccumulationError(ConfigurationError, BufferError):
    """Gradients cannot be accumulated: there are no buffers for it."""


class BiasConflictError(ConfigurationError, AttributeError):
    """A compound layer was asked for a bias and for batch normalisation."""


def label(layer: Any) -> str:
    """How errors name a layer: class and quoted name, if it has one yet."""
    name = getattr(layer, "name", None)
    return type(layer).__name__ + (f" {name!r}" if name is not None else "")


def need_backend(layer: Any) -> None:
    """Raise unless a backend with a batch size is there.

    Raises:
        ConfigurationError: no backend, or its batch size is 0.
    """
    if layer.be is None:
        raise ConfigurationError(
            f"{label(layer)}: there is no backend; call gen_backend(batch_size=...) first"
        )
    if not layer.be.bsz:
        raise ConfigurationError(
            f"{label(layer)}: buffers need a batch size; gen_backend(batch_size=...), or set be.bsz"
        )


def need_configured(layer: Checked, call: str) -> None:
    """Raise unless `configure` ran and said the output shape.

    Raises:
        ConfigurationError: naming the missing step.
    """
    if layer.in_shape is None:
        raise ConfigurationError(
            f"{label(layer)}: {call} before configure; call layer.configure(in_obj) first "
            "(Model.initialize does all steps)"
        )
    if layer.out_shape is None:
        raise ConfigurationError(
            f"{label(layer)}: configure did not set self.out_shape; set it and return self"
        )


def check_inputs(
    layer: Checked, inputs: Any, dtype: np.dtype | None = None, *, floats: bool = True
) -> None:
    """Check the argument of `fprop` against what was configured; free for a buffer seen before.

    Args:
        layer: must have been allocated.
        inputs: what `fprop` was given.
        dtype: the dtype it must have, if it matters.
        floats: whether any dtype must at least be a float.

    Raises:
        ConfigurationError: `fprop` before `allocate`.
        DtypeError: not a tensor, or of a wrong dtype.
        BackendMismatchError: a tensor of another backend.
        ShapeError: another shape.
    """
    if inputs is layer._seen_inputs is not None:
        return
    if layer._in_buffer is None:
        need_configured(layer, "fprop")
        raise ConfigurationError(
            f"{label(layer)}: fprop before allocate; call layer.allocate() after configure"
        )
    _check_tensor(layer, inputs, "input")
    if inputs.shape != layer._in_buffer:
        turned = inputs.shape == layer._in_buffer[::-1]
        raise ShapeError(
            f"{label(layer)}: the input has shape {inputs.shape}, buffers were made for "
            f"{layer._in_buffer} (in_shape {layer.in_shape}, features down, samples across)"
            + (
                "; it looks transposed"
                if turned
                else "; fit the data or configure and allocate anew"
            )
        )
    fits = dtype is None or inputs.dtype == dtype or _mixed(layer, inputs.dtype)
    if (floats and not is_float(inputs.dtype)) or not fits:
        raise DtypeError(
            f"{label(layer)}: the input is {inputs.dtype}, this layer computes on "
            f"{dtype or 'floats'}; copy it: be.array(x, dtype=...)"
        )
    layer._seen_inputs = inputs


def _mixed(layer: Checked, dtype: np.dtype) -> bool:
    """Whether inputs of another dtype come from `fit(precision=...)`.

    A layer with 16-bit buffers may stand first, above data of float32; one that computes in float32
    may stand above a layer with 16-bit outputs.
    """
    if dtype == layer.be.default_dtype:
        return True
    below = getattr(layer, "prev_layer", None)
    outputs = getattr(below, "outputs", None)
    short = is_float(dtype) and dtype.itemsize < layer.be.default_dtype.itemsize
    return short and hasattr(below, "fprop") and getattr(outputs, "dtype", dtype) == dtype


def check_error(layer: Checked, error: Any) -> None:
    """Check the argument of `bprop` against the outputs; free for a buffer seen before.

    Raises:
        ConfigurationError: `bprop` before `fprop`, or no error at all.
        DtypeError, BackendMismatchError, ShapeError: as for `check_inputs`.
    """
    if error is layer._seen_error is not None and layer.inputs is not None:
        return
    if layer.inputs is None or layer.outputs is None:
        raise ConfigurationError(
            f"{label(layer)}: bprop before fprop; gradients need the inputs of a forward pass"
        )
    if error is None:
        raise ConfigurationError(
            f"{label(layer)}: the error is None: the layer above returned no gradient; was it "
            "given its buffer (allocate_deltas, set_deltas), and does its bprop return it?"
        )
    _check_tensor(layer, error, "error")
    if error.shape != layer.outputs.shape:
        raise ShapeError(
            f"{label(layer)}: the error has shape {error.shape}, the outputs "
            f"{layer.outputs.shape}; they must agree (out_shape {layer.out_shape})"
        )
    layer._seen_error = error


def _check_tensor(layer: Checked, value: Any, role: str) -> None:
    if not isinstance(value, Tensor):
        raise DtypeError(
            f"{label(layer)}: the {role} is a {type(value).__name__}, not a Tensor; "
            "make it one: be.array(x)"
        )
    if value.backend is not layer.be:
        raise BackendMismatchError(
            f"{label(layer)}: the {role} lives on {value.backend}, the layer on {layer.be}; copy "
            "it over (be.array(x.get())), or give the layer that backend: layer.set_backend(be)"
        )


def need_distinct(container: Any, layers: Iterable[Any]) -> None:
    """Raise if a layer stands twice in a container, or in the containers inside of it.

    It would keep the inputs and outputs of its last place only, and give the gradients of that one.
    A BranchNode may: it has no parameters, and joins the paths of a Tree.

    Args:
        container: for the message.
        layers: its members.

    Raises:
        ConfigurationError: naming the layer.
    """
    seen: set[int] = set()
    for member in layers:
        for layer in (member, *getattr(member, "layers_fprop", tuple)()):
            if id(layer) in seen and not getattr(layer, "is_branch", False):
                raise ConfigurationError(
                    f"{label(container)}: {label(layer)} stands there twice, but a layer has one "
                    "set of buffers; make a second one, with the same arguments"
                )
            seen.add(id(layer))


def check_movable(layer: Any, parts: Iterable[Any], be: Any) -> None:
    """Raise if a layer has memory on another backend than the one it is to be put on.

    Raises:
        ConfigurationError: naming the part that has.
    """
    for part in parts:
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.backend is not be and name != "init":
                raise ConfigurationError(
                    f"{label(layer)}: set_backend({be!r}): {label(part)} has its {name} on "
                    f"{value.backend!r} already; choose the backend before the model is "
                    "initialized or weights are loaded"
                )


def check_init(layer: Any, init: Any, argument: str = "init") -> Any:
    """Return what can fill a parameter: initializer (also by name), array, tensor, None (loaded).

    Raises:
        ConfigurationError: anything else.
    """
    if isinstance(init, str):
        try:
            return initializer_of(init, getattr(layer, "local_weights", False))
        except ConfigurationError as error:
            raise ConfigurationError(f"{label(layer)}: {argument}={init!r}: {error}") from error
    if (
        init is None
        or isinstance(init, (np.ndarray, Tensor))
        or (callable(getattr(init, "fill", None)) and not isinstance(init, type))
    ):
        return init
    hint = f"; for a constant: Constant({init!r})" if isinstance(init, (int, float)) else ""
    raise ConfigurationError(
        f"{label(layer)}: {argument}={init!r} is no initializer; give an object with fill(param) "
        "such as Gaussian(), Xavier(), a name such as 'he_normal', or an array of the parameter's "
        f"shape{hint}"
    )


def check_positive_int(layer: Any, argument: str, value: Any) -> int:
    """Return `value` as an int of at least 1.

    Raises:
        ConfigurationError: it is none.
    """
    if not is_int(value) or value < 1:
        raise ConfigurationError(f"{label(layer)}: {argument}={value!r} must be an integer >= 1")
    return int(value)


def check_transform(
    layer: Any,
    transform: Any,
    *,
    needs_bprop: bool,
    keeps_inputs: bool = False,
    argument: str = "activation",
) -> Any:
    """Return a transform (also by name) that can be applied (and derived).

    Args:
        layer: for errors.
        transform: what was given: a Transform, or the name of one.
        needs_bprop: whether its derivative is asked for.
        keeps_inputs: whether the layer can give `bprop` the inputs, too.
        argument: its name, for errors.

    Raises:
        ConfigurationError: a class instead of an instance, an unknown name, a missing method, or a
            derivative that the layer cannot ask for.
    """
    if isinstance(transform, str):
        try:
            transform = activation_of(transform)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{label(layer)}: {argument}={transform!r}: {error}"
            ) from error
    if isinstance(transform, type):
        raise ConfigurationError(
            f"{label(layer)}: {transform.__name__} is a class; give an instance: "
            f"{transform.__name__}()"
        )
    missing = not callable(transform) or (
        needs_bprop and not callable(getattr(transform, "bprop", None))
    )
    if missing:
        raise ConfigurationError(
            f"{label(layer)}: {argument}={transform!r} is no transform; it needs __call__(x)"
            + (" and bprop(outputs)" if needs_bprop else "")
        )
    if needs_bprop and not keeps_inputs and getattr(transform, "needs_inputs", False):
        raise ConfigurationError(
            f"{label(layer)}: the derivative of {type(transform).__name__} needs its inputs, and "
            "this layer keeps outputs only; give a transform such as Rectlin() or Tanh(), or put "
            f"an Activation({type(transform).__name__}()) after it"
        )
    return transform


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    found = inspect.signature(function).parameters
    return frozenset(found), any(p.kind is p.VAR_KEYWORD for p in found.values())


def accepts(method: Callable[..., Any], argument: str) -> bool:
    """Whether `method` can be called with the keyword `argument`."""
    plain = inspect.unwrap(method)  # what is remembered must not hold a layer
    names, anything = _parameters(getattr(plain, "__func__", plain))
    return anything or argument in names
