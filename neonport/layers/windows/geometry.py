"""Windows over images: arguments of layers checked, shapes and texts. Pure functions.

Images have an axis of maps and the axes depth, height, width; pictures have the depth 1, which
logical shapes leave out: (C, H, W) stands for (C, 1, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.layers.shapes import is_flat, is_int
from neonport.tensor.tensor import Tensor

Sizes = tuple[int, ...]

# what an argument's keys begin with, and the smallest value that makes sense
PREFIXES = {"strides": ("str", 1), "padding": ("pad", 0), "dilation": ("dil", 1)}


def filter_sizes(layer: Any, fshape: Any) -> dict[str, int]:
    """Depth, height, width of a filter and the number of maps: T, R, S, K.

    Args:
        layer: for errors.
        fshape: (R, S, K) or (T, R, S, K), or a dict with these keys; T is 1 if it is missing.

    Raises:
        ConfigurationError: it is none of these.
    """
    found: dict[Any, Any] = {}
    if isinstance(fshape, Mapping):
        found = {"T": 1, **fshape}
    elif isinstance(fshape, (tuple, list)) and len(fshape) in (3, 4):
        found = dict(zip("TRSK", (1, *fshape)[-4:], strict=True))
    if set(found) != set("TRSK") or not all(is_int(n) and n > 0 for n in found.values()):
        raise ConfigurationError(
            f"{label(layer)}: fshape={fshape!r} must hold the height and width of a filter and the "
            "number of maps, as in (3, 3, 16), with the depth in front for volumes, as in "
            "(2, 3, 3, 16); sizes are positive integers"
        )
    return {axis: int(found[axis]) for axis in "TRSK"}


def per_axis(layer: Any, argument: str, value: Any, axes: str = "dhw") -> dict[str, int]:
    """One integer an axis, by neon's names such as `str_h`; axes that are not given are left out.

    Args:
        layer: for errors.
        argument: "strides", "padding" or "dilation".
        value: an int for height and width; a pair for them; as many as there are spatial axes; a
            dict with keys such as `str_h`; None for nothing.
        axes: those that keys may name.

    Raises:
        ConfigurationError: it is none of these.
    """
    prefix, least = PREFIXES[argument]
    keys = [f"{prefix}_{axis}" for axis in axes]
    found: dict[Any, Any] = {"": value}  # not valid, unless one of these fits
    if value is None:
        found = {}
    elif isinstance(value, Mapping):
        found = dict(value)
    elif is_int(value):
        found = dict.fromkeys(keys[-2:], value)
    elif isinstance(value, (tuple, list)) and len(value) in (2, 3):
        found = dict(zip(keys[-len(value) :], value, strict=True))
    if not set(found) <= set(keys) or not all(is_int(n) and n >= least for n in found.values()):
        raise ConfigurationError(
            f"{label(layer)}: {argument}={value!r} must be an integer for height and width, a pair "
            f"of them, (depth, height, width), or a dict with keys of {', '.join(keys)}; each at "
            f"least {least}"
        )
    return {key: int(n) for key, n in found.items()}


def image_sizes(layer: Any, in_shape: Any) -> Sizes:
    """Maps, depth, height and width of a logical shape.

    Raises:
        ConfigurationError: it is no shape of images.
    """
    if is_flat(in_shape) and not is_int(in_shape):
        if len(in_shape) == 3:
            return (in_shape[0], 1, *in_shape[1:])
        if len(in_shape) == 4:
            return tuple(in_shape)
    hint = "give the iterator the images' shape (ArrayIterator(..., lshape=(C, H, W)))"
    if layer.prev_layer is not None:
        hint = "put a Reshape((C, H, W)) in between"
    raise ConfigurationError(
        f"{label(layer)}: the input has the shape {in_shape}, but windows slide over images: "
        f"(C, H, W), or volumes (C, D, H, W); {hint}"
    )


def logical(maps: int, sizes: Sizes) -> Sizes:
    """The logical shape of images: (C, H, W) if the depth is 1, else (C, D, H, W)."""
    return (maps, *(sizes if sizes[0] != 1 else sizes[1:]))


def check_fits(layer: Any, window: Any, image: Sizes, result: Sizes) -> None:
    """Raise unless the windows have a place in the image.

    Args:
        layer: for errors.
        window: sizes, for the error.
        image: (D, H, W) or more.
        result: how many places there are along each axis.

    Raises:
        ConfigurationError: an axis has no place.
    """
    if min(result) < 1:
        raise ConfigurationError(
            f"{label(layer)}: windows of {text(window)} do not fit into images of {text(image)}: "
            f"the output would be {text(result)}; give smaller windows, or more padding"
        )


def text(sizes: Sizes) -> str:
    """`3x3`; a depth of 1 is left out.

    Example:
        assert text((1, 3, 3)) == "3x3"
    """
    sizes = tuple(sizes)
    return "x".join(map(str, sizes[1:] if len(sizes) > 2 and sizes[0] == 1 else sizes))


class Views:
    """The last tensor of each role in another shape, made anew when another tensor comes.

    Making the views of a call takes as long as the rest of it; a layer's tensors stay the same.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def of(self, role: str, tensor: Tensor, shape: Sizes) -> Tensor:
        """See a tensor, or as many of its first columns as `shape` holds, as `shape`."""
        kept = self._kept.get(role)
        if kept is None or kept[0] is not tensor or kept[1].shape != shape:
            part = tensor
            if prod(tensor.shape) != prod(shape):
                part = tensor[:, : shape[-1]]
            kept = self._kept[role] = (tensor, part.reshape(shape))
        return kept[1]

    def clear(self) -> None:
        """Forget all tensors."""
        self._kept.clear()
