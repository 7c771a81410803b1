"""How far a result may be from the definition of its op: one row an op, one formula for all.

The definition is the NumPy meaning in the op table, on the exact operands and with more digits than
the compute dtype. A result `got` of compute dtype T passes where

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

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.dtypes import bfloat16
from neonport.ops.table import OPS, Kind

Array = npt.NDArray[Any]


class Bound(NamedTuple):
    """Row of the table: units in the last place, and an absolute term in units of eps."""

    ulps: float
    absolute: float = 0.0


EXACT = Bound(0)
ROUNDED = Bound(1)
LIBM = Bound(4)
LOGARITHM = Bound(4, 1)  # near 1 the result is small, its error need not be
SUMS = Bound(4)

BOUNDS: dict[str, Bound] = {
    "add": ROUNDED,
    "sub": ROUNDED,
    "mul": ROUNDED,
    "sqr": ROUNDED,
    "div": Bound(3),
    "sqrt": Bound(3),
    "pow": Bound(16),
    "exp": LIBM,
    "exp2": LIBM,
    "log": LOGARITHM,
    "log2": LOGARITHM,
    "safelog": LOGARITHM,
    "sig": LIBM,
    "sig2": LIBM,
    "tanh": LIBM,
    "tanh2": Bound(6),
    "shift": LIBM,
    "sum": SUMS,
    "var": SUMS,
    "untake": SUMS,
    "dot": SUMS,
    "batched_dot": SUMS,
    "conv": SUMS,
    "conv_data": SUMS,
    "conv_filter": SUMS,
    "pool": SUMS,
    "spread": SUMS,
    "unpool": SUMS,
    "roi_spread": SUMS,
}
# comparisons, choices, movements and copies round nothing
BOUNDS.update({name: EXACT for name in OPS if name not in BOUNDS})


def finfo(dtype: Any) -> Any:
    """What `np.finfo` tells, of bfloat16 too."""
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


EPS = {np.dtype(t): float(np.finfo(t).eps) for t in ("float32", "float64")}
TINY = {np.dtype(t): float(np.finfo(t).tiny) for t in ("float32", "float64")}

# half a unit in the last place of a stored float: relative, and absolute below its normal range
STORE = {
    np.dtype("float16"): (2.0**-11, 2.0**-25),
    bfloat16(): (2.0**-8 + 2.0**-24, 2.0**-134),  # a float64 becomes a float32 first
    np.dtype("float32"): (2.0**-24, 2.0**-150),
    np.dtype("float64"): (2.0**-53, 0.0),
}


class Allowance(NamedTuple):
    """The error that is allowed for each element, and the relative part of it in one number."""

    absolute: Array
    bound: float


# how many numbers a window op adds up for one element, at most
_ADDED: dict[str, Callable[[list[Array], dict[str, Any]], int]] = {
    "conv": lambda args, params: prod(args[1].shape[:4]),
    "conv_data": lambda args, params: prod(args[0].shape[1:]),
    "conv_filter": lambda args, params: prod(args[1].shape[1:]),
    "pool": lambda args, params: prod(params["window"]),
    "spread": lambda args, params: prod(params["window"]),
    "unpool": lambda args, params: prod(params["window"]),
    "roi_spread": lambda args, params: prod(args[2].shape[1:]),
}


def condition(
    name: str, args: list[Array], params: dict[str, Any], want: Array, compute: np.dtype
) -> Any:
    """Magnitudes that were added up to give `want`, and how many of them."""
    if name in ("sum", "var"):
        (x,) = args
        axes = params["axes"]
        n = prod(x.shape[a] for a in axes)
        if name == "sum":
            return np.sum(np.abs(x), axis=axes, keepdims=True), n
        # the mean is off by some units of the mean magnitude; squared, that adds to the variance,
        # and so it does times the distance of two blocks whose means are merged
        mean = np.sum(np.abs(x), axis=axes, keepdims=True) / max(n, 1)
        merged = np.sqrt(np.abs(want)) * mean
        return want + (SUMS.ulps + n**0.5) * EPS[compute] * mean**2 + merged, n
    if name in ("dot", "batched_dot"):
        products = OPS[name].numpy(np.abs(args[0]), np.abs(args[1]), **params)
        return products, args[0].shape[-1] * (args[0].shape[0] if params.get("reduce") else 1)
    if name == "untake":
        return OPS[name].numpy(np.abs(args[0]), args[1], **params), args[0].shape[params["axis"]]
    if name in _ADDED:
        magnitudes = OPS[name].numpy(
            *(np.abs(x) if letter == "v" else x
              for x, letter in zip(args, OPS[name].reads, strict=False)),
            **params,
        )  # fmt: skip
        return magnitudes, _ADDED[name](args, params)
    if name == "sig2":
        return np.abs(want * args[0]), 1
    return 0.0, 1


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
    ulps, absolute = BOUNDS[name]
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
