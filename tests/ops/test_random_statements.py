"""Random statements of all dtypes: kernels against the NumPy definitions of their ops."""

from __future__ import annotations

import random

import numpy as np
import pytest

from neonport.errors import ShapeError

STORED = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint32",
    "uint64",
]
READ = ["float32", *STORED]
NUMBERS = [0, 1, 2, -1, 3, 0.5, 1.0, 2.0, -2.5, 7, -0.0, float("inf"), float("nan"), 255]
SPECIAL = [np.inf, -np.inf, np.nan, -0.0, 0.5, 1.5, -0.5, 65504.0, 1e-30]
PAIRS = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "mod",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "less",
    "greater",
    "less_equal",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
]
ONE = [
    "negative",
    "absolute",
    "sgn",
    "square",
    "rint",
    "floor",
    "ceil",
    "trunc",
    "logical_not",
    "isnan",
    "isfinite",
    "tanh",
]
FOLDS = ["sum", "max", "min", "mean", "argmax", "argmin"]
LINES = ["cumsum", "sort", "argsort"]


class Grower:
    """Grows trees over one shape; decisions and numbers come from a seed."""

    def __init__(self, be, seed):
        self.be, self.rng, self.numbers = be, random.Random(seed), np.random.RandomState(seed)
        self.made = []

    def leaf(self, shape):
        be, rng = self.be, self.rng
        shape = shape if rng.random() < 0.7 else tuple(rng.choice([1, n]) for n in shape)
        dtype = rng.choice(READ)
        values = self.numbers.randint(0 if dtype[0] in "ub" else -4, 5, shape).astype(float)
        if "float" in dtype:
            values = values + self.numbers.randn(*shape)
            if rng.random() < 0.3:
                values = np.reshape([rng.choice(SPECIAL) for _ in range(values.size)], shape)
        if rng.random() < 0.5:
            return be.array(values, dtype=dtype)
        return be.array(values.T[::-1].copy(), dtype=dtype)[::-1].T

    def grow(self, depth, shape):
        """A tree, a tensor or a number."""
        rng, be = self.rng, self.be
        known = [tree for tree in self.made if tree.shape == shape]
        if known and rng.random() < 0.3:
            return rng.choice(known)
        if depth == 0 or rng.random() < 0.1:
            return rng.choice(NUMBERS) if rng.random() < 0.3 else self.leaf(shape)
        x, axis = self.operand(depth, shape), rng.randrange(2)
        kind = rng.randrange(8)
        if kind < 3:
            tree = getattr(be, rng.choice(PAIRS))(x, self.grow(depth - 1, shape))
        elif kind == 3:
            tree = getattr(be, rng.choice(ONE))(x)
        elif kind == 4:
            tree = getattr(be, rng.choice(FOLDS))(x, axis=axis)
        elif kind == 5:
            tree = getattr(be, rng.choice(LINES))(x, axis=axis)
        elif kind == 6:
            tree = be.where(x, self.operand(depth, shape), self.grow(depth - 1, shape))
        else:
            index = be.array(self.numbers.randint(0, 9, (shape[axis], 1)), dtype="int32")
            index = rng.choice([index, be.mod(index, x.shape[axis]), index + 0])
            tree = be.take(x, index, axis=axis)
        self.made.append(tree)
        return tree

    def operand(self, depth, shape):
        """A tree or a tensor."""
        found = self.grow(depth - 1, shape)
        return found if hasattr(found, "sig") else self.leaf(shape)


def same(found, right, dtype):
    """Which elements agree, of numbers that were stored in a dtype."""
    found, right = found.astype(float), right.astype(float)
    if "float" not in dtype:  # what lies between two integers may go either way
        return np.abs(found - right) <= 1 + 1e-4 * np.abs(right)
    close = np.isclose(
        found, right, rtol=0.02 if "16" in dtype else 2e-3, atol=1e-4, equal_nan=True
    )
    return close | ((np.abs(found) > 1e30) & (np.abs(right) > 1e30))


@pytest.mark.parametrize("part", range(4))
def test_kernels_compute_what_the_definitions_say(be, campaign: int, part):
    for seed in range(part, 24 * campaign, 4):
        grower = Grower(be, seed)
        shape = grower.rng.choice([(1, 4), (3, 1), (3, 4), (5, 2)])
        try:
            tree = grower.grow(4, shape)
        except ShapeError:  # a part of the tree became smaller than its shape
            continue
        if not hasattr(tree, "op"):
            continue
        dtype = grower.rng.choice(STORED)
        found, right = be.empty(tree.shape, dtype=dtype), be.empty(tree.shape, dtype=dtype)
        found[:] = tree
        with np.errstate(all="ignore"):
            be.executor.interpret([(right, tree)])
        agree = same(found.get(), right.get(), dtype)
        assert agree.all(), (seed, dtype, str(tree), found.get()[~agree], right.get()[~agree])
