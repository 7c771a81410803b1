"""The value of a whole statement with more digits, and how far off a right result may be.

The published bounds are those of one op. Below another op an error grows, shrinks or cancels, so it
is carried upwards with the values (running error analysis; Wilkinson, "Rounding Errors in Algebraic
Processes", 1963): the error of a node is what its operands' errors make of it, and its own.

| ops | what errors of the operands become |
|---|---|
| movements, picked elements, maxima, sorting | the same errors elsewhere; at most the largest |
| sums, windows of sums | the sum of the errors |
| products | the sum of magnitudes times errors |
| element by element | the largest change when operands move by their errors, alone or together |
| variance | by the triangle inequality |
| places of maxima | nothing, or no bound where two values are too close to tell |
| all others | some random changes of the operands, and a margin |
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.reference import FLOAT32, Interpreter
from neonport.checking.tolerances import Allowance, stored
from neonport.dtypes import cast, is_float
from neonport.ops.op import OPS, Kind
from neonport.ops.philox import uniform
from neonport.optree.node import OpTreeNode, walk
from neonport.optree.open_sizes import resolve_wild
from neonport.optree.random_nodes import Sources, is_random

Array = npt.NDArray[Any]

SELECTING = frozenset({"take", "take_along_axis", "max_pool_gather", "roi_pool_gather"})
SUMMING = frozenset(
    {"sum", "cumsum", "scatter_add", "scatter_add_along_axis", "pool", "avg_pool_backward",
     "max_pool_backward", "roi_pool", "roi_pool_backward"}
)  # fmt: skip
PRODUCTS = frozenset({"dot", "batched_dot", "conv", "conv_backward_data", "conv_backward_filter"})
STEPS = (-1.0, -0.5, 0.5, 1.0)  # of an error, by which an operand is moved
RUNS = 8  # of random changes, where nothing else is known of an op
MARGIN = 4.0  # times the largest change seen in them


class Bounded(Interpreter):
    """Evaluates a tree and bounds the error of a right result, element by element.

    Args:
        values: id of each tensor -> its contents, in the tensor's dtype.
        shape: of the assignment target.
        draws: random nodes and where their numbers are; None where nothing is random.
        flush: whether subnormal operands count as zero.
    """

    def __init__(
        self,
        values: dict[int, Array],
        shape: tuple[int, ...],
        draws: tuple[Sources, list[tuple[int, int]]] | None = None,
        flush: bool = False,
    ) -> None:
        super().__init__(values, shape, flush=flush)
        self.draws = draws
        self.errors: dict[int, Any] = {}
        self.sizes: dict[int, tuple[int, ...]] = {}

    def run(self, root: Any) -> tuple[Array, np.dtype]:
        """Value of a tree in its wide dtype, and the dtype it is computed in."""
        self.sizes = resolve_wild(root, self.shape)
        with np.errstate(all="ignore"):
            for node in walk(root):  # operands first: trees may be deep
                if not node.sig.open:
                    self._value(node, ())
            return self._value(root, self.shape)

    def _node(self, node: OpTreeNode, shape: tuple[int, ...]) -> tuple[Array, np.dtype]:
        if not is_random(node):
            return super()._node(node, shape)
        assert self.draws is not None
        sources, positions = self.draws
        size = self.sizes.get(id(node), node.shape)
        count = int(np.prod(size, dtype=np.int64))
        key, offset = positions[sources.slot(node, count)]
        return uniform(key, offset, count).astype(np.float64).reshape(size), FLOAT32

    def error(self, x: Any) -> Any:
        """Largest error of a right value of a part of the tree: an array, or the number 0."""
        return self.errors.get(id(x), 0.0)

    def computed(
        self,
        node: OpTreeNode,
        params: dict[str, Any],
        args: list[Array],
        want: Array,
        limit: Allowance,
    ) -> None:
        """Add what the operands' errors become to what the op may make by itself."""
        errors = [self.error(a) for a in node.args]
        total, want = limit.absolute, _real(want)
        if any(np.any(e) for e in errors):
            whole = [np.broadcast_to(e, a.shape) for e, a in zip(errors, args, strict=True)]
            total = total + carried(node.op, params, args, whole, want)
            total = np.where(np.isnan(total), np.inf, total)
        self.errors[id(node)] = total if np.any(total) else 0.0


def carried(
    name: str, params: dict[str, Any], args: list[Array], errors: list[Array], want: Array
) -> Array:
    """What errors of the operands may do to the result of an op.

    Args:
        name: op of the op table.
        params: what its definition takes.
        args: operands in a wide dtype.
        errors: of each operand, in its shape.
        want: the result.
    """
    op = OPS[name]
    letters = op.reads[: len(args)]
    if any(np.any(e) for e, letter in zip(errors, letters, strict=False) if letter in "if"):
        return np.full(want.shape, np.inf)  # picked by what is uncertain itself
    moved = [e if x in "vc" else a for a, e, x in zip(args, errors, letters, strict=False)]
    if op.result is not None or name == "argsort":
        return _places(name, params, args, errors, want)
    if op.kind is Kind.ELEMENTWISE:
        return _elementwise(op.numpy, args, errors, want)
    if op.kind is Kind.MOVEMENT or name in SELECTING or name in SUMMING:
        return np.asarray(op.numpy(*moved, **params))
    if name in PRODUCTS:
        a, b = (np.abs(x) for x in args)
        ea, eb = errors
        found = op.numpy(ea, b, **params) + op.numpy(a, eb, **params) + op.numpy(ea, eb, **params)
        return np.asarray(found)
    if name in ("max", "min"):
        return np.max(errors[0], axis=params["axes"], keepdims=True)
    if name == "sort":
        return np.broadcast_to(np.max(errors[0], axis=params["axis"], keepdims=True), want.shape)
    if name == "var":  # standard deviations differ by no more than that of the errors
        square = np.mean(errors[0] ** 2, axis=params["axes"], keepdims=True)
        return np.asarray(2 * np.sqrt(want * square) + square)
    return _random(op.numpy, params, args, errors, want)


def _real(values: Any) -> Array:
    """Truth values and integers as floats."""
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _change(result: Any, want: Array) -> Array:
    """Distances, 0 where both are infinite or nan alike, infinite where only one is."""
    moved = _real(result)
    same = (moved == want) | (np.isnan(moved) & np.isnan(want))
    distance = np.abs(moved - want)
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def _elementwise(definition: Any, args: list[Array], errors: list[Array], want: Array) -> Array:
    """Each operand moved by its error, then all in all directions; the larger of both."""
    unsure = [i for i, e in enumerate(errors) if np.any(e)]
    total = np.zeros(want.shape)
    for i in unsure:
        largest = np.zeros(want.shape)
        for step in STEPS:
            moved = [a + step * errors[i] if j == i else a for j, a in enumerate(args)]
            largest = np.maximum(largest, _change(definition(*moved), want))
        total = total + largest
    if len(unsure) > 1:
        for signs in product((-1.0, 1.0), repeat=len(unsure)):
            step_of = dict(zip(unsure, signs, strict=True))
            moved = [a + step_of.get(j, 0.0) * errors[j] for j, a in enumerate(args)]
            total = np.maximum(total, _change(definition(*moved), want))
    return total


def _places(
    name: str, params: dict[str, Any], args: list[Array], errors: list[Array], want: Array
) -> Array:
    """Places of maxima and minima are certain where the next value is far enough away."""
    unknown = np.full(want.shape, np.inf)
    if name not in ("argmax", "argmin"):
        return unknown
    x, e, axes = args[0], errors[0], params["axes"]
    upper = x if name == "argmax" else -x
    best = np.max(upper, axis=axes, keepdims=True)
    close = upper >= best - 2 * np.max(e, axis=axes, keepdims=True)
    return np.where(np.sum(close, axis=axes, keepdims=True) > 1, unknown, 0.0)


def _random(
    definition: Any, params: dict[str, Any], args: list[Array], errors: list[Array], want: Array
) -> Array:
    """The largest of some random changes (the idea of Vignes, 1993), and a margin."""
    largest = np.zeros(want.shape)
    for seed in range(RUNS):
        rng = np.random.RandomState(seed)
        moved = [
            a + e * rng.choice((-1.0, 1.0), e.shape) if np.any(e) else a
            for a, e in zip(args, errors, strict=True)
        ]
        largest = np.maximum(largest, _change(definition(*moved, **params), want))
    return MARGIN * largest


def after_store(want: Array, error: Any, compute: np.dtype, target: np.dtype) -> Array:
    """The error that is allowed after a store in another dtype, in the shape of `want`."""
    off = np.broadcast_to(np.asarray(error, np.float64), want.shape)
    if is_float(target):
        return stored(Allowance(off, 1.0), want, compute, target).absolute
    if not np.any(off):
        return np.zeros(want.shape)
    with np.errstate(all="ignore"):
        ends = [cast(want + step * off, target).astype(np.float64) for step in (-1.0, 1.0)]
        middle = cast(want, target).astype(np.float64)
    return np.maximum(*(np.abs(end - middle) for end in ends))
