"""A tiny interpreter of op-trees on host arrays, independent of every backend.

It knows the op table and nothing else: no views, no storage, no code of a backend. Values are wide
(float64 for float32, long double for float64), so that its own rounding does not count.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.tolerances import TINY, Allowance, allowance
from neonport.ops.op import OPS
from neonport.optree.node import OpTreeNode

Array = npt.NDArray[Any]

WIDE: dict[np.dtype, np.dtype] = {
    np.dtype("float32"): np.dtype("float64"),
    np.dtype("float64"): np.dtype("longdouble"),
    np.dtype("int64"): np.dtype("int64"),
}
FLOAT32, FLOAT64, INT64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")


def compute_of(dtypes: list[np.dtype]) -> np.dtype:
    """The rule of the documentation for floats: float64 if any operand is, else float32."""
    return FLOAT64 if FLOAT64 in dtypes else FLOAT32


def is_integer(dtype: np.dtype) -> bool:
    """Whether values of a dtype are computed in int64 where they meet only such."""
    return dtype.kind in "iub" and dtype.name != "uint64"


class Interpreter:
    """Evaluates trees.

    Args:
        values: id of each tensor -> its contents, in the tensor's dtype.
        shape: of the assignment target, for sizes that a tree leaves open.
        noise: None, or a generator: every op's result is then moved by up to its allowance, which
            shows how errors of the ops below add up in the result.
        flush: whether subnormal operands count as zero.
    """

    def __init__(
        self,
        values: dict[int, Array],
        shape: tuple[int, ...],
        noise: np.random.RandomState | None = None,
        flush: bool = False,
    ) -> None:
        self.values = values
        self.shape = shape
        self.noise = noise
        self.flush = flush
        self.done: dict[int, tuple[Array, np.dtype]] = {}
        self.allowed: dict[int, Allowance] = {}

    def run(self, root: Any) -> tuple[Array, np.dtype]:
        """Value of a tree, tensor or number in its wide dtype, and the dtype it is computed in."""
        with np.errstate(all="ignore"):
            return self._value(root, self.shape)

    def _value(self, x: Any, shape: tuple[int, ...]) -> tuple[Array, np.dtype]:
        if not hasattr(x, "sig"):
            if type(x) is int and -(2**63) <= x < 2**63:
                return np.full((1, 1), x, np.int64), INT64
            return np.full((1, 1), x, np.float64), FLOAT32
        if isinstance(x, OpTreeNode):
            if id(x) not in self.done:
                self.done[id(x)] = self._node(x, shape)
            return self.done[id(x)]
        stored = self.values[id(x)]
        return stored, stored.dtype

    def _node(self, node: OpTreeNode, shape: tuple[int, ...]) -> tuple[Array, np.dtype]:
        op, params = OPS[node.op], dict(node.params)
        below = _shape_below(node, shape)
        found = [self._value(a, below) for a in node.args]
        letters = op.reads[: len(found)]
        compute = self._compute(node, [dtype for _, dtype in found])
        args = [
            self._read(v, letter, _condition_of(dtype, compute) if letter == "c" else compute, a)
            for (v, dtype), a, letter in zip(found, node.args, letters, strict=True)
        ]
        if node.op == "onehot":
            params["shape"] = _onehot_shape(args[0], params.pop("classes"), params["axis"], shape)
        want = np.asarray(op.numpy(*args, **params))
        limit = self.allowed[id(node)] = allowance(node.op, args, node.params, want, compute)
        self.computed(node, params, args, want, limit)
        if op.result is not None:
            return want, op.result
        want = want.astype(WIDE[compute])
        if self.noise is not None:
            moved = want + limit.absolute * self.noise.uniform(-1.0, 1.0, want.shape)
            want = np.where(np.isfinite(moved), moved, want)
        return _overflow(want, compute), compute

    def computed(
        self,
        node: OpTreeNode,
        params: dict[str, Any],
        args: list[Array],
        want: Array,
        limit: Allowance,
    ) -> None:
        """Something was computed; subclasses may look at it.

        Args:
            node: the application.
            params: those that the definition was called with.
            args: its operands, in a wide dtype.
            want: the result.
            limit: the error that this application may make by itself.
        """

    def _compute(self, node: OpTreeNode, dtypes: list[np.dtype]) -> np.dtype:
        """Integers compute in int64 where the op is exact on them, all else in a float."""
        op, tensors = OPS[node.op], [hasattr(a, "sig") for a in node.args]
        parts = list(zip(dtypes, tensors, op.reads, strict=False))
        values = [(dtype, tensor) for dtype, tensor, letter in parts if letter == "v"]
        some = any(tensor for _, tensor in values)
        if op.integers and some and all(is_integer(dtype) for dtype, _ in values):
            return INT64
        return compute_of([dtype for dtype, tensor, letter in parts if letter in "vc" and tensor])

    def _read(self, value: Array, letter: str, compute: np.dtype, operand: Any) -> Array:
        """An operand as the op table says: a value, a condition, an index or a coordinate."""
        if letter in "vc":
            return self._operand(value, compute, isinstance(operand, OpTreeNode))
        return value if letter == "i" else value.astype(np.float32)

    def _operand(self, value: Array, compute: np.dtype, computed: bool) -> Array:
        """A value as an op of dtype `compute` reads it, in the wide dtype."""
        # what is read from memory, and a number, is rounded to the compute dtype first
        wide = (value if computed else value.astype(compute)).astype(WIDE[compute])
        if self.flush and compute != INT64:
            wide = np.where(np.abs(wide) < TINY[compute], np.copysign(0.0, wide), wide)
        return wide


def _overflow(want: Array, compute: np.dtype) -> Array:
    """Make infinite what is too large for the compute dtype."""
    if compute == INT64:
        return want
    return np.where(np.abs(want) > np.finfo(compute).max, np.copysign(np.inf, want), want)


def _condition_of(dtype: np.dtype, compute: np.dtype) -> np.dtype:
    """The dtype in which a condition is read."""
    if is_integer(dtype):
        return INT64
    return compute_of([dtype]) if compute == INT64 else compute


def _shape_below(node: OpTreeNode, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The size that an open operand has, given the size of the node."""
    if not node.sig.open:
        return ()  # nobody below will ask
    if node.op == "transpose":
        perm = node.params["perm"]
        return tuple(shape[perm.index(a)] for a in range(len(perm)))
    return tuple(np.broadcast_shapes(node.shape, shape))


def _onehot_shape(
    indices: Array, classes: int | None, axis: int, shape: tuple[int, ...]
) -> tuple[int, int]:
    n = prod(indices.shape)
    size = shape[len(shape) - 2 + axis] if classes is None else classes
    return (size, n) if axis == 0 else (n, size)
