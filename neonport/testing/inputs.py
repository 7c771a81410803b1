"""Values that operands of conformance cases hold; seeded, so that every run sees the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import is_float
from neonport.ops.op import ANYWHERE

Array = npt.NDArray[Any]

# shape class: (shape, layout of operands and target)
CLASSES: dict[str, tuple[tuple[int, ...], str]] = {
    "one element": ((1, 1), "plain"),
    "no rows": ((0, 5), "plain"),
    "no columns": ((4, 0), "plain"),
    "column": ((33, 1), "plain"),
    "row": ((1, 65), "plain"),
    "odd": ((7, 13), "plain"),
    "long": ((3, 1027), "plain"),
    "strided": ((7, 13), "strided"),
    "reversed": ((7, 13), "reversed"),
    "offset": ((7, 13), "offset"),
    "transposed": ((7, 13), "transposed"),
    "3-D": ((3, 5, 7), "plain"),
    "3-D permuted": ((3, 5, 7), "permuted"),
    "4-D strided": ((2, 3, 2, 5), "strided"),
}
# shapes of two or three operands that broadcast, and the result's
BROADCASTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "column with row": ((7, 1), (1, 13), (7, 13)),
    "one with all": ((1, 1), (7, 13), (1, 13)),
    "all with one": ((7, 13), (1, 1), (7, 1)),
    "2-D with 3-D": ((5, 1), (3, 1, 7), (3, 5, 7)),
    "row with column": ((1, 13), (7, 1), (1, 1)),
}
Domain = tuple[float, float]
_chosen = [0]  # the seed of the run


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let operands that are made in the block hold the numbers of another seed; 0 is the usual one.

    Args:
        seed: a whole number of 0 or more.
    """
    _chosen.append(seed)
    try:
        yield
    finally:
        _chosen.pop()


def current_seed() -> int:
    """The seed that is in use."""
    return _chosen[-1]


def generator(seed: int) -> np.random.RandomState:
    """The generator of one operand: it depends on the seed of the run."""
    chosen = current_seed()
    return np.random.RandomState([chosen, seed] if chosen else seed)


def floats(seed: int, shape: tuple[int, ...], dtype: Any, domain: Domain = ANYWHERE) -> Array:
    """Random numbers of a float dtype, most between 0.1 and 10 in magnitude, some larger.

    Args:
        seed: of the generator.
        shape: of the array.
        dtype: of the array.
        domain: open interval; the part of the numbers that lies outside is moved inside.
    """
    rng = generator(seed)
    size = np.exp(rng.uniform(-2.3, 2.3, shape) * np.where(rng.uniform(size=shape) < 0.1, 3, 1))
    low, high = domain
    if high != inf:  # 0.001 to 0.999 of the way
        values = low + (high - low) * size / (1 + size)
    else:
        values = size if low >= 0 else size * rng.choice([-1, 1], shape)
        values = np.where(values > low, values, np.abs(values))
    return _off_ties(np.asarray(values)).astype(dtype)


def _off_ties(values: Array) -> Array:
    """Keep away from where `shift` jumps: between two powers of two in the logarithm."""
    level = np.log2(np.abs(values))
    near = np.abs(level - np.floor(level) - 0.5) < 0.01
    return np.where(near, values * 1.03, values)


def whole(seed: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Random integers (or bools) of a dtype, small enough to be exact in float32."""
    rng = generator(seed)
    if np.dtype(dtype).kind == "b":
        return rng.uniform(size=shape) < 0.5
    info = np.iinfo(dtype)
    return rng.randint(max(info.min, -100), min(info.max, 101), shape).astype(dtype)


def numbers(seed: int, shape: tuple[int, ...], dtype: Any, domain: Domain = ANYWHERE) -> Array:
    """Random values of any dtype; integers are only made positive where the domain is."""
    if is_float(np.dtype(dtype)):
        return floats(seed, shape, dtype, domain)
    values = whole(seed, shape, dtype)
    return np.abs(values) if domain[0] >= 0 and values.dtype.kind == "i" else values


def special(dtype: Any) -> Array:
    """A column of the values at which implementations go wrong."""
    large, subnormal = {
        "float16": (6e4, 1e-7),
        "bfloat16": (1e30, 1e-40),
        "float32": (1e30, 1e-40),
        "float64": (1e200, 1e-310),
    }[np.dtype(dtype).name]
    values = [0.0, 1.0, 0.5, 1.5, 2.5, 3.0, 1e-3, 88.0, 110.0, large, subnormal, np.inf]
    return np.array([*values, *(-v for v in values), np.nan], dtype).reshape(-1, 1)


def special_integers(dtype: Any) -> Array:
    """A column of small and extreme integers."""
    info = np.iinfo(dtype)
    values = {0, 1, 2, 3, 7, info.max, info.min, info.max // 2}
    values |= {-1, -2, -3} if info.min else set()
    return np.array(sorted(values), dtype).reshape(-1, 1)
