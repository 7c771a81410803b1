"""What containers with several paths share: paths from lists, their first layers, checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import accepts, label, need_distinct
from neonport.layers.layer_container import LayerContainer
from neonport.layers.sequential import Sequential
from neonport.layers.shapes import is_flat


def as_paths(container: Layer, layers: Any) -> list[Sequential]:
    """Make each element of a list a path: a Sequential stays, lists and layers become one.

    Raises:
        ConfigurationError: there is none, one is no layer or list of layers, or stands there twice.
    """
    if isinstance(layers, (Layer, str, bytes, dict)) or not isinstance(layers, Iterable):
        raise ConfigurationError(
            f"{label(container)}: layers is a {type(layers).__name__}; give a list with one entry "
            "a path: a layer, a list of layers or a Sequential"
        )
    paths: list[Sequential] = []
    for layer in layers:
        if not isinstance(layer, (Layer, list, tuple)):
            raise ConfigurationError(
                f"{label(container)}: path {len(paths)} is {layer!r}; a path is a layer, a list of "
                "layers or a Sequential"
            )
        if any(layer is path for path in paths):
            raise ConfigurationError(
                f"{label(container)}: {label(layer)} stands there twice, but a path has one set of "
                "buffers; make a second one"
            )
        paths.append(layer if isinstance(layer, Sequential) else Sequential(layer))
    need_distinct(container, paths)
    if not paths:
        raise ConfigurationError(f"{label(container)}: needs at least one path")
    return paths


def numbers(container: Layer, argument: str, values: Any, count: int) -> list[float]:
    """One number a path, ones if there are none.

    Raises:
        ConfigurationError: another number of them, or something else.
    """
    if values is None:
        return [1.0] * count
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError):
        found = []
    if len(found) != count:
        raise ConfigurationError(
            f"{label(container)}: {argument}={values!r} must be a list of {count} numbers, one a "
            "path"
        )
    return found


def first_layer(layer: Layer) -> Layer:
    """The first layer of a chain, also of one inside of it."""
    while isinstance(layer, Sequential):
        layer = layer._layers[0]
    return layer


def last_layer(layer: Layer) -> Layer:
    """The last layer of a chain, also of one inside of it."""
    while isinstance(layer, Sequential):
        layer = layer.layers[-1]
    return layer


def last_owner(layer: Layer) -> Layer | None:
    """The layer whose output buffer holds what a chain returns; None if it has none of its own."""
    if not isinstance(layer, Sequential):
        return layer if layer.owns_output else None
    owners = (last_owner(member) for member in reversed(layer.layers) if member.owns_output)
    return next(owners, None)


def need_own_gradient(container: Layer, layer: Layer, where: str) -> None:
    """Raise unless a layer leaves its input alone and can add into a gradient for it.

    Args:
        container: for errors.
        layer: reads a tensor that others read too.
        where: says which tensor, for errors.

    Raises:
        ConfigurationError: it works in place, or has no place or no factors for the gradient.
    """
    first = first_layer(layer)
    if isinstance(first, LayerContainer):
        return
    if not first.owns_output:
        fault = "works in the buffer that the other paths read too"
    elif not first.owns_delta:
        fault = "has no buffer for the gradient of its input"
    elif not accepts(first.bprop, "beta"):
        fault = "has no bprop(..., alpha=..., beta=...) to add the gradients of all paths"
    else:
        return
    raise ConfigurationError(
        f"{label(container)}: {label(first)} {where}, but {fault}; put a SkipNode() before it"
    )


def need_one_output(container: Layer, path: Sequential) -> None:
    """Raise unless a path has one output, and a buffer of its own for it.

    Raises:
        ConfigurationError: it ends in a Tree, or all of it works in place.
    """
    if not is_flat(path.out_shape):
        raise ConfigurationError(
            f"{label(container)}: {label(path)} has the outputs {path.out_shape}; a path that is "
            "merged needs one"
        )
    if last_owner(path) is None:
        raise ConfigurationError(
            f"{label(container)}: all of {label(path)} works in the buffer below it; end it with a "
            "SkipNode()"
        )


def need_own_place(container: Layer, path: Sequential) -> None:
    """Raise unless a path begins and ends on the backend of the container, whose buffers it shares.

    Raises:
        ConfigurationError: it does not.
    """
    for layer, where in ((first_layer(path), "begins"), (last_layer(path), "ends")):
        if layer.be is not container.be:
            raise ConfigurationError(
                f"{label(container)}: {label(layer)} {where} a path on {layer.be!r}, but paths "
                f"share buffers on {container.be!r}; put a SkipNode() there, and the layers of the "
                "other backend inside of the path"
            )
