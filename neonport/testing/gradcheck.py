"""Gradients of op-trees against finite differences, of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.autodiff.autodiff import Autodiff
from neonport.errors import DtypeError
from neonport.optree.node import walk
from neonport.optree.random_nodes import is_random
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

STEP = 1e-5  # of central differences: truncation and rounding are both about 1e-10
SMALL = 64  # elements; larger tensors are checked along random directions
DIRECTIONS = 8
MAX_FORMULA = 2000  # characters of a failure message


def check_grads(
    f_or_tree: Any,
    tensors: Sequence[Tensor],
    be: Backend,
    order: int = 2,
    atol: float = 1e-6,
    rtol: float = 1e-4,
    seed: int = 0,
) -> None:
    """Check the gradients of a tree, and the gradients of these, against central differences.

    The loss is the sum of the tree's elements times random numbers. The derivative of order k + 1
    is checked on the gradient trees of order k. Values must be away from kinks, such as ties of a
    maximum. The tensors are changed while this runs and hold their old values afterwards. Random
    numbers of the tree are the same in all its runs.

    Args:
        f_or_tree: an op-tree over `tensors`, or a function that makes one of them.
        tensors: float64 tensors with respect to which to differentiate.
        be: their backend.
        order: highest order of derivative.
        atol, rtol: allowed error, absolute and relative to the finite difference.
        seed: of the random numbers.

    Raises:
        AssertionError: a gradient is wrong; says of which tree, tensor and element.
        DtypeError: a tensor is not float64.
    """
    for t in tensors:
        if t.dtype != np.float64:
            raise DtypeError(
                f"check_grads: a tensor of shape {t.shape} is {t.dtype}; differences need float64: "
                "be.array(x, dtype=np.float64)"
            )
    tree = f_or_tree(*tensors) if callable(f_or_tree) else f_or_tree
    check = _Check(be, np.random.RandomState(seed), atol, rtol)
    check.trees([tree], list(tensors), order, 1)


@dataclass(frozen=True)
class _Check:
    be: Backend
    rng: np.random.RandomState
    atol: float
    rtol: float

    def trees(self, trees: Sequence[Any], tensors: list[Tensor], last: int, order: int) -> None:
        """Check the gradients of trees of the same tensors, then theirs, up to order `last`.

        All trees are one statement and all their gradients another: few kernels are compiled.
        """
        be = self.be
        cotangents = [
            be.array(self.rng.uniform(0.5, 1.5, t.shape), dtype=np.float64) for t in trees
        ]
        weights = [cotangent.get() for cotangent in cotangents]
        gradients = [
            Autodiff(tree, be, next_error=cotangent).get_grad_op_tree(tensors)
            for tree, cotangent in zip(trees, cotangents, strict=True)
        ]
        values = self.place(trees)
        slopes = self.place([g for row in gradients for g in row])

        random = any(is_random(node) for node in walk(*trees))
        state = be.rng_get_state()

        def losses() -> list[float]:
            if random:
                be.rng_set_state(state)
            be.assign_many(values)
            return [
                float(np.sum(out.get() * w)) for (out, _), w in zip(values, weights, strict=True)
            ]

        if random:
            losses()  # the gradients are those of the values that ran last
        be.assign_many(slopes)
        found = [out.get() for out, _ in slopes]
        for i, tensor in enumerate(tensors):
            wrong = self.compare(tensor, found[i :: len(tensors)], losses)
            if wrong:
                tree, problem = wrong
                raise AssertionError(
                    f"gradient of order {order} is wrong for tensor {i} ({tensor}) of shape "
                    f"{tensor.shape} {problem}\nof the tree {str(trees[tree])[:MAX_FORMULA]}"
                )
        if order < last:
            for row, cotangent in zip(gradients, cotangents, strict=True):
                # gradients are functions of the cotangent as well
                self.trees(row, [*tensors, cotangent], last, order + 1)

    def place(self, trees: Sequence[Any]) -> list[tuple[Tensor, Any]]:
        """Assignments of trees to new tensors."""
        return [(self.be.empty(tree.shape, dtype=np.float64), tree) for tree in trees]

    def compare(
        self, tensor: Tensor, gradients: list[np.ndarray], losses: Callable[[], list[float]]
    ) -> tuple[int, str] | None:
        """The first loss whose gradient with respect to a tensor is wrong, and how."""
        start = tensor.get()
        try:
            for where, direction in _directions(start.shape, self.rng):
                tensor[:] = start + STEP * direction
                above = losses()
                tensor[:] = start - STEP * direction
                for i, (up, down) in enumerate(zip(above, losses(), strict=True)):
                    expected = (up - down) / (2 * STEP)
                    found = float(np.sum(gradients[i] * direction))
                    # negated, so that a nan is a difference
                    if not abs(found - expected) <= self.atol + self.rtol * abs(expected):
                        return i, (
                            f"at {where}: autodiff gives {found:.10g}, finite differences "
                            f"{expected:.10g}"
                        )
        finally:
            tensor[:] = start
        return None


def _directions(shape: tuple[int, ...], rng: np.random.RandomState) -> list[tuple[str, np.ndarray]]:
    """Directions to go from the point, each with a description."""
    if np.prod(shape) > SMALL:
        return [(f"random direction {i}", rng.uniform(-1.0, 1.0, shape)) for i in range(DIRECTIONS)]
    units = []
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        units.append((f"index {index}", unit))
    return units
