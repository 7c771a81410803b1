"""Minibatches of arrays with a target for each output of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.data.dataiterator import ArrayIterator


class SeveralTargets(ArrayIterator):
    """Minibatches (x, [t, ...]) of arrays in memory; all parts go through the same orders.

    Args:
        X: see `ArrayIterator`.
        targets: arrays (ndata, k) that are used as they are, one for each output.
        target_shapes: logical shape of each that is a sequence, None for the others.
        kwargs: further arguments of `ArrayIterator`.
    """

    def __init__(
        self, X: Any, targets: list[np.ndarray], target_shapes: list[Any], **kwargs: Any
    ) -> None:
        super().__init__(X, targets[0], make_onehot=False, target_shape=target_shapes[0], **kwargs)
        seed = self.get_state().get("seed")
        self._others = [
            ArrayIterator(t, lshape=shape, be=self.be, shuffle=self.shuffle, seed=seed)
            for t, shape in zip(targets[1:], target_shapes[1:], strict=True)
        ]

    def reset(self) -> None:
        """Begin the next pass at the first sample (of the next order, if shuffled)."""
        super().reset()
        for other in self._others:
            other.reset()

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called."""
        super().set_state(state)
        for other in self._others:
            other.set_state(state)

    def set_backend(self, be: Any) -> None:
        """Move the data to another backend."""
        super().set_backend(be)
        for other in vars(self).get("_others", ()):
            other.set_backend(be)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._together(super().__iter__(), self._others)

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass from the first sample to the last, in the order of the arrays."""
        return self._together(super().in_order(), [other.in_order() for other in self._others])

    @staticmethod
    def _together(batches: Iterator[tuple[Any, Any]], others: list[Any]) -> Iterator[Any]:
        for (x, first), *rest in zip(batches, *others, strict=True):
            yield x, [first, *(t for _, t in rest)]
