"""The source of random numbers: row, shape rule and NumPy definition; its bits are `philox.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from neonport.ops.op import Array, Cost, Ints, Kind, Op, register
from neonport.shape import Shape


def rand(uniform: Callable[[int], Array], shape: Ints) -> Array:
    """The next numbers of the source."""
    return uniform(prod(shape)).reshape(shape)


def _rand(op: Op, shapes: Sequence[Shape], shape: Shape | None) -> Shape:
    return (1, 1) if shape is None else shape


register(
    Op(
        "rand",
        0,
        Kind.SOURCE,
        rand,
        "rand()",
        "uniform numbers in [0, 1)",
        ("shape",),
        public=("rand",),
        cost=Cost.COSTLY,
        infer=_rand,
    )
)
