"""Costs beyond neon's: absolute error, Huber, divergence, cross entropies of logits, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import need_instance, shown
from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms.costs import Cost, check_smoothing, smoothed
from neonport.transforms.operands import backend_of, number, same_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neonport.tensor.tensor import Tensor
    from neonport.transforms.operands import Operand


class MeanAbsolute(Cost):
    """mean(|y - t|), the mean over the features of a column; known as MAE or L1 loss.

    The gradient is sign(y - t) / features, 0 where both are equal.

    Example:
        value = be.empty((1, 4))
        value[:] = MeanAbsolute()(x, x + 2)
        assert np.allclose(value.get(), 2)
    """

    neon_module = "neonport.transforms.training_costs"

    def func(self, y: Operand, t: Operand) -> Any:
        """Mean absolute error of each column."""
        return backend_of(self, y, t).mean(abs(y - t), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """`sign(y - t) / features`."""
        return backend_of(self, y, t).sgn(y - t) / float(y.shape[0])


class Huber(Cost):
    """mean of x^2 / 2 where |x| <= delta, else delta (|x| - delta / 2), with x = y - t.

    Quadratic near 0, linear beyond, so that outliers count less (Huber, 1964).

    Args:
        delta: where the line begins, above 0.

    Raises:
        ConfigurationError: `delta` is not above 0.

    Example:
        value = be.empty((1, 4))
        value[:] = Huber(delta=1)(x, x + 2)
        assert np.allclose(value.get(), 1.5)
    """

    neon_module = "neonport.transforms.training_costs"

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = number(self, "delta", delta)
        if self.delta <= 0:
            raise ConfigurationError(f"Huber: delta={delta} must be above 0")

    def func(self, y: Operand, t: Operand) -> Any:
        """Loss of each column."""
        be = backend_of(self, y, t)
        distance = abs(y - t)
        # only the part of a distance below the corner is squared: a huge one overflows nowhere
        near = be.minimum(distance, self.delta)
        return be.mean(0.5 * be.square(near) + self.delta * (distance - near), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """`clip(y - t, -delta, delta) / features`."""
        be = backend_of(self, y, t)
        return be.clip(y - t, -self.delta, self.delta) / float(y.shape[0])


class KLDivergence(Cost):
    """sum(t log(t / y)) of two distributions a column (Kullback and Leibler, 1951).

    Like that of CrossEntropyMulti, `bprop` is y - t, the gradient at the *input* of a softmax
    output layer. Logarithms are at least -50, and t = 0 counts nothing.

    Example:
        value = be.empty((1, 4))
        value[:] = KLDivergence()(p, t)
        assert np.allclose(value.get(), np.log(3))  # p is 1/3 everywhere, t one-hot
    """

    neon_module = "neonport.transforms.training_costs"

    def func(self, y: Operand, t: Operand) -> Any:
        """Divergence of each column."""
        be = backend_of(self, y, t)
        return be.sum(t * (be.safelog(t) - be.safelog(y)), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """Gradient at the input of the softmax."""
        return y - t


class SoftmaxCrossEntropy(Cost):
    """sum(-t log softmax(y)) of logits y: for an output layer *without* an activation.

    The logarithm of the sum is shifted by the maximum, so that no logit is too large. The gradient,
    softmax(y) sum(t) - t, is complete.

    Args:
        label_smoothing: share of the targets that is spread evenly over all classes, in [0, 1).

    Raises:
        ConfigurationError: `label_smoothing` is out of range.

    Example:
        cost = GeneralizedCost(costfunc=SoftmaxCrossEntropy(label_smoothing=0.1))
        model = Model([Affine(nout=3, init=Gaussian())])
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1)
    """

    neon_module = "neonport.transforms.training_costs"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = check_smoothing(self, label_smoothing)

    def func(self, y: Operand, t: Operand) -> Any:
        """Cross entropy of each column."""
        be = backend_of(self, y, t)
        t = smoothed(t, self.label_smoothing, y.shape[0])
        shifted = y - be.max(y, axis=0)
        logs = be.log(be.sum(be.exp(shifted), axis=0))
        return be.sum(t * (logs - shifted), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """`softmax(y) sum(t) - t`."""
        be = backend_of(self, y, t)
        t = smoothed(t, self.label_smoothing, y.shape[0])
        return be.fprop_softmax(y, 0) * be.sum(t, axis=0) - t


class LogisticCrossEntropy(Cost):
    """sum(max(y, 0) - y t + log(1 + e^-|y|)) of logits y, with independent targets in [0, 1].

    It is the cross entropy of logistic(y), which no logit overflows; the output layer has *no*
    activation. The gradient, logistic(y) - t, is complete.

    Args:
        label_smoothing: share of the targets that is replaced by 1/2, in [0, 1).

    Raises:
        ConfigurationError: `label_smoothing` is out of range.

    Example:
        value = be.empty((1, 4))
        value[:] = LogisticCrossEntropy()(0 * x, t)
        assert np.allclose(value.get(), 3 * np.log(2))
    """

    neon_module = "neonport.transforms.training_costs"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = check_smoothing(self, label_smoothing)

    def func(self, y: Operand, t: Operand) -> Any:
        """Cross entropy of each column."""
        be = backend_of(self, y, t)
        t = smoothed(t, self.label_smoothing, 2)
        return be.sum(be.maximum(y, 0.0) - y * t + be.log(1.0 + be.exp(-abs(y))), axis=0)

    def funcgrad(self, y: Operand, t: Operand) -> Any:
        """`logistic(y) - t`."""
        return backend_of(self, y, t).sig(y) - smoothed(t, self.label_smoothing, 2)


class ClassWeighted(Cost):
    """A cost in which the columns of some classes count more: cost times the weight of the class.

    The weight of a column is sum(weights * t), so targets are one-hot, or shares of classes.

    Args:
        costfunc: a cost, such as CrossEntropyMulti().
        weights: weight of each class, not negative; `neonport.data.class_weights` finds balanced
            ones.

    Raises:
        ConfigurationError: `costfunc` is no cost, or `weights` are no list of numbers.

    Example:
        cost = GeneralizedCost(ClassWeighted(CrossEntropyMulti(), weights=[1, 1, 5]))
        model.fit(train, cost=cost, optimizer=optimizer, num_epochs=1)
    """

    neon_module = "neonport.transforms.training_costs"

    def __init__(self, costfunc: Cost, weights: Sequence[float]) -> None:
        super().__init__()
        need_instance(self.classnm, "costfunc", costfunc, "CrossEntropyMulti()")
        if not isinstance(costfunc, Cost):
            raise ConfigurationError(
                f"{self.classnm}: costfunc is {shown(costfunc)}, not a cost; give an instance such "
                "as CrossEntropyMulti()"
            )
        self.costfunc = costfunc
        try:
            values = np.asarray(weights, dtype=float)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        if values.ndim != 1 or not values.size or not (values >= 0).all() or np.isinf(values).any():
            raise ConfigurationError(
                f"{self.classnm}: weights={weights!r} must be a list with one number a class, not "
                "negative"
            )
        self.weights = values.tolist()
        self._columns: dict[Any, Tensor] = {}

    def _weight(self, y: Operand, t: Operand) -> Any:
        if y.shape[0] != len(self.weights):
            raise ShapeError(
                f"{self.classnm}: {len(self.weights)} weights for predictions of shape {y.shape}; "
                "give one a class"
            )
        be = backend_of(self, y, t)
        column = self._columns.get(be)
        if column is None:
            self._columns.clear()  # of a backend that may be gone
            column = self._columns[be] = be.array(np.array(self.weights).reshape(-1, 1))
        return be.sum(column * t, axis=0)

    def __call__(self, y: Operand, t: Operand) -> Any:
        """Return the weighted cost of each column."""
        same_shape(self, y, t)
        return self.costfunc(y, t) * self._weight(y, t)

    def bprop(self, y: Operand, t: Operand) -> Any:
        """Return the weighted gradient."""
        same_shape(self, y, t)
        return self.costfunc.bprop(y, t) * self._weight(y, t)
