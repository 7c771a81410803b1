"""The op catalogue: functions of a backend that build op-trees, or run them with `out=`."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.optree import functions as build
from neonport.optree import operators as builders
from neonport.optree.functions import emit
from neonport.optree.node import Expression, apply
from neonport.optree.operators import power
from neonport.shape import normalize_axis
from neonport.tensor.indexing import check_indices
from neonport.tensor.tensor import Tensor


def _unary(name: str) -> Any:
    return staticmethod(builders.unary(name))


def _binary(name: str) -> Any:
    return staticmethod(builders.binary(name))


def _reduction(name: str, default: int | None) -> Any:
    return staticmethod(builders.reduction(name, default))


_var = builders.reduction("var")


class Operations:
    """Every op as a method; operands are tensors, op-trees and numbers, and broadcast."""

    # what the other parts of a backend give
    array: Any
    assign: Any
    device: Any
    empty: Any

    add = _binary("add")
    subtract = _binary("sub")
    multiply = _binary("mul")
    divide = _binary("div")
    true_divide = _binary("div")
    equal = _binary("eq")
    not_equal = _binary("ne")
    less = _binary("lt")
    less_equal = _binary("le")
    greater = _binary("gt")
    greater_equal = _binary("ge")
    maximum = _binary("maximum")
    minimum = _binary("minimum")
    dot = _binary("dot")
    arctan2 = _binary("arctan2")
    mod = _binary("mod")
    logaddexp = _binary("logaddexp")
    logical_and = _binary("logical_and")
    logical_or = _binary("logical_or")
    logical_xor = _binary("logical_xor")

    negative = _unary("neg")
    absolute = _unary("abs")
    fabs = _unary("abs")
    sgn = _unary("sgn")
    sqrt = _unary("sqrt")
    square = _unary("sqr")
    exp = _unary("exp")
    exp2 = _unary("exp2")
    log = _unary("log")
    log2 = _unary("log2")
    safelog = _unary("safelog")
    sig = _unary("sig")
    sig2 = _unary("sig2")
    tanh = _unary("tanh")
    tanh2 = _unary("tanh2")
    finite = _unary("finite")
    isfinite = _unary("finite")
    rint = _unary("rint")
    round = _unary("rint")
    sin = _unary("sin")
    cos = _unary("cos")
    tan = _unary("tan")
    arcsin = _unary("arcsin")
    arccos = _unary("arccos")
    arctan = _unary("arctan")
    sinh = _unary("sinh")
    cosh = _unary("cosh")
    erf = _unary("erf")
    log1p = _unary("log1p")
    expm1 = _unary("expm1")
    softplus = _unary("softplus")
    rsqrt = _unary("rsqrt")
    floor = _unary("floor")
    ceil = _unary("ceil")
    trunc = _unary("trunc")
    isnan = _unary("isnan")
    logical_not = _unary("logical_not")

    sum = _reduction("sum", None)
    max = _reduction("max", None)
    min = _reduction("min", None)
    argmax = _reduction("argmax", 1)
    argmin = _reduction("argmin", 1)

    def power(self, a: Any, b: Any, out: Tensor | None = None) -> Any:
        """`a` to the power `b`, element by element; an op-tree, or `out`."""
        return emit(power(a, b), out)

    def reciprocal(self, a: Any, out: Tensor | None = None) -> Any:
        """`1 / a`, element by element; an op-tree, or `out`."""
        return emit(apply("div", 1.0, a), out)

    def where(self, condition: Any, a: Any, b: Any, out: Tensor | None = None) -> Any:
        """`a` where the condition is not 0, else `b`; an op-tree, or `out`."""
        node = builders.where(condition, a, b)
        return node if out is None else emit(node, out)

    def clip(self, a: Any, a_min: Any, a_max: Any, out: Tensor | None = None) -> Any:
        """minimum(maximum(a, a_min), a_max), both bounds inclusive; bounds may be tensors."""
        return emit(self.minimum(self.maximum(a, a_min), a_max), out)

    def transpose(self, a: Any, out: Tensor | None = None) -> Any:
        """`a.T`, or `out` after it was assigned there."""
        return emit(build.expression(a, "transpose").T, out)

    def mean(
        self,
        a: Any,
        axis: Any = None,
        partial: Any = None,
        out: Tensor | None = None,
        keepdims: bool = True,
    ) -> Any:
        """The sum divided by n, over an axis or all; `partial` is accepted for neon."""
        node = builders.mean(a, axis)
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
        """Biased variance; `binary=True` replaces the square by `shift(x, x)`."""
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
        """Square root of the biased variance."""
        return emit(self.sqrt(_var(a, axis)), out)

    def _index_tensor(self, indices: Any, size: int | None, axis: int) -> Any:
        """Indices as something a node can hold; host lists are checked and copied over."""
        if isinstance(indices, Expression):
            return indices
        return self.array(check_indices(indices, size, axis), dtype=np.int32)

    def take(self, a: Any, indices: Any, axis: int, out: Tensor | None = None) -> Any:
        """Entries of `a` picked along an axis.

        Args:
            a: tensor or op-tree.
            indices: integers (list, ndarray, integer tensor) with one non-unit axis.
            axis: axis of `a`; its size becomes the number of indices.
            out: assign there and return it.

        Raises:
            IndexRangeError: a host index is out of range. Indices held by a tensor are not read
                back: one out of range, or negative, picks 0.
        """
        shape = build.expression(a, "take").sig.shape
        where = normalize_axis(axis, len(shape), "take")
        index = self._index_tensor(indices, shape[where], where)
        return emit(build.take(a, index, where), out)

    def scatter(self, target: Tensor, indices: np.ndarray, axis: int, values: Tensor) -> None:
        """Store entries of `values` at their indices along an axis of `target`; the last one wins.

        Args:
            target: writable tensor.
            indices: flat host integers in range.
            axis: axis of `target`.
            values: tensor of the target's shape, except for the number of indices along the axis.
        """
        if self.device.scatter(target, indices, axis, values):
            return
        lead = (slice(None),) * axis
        for j, index in enumerate(indices.tolist()):
            at, part = (*lead, slice(index, index + 1)), (*lead, slice(j, j + 1))
            self.assign(target[at], values[part])

    def onehot(
        self, indices: Any, axis: int, out: Tensor | None = None, classes: int | None = None
    ) -> Any:
        """1 at each index along an axis, 0 elsewhere; nothing for an index out of range.

        Args:
            indices: integers, n of them.
            axis: 0 gives (classes, n), 1 gives (n, classes).
            out: assign there and return it.
            classes: number of classes; None takes it from where the tree is assigned.

        Raises:
            ShapeError: axis is not 0 or 1.
        """
        return emit(build.onehot(self._index_tensor(indices, None, axis), axis, classes), out)

    def rand(self, out: Tensor | None = None, shape: Any = None) -> Any:
        """Uniform numbers in [0, 1), new ones at each evaluation; shape None: the target's."""
        return emit(build.rand(shape), out)

    def shift(self, ary: Any, shift_ary: Any, value: bool = True, out: Tensor | None = None) -> Any:
        """Multiply by the power of two nearest to `shift_ary` (or by 2^shift_ary); runs at once.

        Returns:
            `out`, or a new tensor of the broadcast shape.
        """
        tree = (
            apply("shift", ary, shift_ary) if value else apply("mul", ary, apply("exp2", shift_ary))
        )
        out = self.empty(tree.shape) if out is None else out
        return emit(tree, out)

    def binarize(self, ary: Any, out: Tensor, stochastic: bool = True) -> Tensor:
        """Store +1 / -1 by sign (0 is +1), or at random with p(+1) = clip((a + 1) / 2, 0, 1)."""
        if stochastic:
            # as in neon `<=`: +1 for certain where p is 1
            flag = self.rand(shape=ary.sig.shape) <= self.clip((ary + 1) * 0.5, 0, 1)
        else:
            flag = ary >= 0
        out[:] = 2 * flag - 1
        return out
