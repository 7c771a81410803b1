"""Costs: one number a column, and the gradient of it; nothing here divides by the batch size."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.transforms.operands import backend_of, number, same_shape

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.optree.node import OpTreeNode
    from neonport.transforms.operands import Operand


class Cost(NervanaObject):
    """Base of costs.

    A subclass defines `func` and `funcgrad` (as methods, or as attributes in its constructor), or
    `__call__` and `bprop`. Values are per column, reduced over axis 0 only: the cost layer averages
    over columns, and the optimizer divides gradients by the batch size.

    Example:
        class AbsoluteError(Cost):
            def func(self, y, t):
                return self.be.sum(self.be.absolute(y - t), axis=0)

            def funcgrad(self, y, t):
                return self.be.sgn(y - t)

        value = be.empty((1, 4))
        value[:] = AbsoluteError()(p, t)
    """

    be: Backend
    neon_module = "neon.transforms.cost"

    def func(self, y: Operand, t: Operand) -> Any:
        """Value of each column."""
        raise NotImplementedError(f"{self.classnm} defines neither __call__ nor func")

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """Gradient with respect to `y`."""
        raise NotImplementedError(f"{self.classnm} defines neither bprop nor funcgrad")

    def __call__(self, y: Operand, t: Operand) -> Any:
        """Return the cost of each column as an op-tree.

        Args:
            y: predictions, (features, columns).
            t: targets of the same shape.

        Returns:
            Op-tree of shape (1, columns).

        Raises:
            ShapeError: the shapes differ.
        """
        same_shape(self, y, t)
        return self.func(y, t)

    def bprop(self, y: Operand, t: Operand) -> Any:
        """Return the gradient with respect to `y` as an op-tree of its shape.

        Raises:
            ShapeError: the shapes differ.
        """
        same_shape(self, y, t)
        return self.funcgrad(y, t)


def check_smoothing(owner: Cost, value: Any) -> float:
    """Return a share of label smoothing.

    Raises:
        ConfigurationError: it is not in [0, 1).
    """
    share = number(owner, "label_smoothing", value)
    if not 0 <= share < 1:
        raise ConfigurationError(f"{owner.classnm}: label_smoothing={value!r} must be in [0, 1)")
    return share


def smoothed(t: Operand, share: float, classes: int) -> Any:
    """(1 - share) t + share / classes (Szegedy et al., 2016), or `t` itself for share 0."""
    return (1.0 - share) * t + share / classes if share else t


class CrossEntropyBinary(Cost):
    """sum(-t log y - (1 - t) log(1 - y)), for independent probabilities.

    `bprop` is scale (y - t), the gradient at the *input* of a logistic output layer: use
    `Logistic(shortcut=True)` below it. The value is not scaled. Logarithms are at least -50.

    Args:
        scale: factor on the gradient.
        label_smoothing: share of the targets that is replaced by 1/2, in [0, 1).

    Example:
        cost = GeneralizedCost(costfunc=CrossEntropyBinary())
        output = Affine(nout=3, init=Gaussian(), activation=Logistic(shortcut=True))
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, scale: float = 1, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.scale = number(self, "scale", scale)
        self.label_smoothing = check_smoothing(self, label_smoothing)

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Cross entropy of each column."""
        be = backend_of(self, y, t)
        t = smoothed(t, self.label_smoothing, 2)
        return be.sum(-t * be.safelog(y) - (1.0 - t) * be.safelog(1.0 - y), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """Gradient at the input of the logistic function."""
        return self.scale * (y - smoothed(t, self.label_smoothing, 2))


class CrossEntropyMulti(Cost):
    """sum(-t log y), for one distribution a column.

    `bprop` is scale (y - t), the gradient at the *input* of a softmax output layer. Logarithms are
    at least -50 (nats).

    Args:
        scale: factor on the gradient.
        usebits: use logarithms to base 2, in value and gradient.
        label_smoothing: share of the targets that is spread evenly over all classes, in [0, 1).

    Example:
        value = be.empty((1, 4))
        value[:] = CrossEntropyMulti()(p, t)
        assert np.allclose(value.get(), np.log(3))  # p is 1/3 everywhere
    """

    neon_module = "neon.transforms.cost"

    def __init__(
        self, scale: float = 1, usebits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        self.label_smoothing = check_smoothing(self, label_smoothing)
        self.scale = number(self, "scale", scale)
        self.usebits = bool(usebits)
        self.logscale = 1.0 / log(2.0) if usebits else 1.0

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Cross entropy of each column."""
        be = backend_of(self, y, t)
        t = smoothed(t, self.label_smoothing, y.shape[0])
        return be.sum(-t * (self.logscale * be.safelog(y)), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """Gradient at the input of the softmax."""
        t = smoothed(t, self.label_smoothing, y.shape[0])
        return (self.logscale * self.scale) * (y - t)


class SumSquared(Cost):
    """sum((y - t)^2) / 2.

    Example:
        value = be.empty((1, 4))
        value[:] = SumSquared()(x, x + 1)
        assert np.allclose(value.get(), 1.5)  # three features
    """

    neon_module = "neon.transforms.cost"

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Half the squared distance of each column."""
        be = backend_of(self, y, t)
        return be.sum(be.square(y - t), axis=0) / 2.0

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """Difference y - t."""
        return y - t


class MeanSquared(Cost):
    """mean((y - t)^2) / 2, the mean over the features of a column.

    Example:
        value = be.empty((1, 4))
        value[:] = MeanSquared()(x, x + 1)
        assert np.allclose(value.get(), 0.5)
    """

    neon_module = "neon.transforms.cost"

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Half the mean squared error of each column."""
        be = backend_of(self, y, t)
        return be.mean(be.square(y - t), axis=0) / 2.0

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """`(y - t) / features`."""
        return (y - t) / float(y.shape[0])


class SmoothL1Loss(Cost):
    """Quadratic near 0, linear from 1 / sigma^2 on (Girshick, 2015; after Huber, 1964).

    With x = y - t: sum(sigma^2 x^2 / 2) where |x| < 1 / sigma^2, else |x| - 1 / (2 sigma^2).

    Args:
        sigma: above 0.

    Raises:
        ConfigurationError: `sigma` is not above 0.

    Example:
        value = be.empty((1, 4))
        value[:] = SmoothL1Loss()(x, x + 2)
        assert np.allclose(value.get(), 3 * 1.5)
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.sigma = number(self, "sigma", sigma)
        if self.sigma <= 0:
            raise ConfigurationError(f"SmoothL1Loss: sigma={sigma} must be above 0")
        self._sigma2 = self.sigma**2

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Loss of each column."""
        be = backend_of(self, y, t)
        distance = abs(y - t)
        # both branches in one: only the part of the distance below the corner is ever squared, so
        # that a huge distance overflows nowhere
        near = be.minimum(distance, 1.0 / self._sigma2)
        return be.sum((0.5 * self._sigma2) * be.square(near) + (distance - near), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """sigma^2 x near 0, else the sign of x."""
        return backend_of(self, y, t).clip(self._sigma2 * (y - t), -1.0, 1.0)


class SquareHingeLoss(Cost):
    """mean(max(margin - (2t - 1) y, 0)^2) with targets 0 and 1 (Lee et al., 2015).

    Args:
        margin: distance from which on a prediction costs nothing.

    Example:
        value = be.empty((1, 4))
        value[:] = SquareHingeLoss()(2 * t - 1, t)
        assert np.allclose(value.get(), 0)
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, margin: float = 1) -> None:
        super().__init__()
        self.margin = number(self, "margin", margin)

    def func(self, y: Operand, t: Operand) -> OpTreeNode:
        """Loss of each column."""
        be = backend_of(self, y, t)
        return be.mean(be.square(be.maximum(self.margin - (2.0 * t - 1.0) * y, 0.0)), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> OpTreeNode:
        """Gradient; 0 beyond the margin."""
        be = backend_of(self, y, t)
        side = 2.0 * t - 1.0
        return (-2.0 / y.shape[0]) * side * be.maximum(self.margin - side * y, 0.0)
