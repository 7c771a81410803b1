"""A data set that is computed."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from neonport.base import NervanaObject
from neonport.data import ArrayIterator


class TwoSpirals(NervanaObject):
    """Points on two intertwined spirals, one class each (after Lang and Witbrock, 1988).

    Args:
        count: points of each part, half of them on either spiral.
        turns: how often the spirals wind around the origin.
        noise: standard deviation of what is added to the points.
        seed: of the points.
        name: given name.
    """

    nclass = 2

    def __init__(
        self,
        count: int = 512,
        turns: float = 1.0,
        noise: float = 0.02,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.count = count
        self.turns = turns
        self.noise = noise
        self.seed = seed

    def points(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (count, 2) and classes (count,) of a part."""
        rng = np.random.default_rng([self.seed, part])
        labels = np.arange(self.count) % 2
        radius = np.sqrt(rng.uniform(0.05, 1, self.count))
        angle = 2 * np.pi * self.turns * radius + np.pi * labels
        places = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return places + self.noise * rng.standard_normal(places.shape), labels

    @cached_property
    def train_iter(self) -> ArrayIterator:
        """Batches to train on."""
        return ArrayIterator(*self.points(0), nclass=self.nclass)

    @cached_property
    def valid_iter(self) -> ArrayIterator:
        """Batches to evaluate on."""
        return ArrayIterator(*self.points(1), nclass=self.nclass)
