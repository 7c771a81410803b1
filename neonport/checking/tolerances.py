"""How far a result may be from its op's definition: the `accuracy` of the row, in one formula.

The definition is the NumPy definition in the op table, on the exact operands and with more digits
than the compute dtype. A result `got` of compute dtype T passes where

    |got - want| <= ulps * eps(T) * (condition + |want|) + absolute * eps(T) + tiny(T)

and after a store in a narrower float, half a unit in its last place more. Infinities and nan must
be the same. `tiny` is the smallest normal number: operands and results below it may count as zero.
`condition` is 0 except for reductions and products (the sum of the magnitudes that were added up)
and for ops that scale their argument first.

    exact       0 ulps: nothing is rounded
    rounded     add, sub, mul, sqr; 1/2 unit is what IEEE 754 asks, so 1 here
    div, sqrt   3: what OpenCL allows (full profile, single precision)
    libm        4: room for a vectorised library
    pow         16: what OpenCL allows
    sums        4 + sqrt(n) of the sum of magnitudes: any order of addition that is not plain luck
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.dtypes import ROWS, bfloat16
from neonport.ops.op import OPS, Kind

Array = npt.NDArray[Any]


def finfo(dtype: Any) -> Any:
    """What `np.finfo` tells, of bfloat16 too."""
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


EPS: dict[Any, float] = {
    np.dtype(row.name): row.eps for row in ROWS.values() if row.name == row.compute
}
EPS[np.dtype("int64")] = 0.0  # integers are exact
TINY: dict[Any, float] = {np.dtype(t): float(np.finfo(t).tiny) for t in ("float32", "float64")}
TINY[np.dtype("int64")] = 0.0

# half a unit in the last place of a stored float: relative, and absolute below its normal range
STORE = {
    np.dtype("float16"): (2.0**-11, 2.0**-25),
    bfloat16(): (2.0**-8, 2.0**-134),
    np.dtype("float32"): (2.0**-24, 2.0**-150),
    np.dtype("float64"): (2.0**-53, 0.0),
}


class Allowance(NamedTuple):
    """The error that is allowed for each element, and the relative part of it in one number."""

    absolute: Array
    bound: float


def condition(
    name: str, args: list[Array], params: dict[str, Any], want: Array, compute: np.dtype
) -> Any:
    """Magnitudes that were added up to give `want`, and how many of them."""
    op = OPS[name]
    if op.terms is not None:
        n = op.terms([np.shape(x) for x in args], params)
        if name == "var":
            return _spread(args[0], params["axes"], n, want, compute), n
        if name == "sum":  # the definition would round the magnitudes
            return np.sum(np.abs(args[0]), axis=params["axes"], keepdims=True), n
        magnitudes = (
            np.abs(x) if letter == "v" else x for x, letter in zip(args, op.reads, strict=False)
        )
        # of factors near 1 the second-order terms are lost, in one direction: no cancellation
        count = n * n if name in ("prod", "cumprod") else n
        return op.numpy(*magnitudes, **params), count
    if name == "sig2":
        return np.abs(want * args[0]), 1
    return 0.0, 1


def _spread(x: Array, axes: Any, n: int, want: Array, compute: np.dtype) -> Array:
    """What the error of a variance is relative to."""
    # the mean is off by some units of the mean magnitude; squared, that adds to the variance,
    # and so it does times the distance of two blocks whose means are merged
    mean = np.sum(np.abs(x), axis=axes, keepdims=True) / max(n, 1)
    merged = np.sqrt(np.abs(want)) * mean
    units = OPS["var"].accuracy.ulps + n**0.5
    return np.asarray(want + units * EPS[compute] * mean**2 + merged)


def allowance(
    name: str, args: list[Array], params: dict[str, Any], want: Array, compute: np.dtype
) -> Allowance:
    """The error that one application of an op may make.

    Args:
        name: op of the op table.
        args: exact operands in a wide dtype (indices as integers).
        params: parameters of the op.
        want: the result by the definition, in a wide dtype.
        compute: dtype in which the backend computes.
    """
    ulps, absolute = OPS[name].accuracy
    if not ulps or params.get("how") == "max":
        return Allowance(np.zeros(want.shape), 0.0)
    eps, tiny = EPS[compute], TINY[compute]
    with np.errstate(all="ignore"):
        extra, count = condition(name, args, params, want, compute)
        summed = OPS[name].kind is not Kind.ELEMENTWISE
        units = ulps + (count**0.5 if summed else 0.0)
        allowed = units * eps * (np.abs(want) + extra) + absolute * eps + tiny
        return Allowance(allowed, units * eps)


def stored(allowed: Allowance, want: Array, compute: np.dtype, target: np.dtype) -> Allowance:
    """The allowance after a store in `target`."""
    if target == compute or target not in STORE:
        return allowed
    relative, absolute = STORE[target]
    with np.errstate(all="ignore"):
        # an exact result that fits is stored as it is
        fits = (allowed.absolute == 0) & (want.astype(target) == want)
        extra = np.where(fits, 0.0, relative * (np.abs(want) + allowed.absolute) + absolute)
    return Allowance(allowed.absolute + extra, allowed.bound + (relative if extra.any() else 0.0))
