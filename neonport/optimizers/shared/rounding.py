"""Stochastic rounding (Gupta et al., 2015): chance decides about what 16 bits cannot hold.

A parameter of 16 bits loses small steps to rounding to nearest: 1 + 0.001 is 1 in bfloat16, however
often it is tried. Rounded up with the probability of what is lost, the mean is right.
"""

from __future__ import annotations

from typing import Any

from neonport.backends.home import home
from neonport.dtypes import is_bfloat16
from neonport.tensor.tensor import Tensor


def mantissa(target: Tensor) -> tuple[int, float] | None:
    """Mantissa bits and smallest normal number of a 16-bit float; None for wider types."""
    if is_bfloat16(target.dtype):
        return 7, 2.0**-126
    return (10, 2.0**-14) if target.dtype.name == "float16" else None


def rounded(tree: Any, target: Tensor) -> Any:
    """A tree rounded stochastically for the tensor that it is assigned to.

    Args:
        tree: new value, computed in float32.
        target: a tensor whose `rounding` is True, or the number of mantissa bits to keep.

    Returns:
        A tree; the same one for types of more than 16 bits, whose stores lose little.
    """
    found = mantissa(target)
    if found is None:
        return tree
    bits, smallest = found
    if target.rounding is not True:
        bits = min(bits, int(target.rounding))
    be = home(target)
    # an error of log2 beside a power of two halves or doubles the unit, and keeps the mean
    exponent = be.floor(be.log2(be.maximum(abs(tree), smallest)))
    unit = be.exp2(exponent - float(bits))
    return be.floor(tree / unit + be.rand(shape=target.shape)) * unit
