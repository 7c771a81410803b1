"""How much of a minibatch counts."""

from __future__ import annotations

from typing import Any


def batch_extent(y: Any, batch_size: int, remaining: int) -> tuple[int, int]:
    """Samples and time steps that count in a batch with output `y` (or list of outputs).

    Args:
        y: output, shape (F, T * batch_size).
        batch_size: samples a batch has.
        remaining: samples of the dataset not yet counted.
    """
    while isinstance(y, (list, tuple)):  # of a tree, or a tree in a tree
        y = y[0]
    columns = y.shape[1]
    return max(0, min(remaining, batch_size)), columns // batch_size
