"""Reductions and what is made of them: sums, means, norms, softmax."""

from __future__ import annotations

import math
from typing import Any

from neonport.backends.arguments import named
from neonport.errors import ConfigurationError, ShapeError
from neonport.optree import operators as builders
from neonport.optree.custom_gradient import custom_gradient
from neonport.optree.functions import emit, expression
from neonport.optree.methods import root
from neonport.optree.node import Expression, apply
from neonport.shape import normalize_axes
from neonport.tensor.tensor import Tensor


def _reduction(name: str, default: int | None) -> Any:
    return staticmethod(builders.reduction(name, default))


_var = builders.reduction("var")


def _no_gradient(g: Any, *operands: Any) -> tuple[None, ...]:
    return (None,) * len(operands)


class Statistics:
    """Reductions of tensors and op-trees; reduced axes are kept with length 1."""

    # what the other parts of a backend give
    absolute: Any
    exp: Any
    finite: Any
    log: Any
    square: Any
    where: Any

    sum = _reduction("sum", None)
    prod = _reduction("prod", None)
    max = _reduction("max", None)
    min = _reduction("min", None)
    argmax = _reduction("argmax", 1)
    argmin = _reduction("argmin", 1)

    def mean(
        self,
        a: Any,
        axis: Any = None,
        partial: Any = None,
        out: Tensor | None = None,
        keepdims: bool = True,
    ) -> Any:
        """The sum divided by n, over an axis or all; `partial` is accepted for neon.

        Example:
            centred = x - be.mean(x, axis=1)
        """
        node = named("mean", builders.mean, a, axis)
        return node if out is None else emit(node, out)

    def var(
        self,
        a: Any,
        axis: Any = None,
        partial: Any = None,
        out: Tensor | None = None,
        keepdims: bool = True,
        binary: bool = False,
    ) -> Any:
        """Biased variance; `binary=True` replaces the square by `shift(x, x)`.

        Example:
            normal = (x - be.mean(x, axis=1)) / be.sqrt(be.var(x, axis=1) + 1e-5)
        """
        if not binary:
            return _var(a, axis, out)
        centred = a - self.mean(a, axis)
        return self.mean(apply("shift", centred, centred), axis, out=out)

    def std(
        self,
        a: Any,
        axis: Any = None,
        partial: Any = None,
        out: Tensor | None = None,
        keepdims: bool = True,
    ) -> Any:
        """Square root of the biased variance, as an op-tree, or `out`.

        Where all elements are equal it is 0, and so is its gradient.

        Args:
            a: tensor or op-tree.
            axis: axis, several or None for all; they stay with length 1.
            partial, keepdims: accepted for neon and NumPy.
            out: assign there and return it.

        Raises:
            ShapeError: an axis out of range, or named twice.

        Example:
            spread = be.std(x, axis=1)
        """
        squares = named("std", _var, a, axis)
        return emit(self._root(squares), out)

    def _root(self, squares: Any) -> Any:
        """Square root of numbers from 0 on, with the gradient 0 at 0 instead of an infinity."""
        return root(squares)

    def norm(self, a: Any, ord: Any = 2, axis: Any = None, out: Tensor | None = None) -> Any:
        """Length of the vectors along an axis, or of all elements, as an op-tree, or `out`.

        Its gradient at a vector of zeros is 0. Where several elements are the largest in magnitude,
        they share that of order inf equally, as those of `max` do.

        Args:
            a: tensor or op-tree.
            ord: 1 (sum of magnitudes), 2 (root of the sum of squares) or inf (largest magnitude).
            axis: axis, several or None for all; they stay with length 1. All axes of a matrix and
                order 2 give its Frobenius norm.
            out: assign there and return it.

        Raises:
            ConfigurationError: another order.
            ShapeError: an axis out of range, or named twice; order inf of no elements.

        Example:
            unit = x / be.norm(x, axis=0)
        """
        if isinstance(ord, Expression) or ord not in (1, 2, math.inf):
            raise ConfigurationError(f"norm: ord {ord!r} must be 1, 2 or inf (float('inf'))")
        if ord == 1:
            tree = self.sum(self.absolute(a), axis)
        elif ord == 2:
            tree = self._root(self.sum(self.square(a), axis))
        else:
            tree = self.max(self.absolute(a), axis)
        return emit(tree, out)

    def logsumexp(self, a: Any, axis: Any = None, out: Tensor | None = None) -> Any:
        """log(sum(exp(a))) along an axis, without overflow, as an op-tree, or `out`.

        Args:
            a: tensor or op-tree.
            axis: axis, several or None for all; they stay with length 1.
            out: assign there and return it.

        Raises:
            ShapeError: an axis out of range, named twice, or without elements; no axis at all.

        Example:
            log_prior = be.log(be.array([[0.5], [0.3], [0.2]]))
            evidence = be.logsumexp(x + log_prior, axis=0)
        """
        largest = self._largest("logsumexp", a, axis, finite=True)
        return emit(self.log(self.sum(self.exp(a - largest), axis)) + largest, out)

    def softmax(self, a: Any, axis: Any = None, out: Tensor | None = None) -> Any:
        """exp(a) / sum(exp(a)) along an axis, without overflow, as an op-tree, or `out`.

        Args:
            a: tensor or op-tree.
            axis: axis, several or None for all, along which the result sums to 1.
            out: assign there and return it.

        Raises:
            ShapeError: an axis out of range, named twice, or without elements; no axis at all.

        Example:
            probabilities = be.softmax(be.dot(be.ones((3, 3)), x), axis=0)
        """
        e = self.exp(a - self._largest("softmax", a, axis, finite=False))
        return emit(e / self.sum(e, axis), out)

    def log_softmax(self, a: Any, axis: Any = None, out: Tensor | None = None) -> Any:
        """Logarithm of `softmax`, exact also where that is 0, as an op-tree, or `out`.

        Args:
            a: tensor or op-tree.
            axis: axis, several or None for all, along which exp(result) sums to 1.
            out: assign there and return it.

        Raises:
            ShapeError: an axis out of range, named twice, or without elements; no axis at all.

        Example:
            loss = -be.sum(t * be.log_softmax(x, axis=0))
        """
        shifted = a - self._largest("log_softmax", a, axis, finite=True)
        return emit(shifted - self.log(self.sum(self.exp(shifted), axis)), out)

    def _largest(self, what: str, a: Any, axis: Any, finite: bool) -> Any:
        """The maximum along axes, which a sum of exponentials is shifted by; a constant.

        Args:
            what: name of the function, for errors.
            a: tensor or op-tree.
            axis: as for `max`.
            finite: whether an infinite maximum becomes 0: inf - inf is NaN.
        """
        shape = expression(a, what).sig.shape
        axes = normalize_axes(axis, len(shape), what)
        if not axes or any(shape[i] == 0 for i in axes):
            raise ShapeError(
                f"{what}: there are no elements along axis {axis} of shape {shape}; give an axis "
                "that has some"
            )
        largest = self.max(a, axis)
        if finite:
            largest = self.where(self.finite(largest), largest, 0.0)
        return custom_gradient(largest, _no_gradient) if not largest.sig.open else largest
