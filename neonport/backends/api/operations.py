"""The op catalogue: functions of a backend that build op-trees, or run them with `out=`."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.backends.arguments import check_operands, check_tensors
from neonport.optree import functions as build
from neonport.optree import operators as builders
from neonport.optree.custom_gradient import custom_gradient
from neonport.optree.functions import emit
from neonport.optree.methods import reshape
from neonport.optree.node import Expression, apply
from neonport.optree.operators import power
from neonport.shape import as_shape, normalize_axis
from neonport.tensor.indexing import check_indices
from neonport.tensor.tensor import Tensor

INT32_MAX = np.iinfo(np.int32).max


def _unary(name: str) -> Any:
    return staticmethod(builders.unary(name))


def _binary(name: str) -> Any:
    return staticmethod(builders.binary(name))


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
    floor_divide = _binary("floordiv")
    logaddexp = _binary("logaddexp")
    logical_and = _binary("logical_and")
    logical_or = _binary("logical_or")
    logical_xor = _binary("logical_xor")

    negative = _unary("neg")
    absolute = _unary("abs")
    fabs = _unary("abs")
    abs = _unary("abs")
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

    def power(self, a: Any, b: Any, out: Tensor | None = None) -> Any:
        """`a` to the power `b`, element by element; an op-tree, or `out`.

        Example:
            y[:] = be.power(p, 0.75)
        """
        return emit(power(a, b), out)

    def reciprocal(self, a: Any, out: Tensor | None = None) -> Any:
        """`1 / a`, element by element; an op-tree, or `out`.

        Example:
            y[:] = be.reciprocal(1 + be.exp(-x))
        """
        return emit(apply("div", 1.0, a), out)

    def where(self, condition: Any, a: Any, b: Any, out: Tensor | None = None) -> Any:
        """`a` where the condition is not 0, else `b`; an op-tree, or `out`.

        A branch whose slope is infinite where it is not taken makes the gradient NaN; keep it from
        there by a second `where`.

        Example:
            safe = be.where(x > 0, be.sqrt(be.where(x > 0, x, 1)), 0)
        """
        node = builders.where(condition, a, b)
        return node if out is None else emit(node, out)

    def relu(self, a: Any, out: Tensor | None = None) -> Any:
        """`maximum(a, 0)`, element by element; an op-tree, or `out`.

        Example:
            y[:] = be.relu(x - 1)
        """
        return emit(self.maximum(a, 0), out)

    def reshape(self, a: Any, shape: Any, out: Tensor | None = None) -> Any:
        """The same elements in row-major order in another shape, as an op-tree, or `out`.

        `t.reshape(shape)` of a tensor is a view, where its layout has one.

        Args:
            a: tensor or op-tree.
            shape: sizes, of which one may be -1.
            out: assign there and return it.

        Raises:
            ShapeError: another number of elements, or a size that is only known on assignment.

        Example:
            rows = be.reshape(x.T, (-1, 4))
        """
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        return emit(reshape(a, *sizes), out)

    def clip(self, a: Any, a_min: Any, a_max: Any, out: Tensor | None = None) -> Any:
        """minimum(maximum(a, a_min), a_max), both bounds inclusive; bounds may be tensors.

        The gradient at a bound that is a number is 0.

        Example:
            y[:] = be.clip(x, -1, 1)
        """
        return emit(self.minimum(self.maximum(a, a_min), a_max), out)

    def transpose(self, a: Any, out: Tensor | None = None) -> Any:
        """`a.T`, or `out` after it was assigned there.

        Example:
            product = be.dot(be.transpose(x), x)  # (4, 4)
        """
        return emit(build.expression(a, "transpose").T, out)

    def custom_gradient(self, tree: Any, rule: Any, operands: Any = None) -> Any:
        """A tree of the same value whose gradient a function of yours gives.

        It is a tree like any other: part of larger trees, in `OpTreeLayer`, differentiated again.
        Computing it costs what `tree` costs.

        Args:
            tree: tensor or op-tree. The sizes in it must be known (`onehot`: classes, `rand`:
                shape).
            rule: called as `rule(g, *operands)` while a gradient tree is built, `g` being the
                gradient of the result, a tree or tensor of its shape. It builds trees and returns
                one gradient for each operand, in a tuple (of one operand the gradient alone will
                do): a number, tensor or tree that broadcasts to the operand's shape, None for an
                operand that gets none. Gradients of second order are those of what it returns.
                Statements and gradients are found again by the rule: define it once, not anew in
                each step.
            operands: tensors or nodes of `tree`, possibly `tree` itself; all that is not below them
                is constant. None is every tensor of the tree, in the order of first use.

        Returns:
            An op-tree. Neon's lists (`optree_to_list`) do not carry its rule.

        Raises:
            ConfigurationError: the rule is no function; an operand is not in the tree. When the
                gradient is taken: not one result for each operand.
            ShapeError: a size is only known on assignment. When the gradient is taken: a result
                does not broadcast to its operand.

        Example:
            def straight_through(g, x):  # rounding has no useful gradient of its own
                return g

            rounded = be.custom_gradient(be.rint(x), straight_through)
        """
        return custom_gradient(tree, rule, operands)

    def _index_tensor(self, indices: Any, size: int | None, axis: int) -> Any:
        """Indices as something a node can hold; host lists are checked and copied over."""
        if isinstance(indices, Expression):
            return indices
        values = check_indices(indices, size, axis)
        # an index that int32 does not hold would be stored as its largest number
        large = values.size and (values.max() > INT32_MAX or values.min() < -INT32_MAX)
        return self.array(values, dtype=np.int64 if large else np.int32)

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

        Example:
            picked = be.take(x, [2, 0, 2], axis=0)  # (3, 4)
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

        Example:
            be.scatter(y, np.array([2, 0]), 0, be.ones((2, 4)))
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

        Example:
            targets = be.onehot([0, 2, 1, 1], axis=0, classes=3)  # (3, 4)
        """
        return emit(build.onehot(self._index_tensor(indices, None, axis), axis, classes), out)

    def rand(self, out: Tensor | None = None, shape: Any = None) -> Any:
        """Uniform numbers in [0, 1): an op-tree that is one draw, or `out`.

        However often the tree occurs in a statement, it stands for the same numbers. Each run of a
        value draws new ones; a gradient takes those that the value had when it ran last, whatever
        its order. A gradient whose value never ran draws for itself, once a run.

        Numbers that are stored as they are stay below 1 in every type. Arithmetic on them rounds as
        any arithmetic: `low + (high - low) * be.rand()` may be `high` in the stored type, which is
        likely in float16 and bfloat16; the initializer `Uniform(low, high)` stays below.

        A tree that is made anew for each statement makes a new statement of it, which has to be
        bound first; keep the tree, or pass `out`.

        Args:
            out: assign there and return it.
            shape: of the numbers, any rank; None takes the shape of where they are assigned.

        Example:
            y[:] = x * (be.rand(shape=x.shape) < 0.5)  # dropout
        """
        if out is not None:
            check_tensors("rand", out=out)
        if out is not None and (shape is None or as_shape(shape) == out.shape):
            return emit(build.fresh_numbers, out)
        return emit(build.rand(shape), out)

    def shift(self, ary: Any, shift_ary: Any, value: bool = True, out: Tensor | None = None) -> Any:
        """Multiply by the power of two nearest to `shift_ary` (or by 2^shift_ary); runs at once.

        Returns:
            `out`, or a new tensor of the broadcast shape.

        Example:
            doubled = be.shift(x, 2.0 * be.ones((3, 4)))
        """
        tree = (
            apply("shift", ary, shift_ary) if value else apply("mul", ary, apply("exp2", shift_ary))
        )
        out = self.empty(tree.shape) if out is None else out
        return emit(tree, out)

    def binarize(self, ary: Any, out: Tensor, stochastic: bool = True) -> Tensor:
        """Store +1 / -1 by sign (0 is +1), or at random with p(+1) = clip((a + 1) / 2, 0, 1).

        Example:
            be.binarize(x, y, stochastic=False)
        """
        check_operands("binarize", ary=ary)
        if not stochastic:
            return emit(2 * (ary >= 0) - 1, out)
        # as in neon `<=`: +1 for certain where p is 1
        flag = build.fresh_numbers <= self.clip((ary + 1) * 0.5, 0, 1)
        return emit(2 * flag - 1, out)
