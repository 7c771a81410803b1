"""Gradients of op-trees against finite differences, of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.autodiff import Autodiff
from neonport.errors import DtypeError
from neonport.tensor import Tensor

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
    maximum. The tensors are changed while this runs and hold their old values afterwards.

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
    check.tree(tree, list(tensors), order, 1)


@dataclass(frozen=True)
class _Check:
    be: Backend
    rng: np.random.RandomState
    atol: float
    rtol: float

    def tree(self, tree: Any, tensors: list[Tensor], last: int, order: int) -> None:
        """Check the gradients of a tree, then their gradients, up to order `last`."""
        be = self.be
        cotangent = be.array(self.rng.uniform(0.5, 1.5, tree.shape), dtype=np.float64)
        weights, out = cotangent.get(), be.empty(tree.shape, dtype=np.float64)

        def loss() -> float:
            out[:] = tree
            return float(np.sum(out.get() * weights))

        gradients = Autodiff(tree, be, next_error=cotangent).get_grad_op_tree(tensors)
        for i, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=True)):
            result = be.empty(tensor.shape, dtype=np.float64)
            result[:] = gradient
            problem = self.compare(tensor, result.get(), loss)
            if problem:
                raise AssertionError(
                    f"gradient of order {order} is wrong for tensor {i} ({tensor}) of shape "
                    f"{tensor.shape} {problem}\nof the tree {str(tree)[:MAX_FORMULA]}"
                )
        if order < last:
            for gradient in gradients:
                # the gradient is a function of the cotangent as well
                self.tree(gradient, [*tensors, cotangent], last, order + 1)

    def compare(
        self, tensor: Tensor, gradient: np.ndarray, loss: Callable[[], float]
    ) -> str | None:
        """What is wrong with the gradient of `loss` with respect to a tensor."""
        start = tensor.get()
        try:
            for where, direction in _directions(start.shape, self.rng):
                tensor[:] = start + STEP * direction
                above = loss()
                tensor[:] = start - STEP * direction
                expected = (above - loss()) / (2 * STEP)
                found = float(np.sum(gradient * direction))
                # negated, so that a nan is a difference
                if not abs(found - expected) <= self.atol + self.rtol * abs(expected):
                    return (
                        f"at {where}: autodiff gives {found:.10g}, finite differences "
                        f"{expected:.10g}"
                    )
        finally:
            tensor[:] = start
        return None


def _directions(shape: tuple[int, ...], rng: np.random.RandomState) -> list[tuple[str, np.ndarray]]:
    """Where to go from the point, with a description."""
    if np.prod(shape) > SMALL:
        return [(f"random direction {i}", rng.uniform(-1.0, 1.0, shape)) for i in range(DIRECTIONS)]
    units = []
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        units.append((f"index {index}", unit))
    return units
