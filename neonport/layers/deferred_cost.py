"""Costs of minibatches that stay on the device until somebody looks at one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

PLACES = 16  # costs on the device; the one after them waits for it
UNREAD = 4 * PLACES  # costs that somebody keeps unread: most of them need no waiting by then


class DeferredCost:
    """The cost of a minibatch, a host array (1, 1) from the moment somebody asks for it."""

    __slots__ = ("_costs", "_value")

    def __init__(self, costs: DeferredCosts) -> None:
        self._costs: DeferredCosts | None = costs
        self._value: np.ndarray | None = None

    def get(self) -> np.ndarray:
        """The cost; the first time this waits for the device."""
        if self._costs is not None:
            self._costs.read()
        assert self._value is not None
        return self._value

    def settle(self, value: np.ndarray) -> None:
        """Take the value that was read."""
        self._costs, self._value = None, value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.get(), dtype=dtype)

    def __float__(self) -> float:
        return float(self.get().item())


class WeightedSum(DeferredCost):
    """A sum of costs, which are read when it is.

    Args:
        parts: pairs of a weight and a cost: a DeferredCost, or an array of one number.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: list[tuple[float, Any]]) -> None:
        self._costs = None
        self._value = None
        self._parts = parts

    def get(self) -> np.ndarray:
        """The sum as a host array (1, 1); the first time this may wait for the device."""
        if self._value is None:
            total = np.zeros((1, 1))
            for weight, cost in self._parts:
                total = total + weight * np.asarray(cost).reshape(1, 1)
            self._parts, self._value = [], total
        return self._value


class DeferredCosts:
    """Memory of a device for the costs of a few minibatches, all read together.

    Args:
        be: backend.
        dtype: of the costs.
    """

    def __init__(self, be: Any, dtype: Any) -> None:
        self._be = be
        self._memory = be.empty((1, PLACES), dtype=dtype)
        # views are made once: a statement is found again by its target
        self._places = [self._memory[:, i : i + 1] for i in range(PLACES)]
        self._waiting: list[DeferredCost] = []

    def assign(self, tree: Any) -> DeferredCost:
        """Compute a cost, an op-tree of shape (1, 1), and keep it on the device."""
        if len(self._waiting) == PLACES:
            self.read()
        self._be.unrecordable("it keeps the cost of a minibatch in a place of its own")
        self._places[len(self._waiting)][:] = tree
        cost = DeferredCost(self)
        self._waiting.append(cost)
        return cost

    def read(self) -> None:
        """Read all costs that nobody has asked for yet."""
        values = self._memory.get()
        for i, cost in enumerate(self._waiting):
            cost.settle(values[:, i : i + 1].copy())
        self._waiting.clear()
