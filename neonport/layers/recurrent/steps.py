"""Sequences in matrices: logical shapes as (features, time steps), and views of single steps."""

from __future__ import annotations

from math import prod
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.layers.shapes import LogicalShape, is_flat, is_int
from neonport.tensor.tensor import Tensor


def interpret_in_shape(in_shape: LogicalShape) -> tuple[int, int]:
    """Split a logical shape into (features, time steps) as recurrent layers see it.

    Args:
        in_shape: `n` -> (n, 1); longer tuples -> (product of all but the last, the last), so the
            columns of an image (C, H, W) are W time steps of C * H features.

    Raises:
        ConfigurationError: `in_shape` is a list of shapes.
    """
    if is_int(in_shape):
        return int(in_shape), 1
    if not is_flat(in_shape):
        raise ConfigurationError(
            f"{in_shape!r} holds several streams, a recurrent layer takes one; put a container "
            "with a path for each stream in front"
        )
    if len(in_shape) == 1:
        return in_shape[0], 1
    return prod(in_shape[:-1]), in_shape[-1]


def get_steps(x: Tensor | None, shape: tuple[int, int]) -> list[Any]:
    """Views of the time steps of a sequence.

    Args:
        x: (features, steps * batch), or None.
        shape: (features, steps).

    Returns:
        A (features, batch) view for each step; Nones for None.

    Example:
        first, second = get_steps(be.iobuf((3, 2)), (3, 2))
        assert first.shape == (3, 4)
    """
    rows, steps = shape
    if x is None:
        return [None] * steps
    apart = x.reshape((rows, steps, -1))
    return [apart[:, t] for t in range(steps)]


class Sequence:
    """Views of a layer's buffers as (features, steps * batch), remembered by their tensor.

    The same elements in the same order: an image (C * H * W, batch) is a sequence
    (C * H, W * batch) as it lies.
    """

    def __init__(self) -> None:
        self.source: Any = None
        self.view: Any = None

    def __call__(self, source: Tensor, rows: int) -> Tensor:
        """The view of `source` with so many rows; made anew for another tensor."""
        if source is not self.source:
            self.source = source
            self.view = source if source.shape[0] == rows else source.reshape((rows, -1))
        view: Tensor = self.view
        return view


def need_steps(layer: Any, steps: int) -> int:
    """How many steps to compute: those of `set_seq_len`, else all.

    Raises:
        ConfigurationError: more than the buffers hold.
    """
    wanted = layer.actual_seq_len
    if wanted is None:
        return steps
    if not 1 <= wanted <= steps:
        raise ConfigurationError(
            f"{label(layer)}: set_seq_len({wanted}), but the layer was made for sequences of 1 to "
            f"{steps} steps"
        )
    return int(wanted)
