"""The op table: `Op` is a row, `OPS` all rows by name, `register` adds one.

The NumPy definition of a row says what the op computes on every backend. It receives arrays of the
compute dtype with at least two axes (a number is (1, 1); index operands keep their integer dtype)
and the op's parameters as keywords, and returns an array of the shape that its shape rule gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.errors import ConfigurationError, ShapeError
from neonport.shape import Shape

Array = npt.NDArray[Any]
Ints = tuple[int, ...]
ShapeRule = Callable[..., Shape]


class Kind(Enum):
    """How an op relates the indices of its result to those of its operands."""

    ELEMENTWISE = "elementwise"  # result[i] depends on operands[i] (broadcast)
    REDUCTION = "reduction"  # axes are folded, kept at length 1
    MOVEMENT = "movement"  # elements change place, not value
    INDEXING = "indexing"  # an integer operand (the last one) says which elements
    CONTRACTION = "contraction"  # a product summed over an axis
    AXIS = "axis"  # each line along an axis is worked out as a whole
    WINDOW = "window"  # result cells are made from windows of cells
    SEQUENCE = "sequence"  # columns are made step by step, each step from the one before
    SOURCE = "source"  # no tensor operand


class Cost(Enum):
    """What one element costs, beside a write to the nearest cache and the read back."""

    CHEAP = "cheap"  # computed again where it is needed again
    COSTLY = "costly"  # kept for the next loop over the row


class Accuracy(NamedTuple):
    """Error bound of an op, in units of eps of the compute dtype (`checking/tolerances.py`).

    Attributes:
        ulps: relative to the result, or for sums to the magnitudes that were added up.
        absolute: a term that does not shrink with the result.
    """

    ulps: float
    absolute: float = 0.0


EXACT = Accuracy(0)  # nothing is rounded
ROUNDED = Accuracy(1)  # IEEE 754 asks for half a unit
QUOTIENT = Accuracy(3)  # what OpenCL allows for division and square root
LIBM = Accuracy(4)  # room for a vectorised library
LOGARITHM = Accuracy(4, 1)  # near 1 the result is small, its error need not be
SUMS = Accuracy(4)  # and sqrt(n) of the sum of magnitudes

ANYWHERE = (-inf, inf)
POSITIVE = (0.0, inf)


def count_result(shapes: Sequence[Shape], params: dict[str, Any]) -> int:
    """Operations of a call that makes as many as its first operand has elements."""
    return int(np.prod(shapes[0], dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Op:
    """A row of the table.

    Attributes:
        name: the key, neon's name where neon has the op.
        arity: number of operands.
        kind: how indices relate.
        numpy: NumPy definition.
        text: format of the printed formula, `{0}`, `{1}` being the operands.
        summary: one line of documentation.
        params: names of the parameters, in the order in which they are given.
        reads: a letter for each operand, further ones do not count: "v" a value, read in the
            compute dtype; "c" a condition, read in its own; "i" integers, read as they are stored;
            "f" coordinates, as float32.
        public: names of the backend's methods that build the op.
        cost: of one element.
        domain: open interval of first operands for which the result is a number.
        accuracy: error bound.
        infer: shape rule `infer(op, shapes, **params)`; None for that of the kind.
        terms: how many numbers are added up for one element, of the operands' shapes and the
            parameters; None where nothing is.
        work: floating-point operations, of the shapes of operands and result and the parameters;
            of a reduction, for each element.
        result: dtype of the result where it is not the compute dtype.
        integers: whether values that are all integers (bools too, uint64 not) are computed in
            int64, exactly, and wrap as NumPy's do; else integers count as float32.

    Example:
        >>> Op("cube", 1, Kind.ELEMENTWISE, lambda x: x * x * x, "cube({0})", "a * a * a")
        <op cube>
    """

    name: str
    arity: int
    kind: Kind
    numpy: Callable[..., Array]
    text: str
    summary: str
    params: tuple[str, ...] = ()
    reads: str = "vvv"
    public: tuple[str, ...] = ()
    cost: Cost = Cost.CHEAP
    domain: tuple[float, float] = ANYWHERE
    accuracy: Accuracy = EXACT
    infer: ShapeRule | None = None
    terms: Callable[[Sequence[Shape], dict[str, Any]], int] | None = None
    work: Callable[[Sequence[Shape], dict[str, Any]], int] = count_result
    result: np.dtype | None = None
    integers: bool = False

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}
"""All rows, by name."""


def register(op: Op) -> Op:
    """Add a row to the table.

    Args:
        op: the row. An element-wise op also needs an expression for kernels
            (`neonport.compiler.codegen.dialect.register`) and, to be differentiated, a derivative
            (`neonport.autodiff.vjps.register`).

    Returns:
        The row.

    Raises:
        ConfigurationError: the table has an op of that name.
    """
    if op.name in OPS:
        raise ConfigurationError(f"register: the op {op.name!r} is already in the table")
    OPS[op.name] = op
    return op


def of_kind(*kinds: Kind) -> frozenset[str]:
    """Names of all ops of the given kinds."""
    return frozenset(name for name, op in OPS.items() if op.kind in kinds)


def wide(x: Array) -> np.dtype:
    """The dtype in which sums and products of `x` are made; integers wrap around in their own."""
    return x.dtype if x.dtype.kind in "iu" else np.promote_types(x.dtype, np.float64)


def require_same(op: Op, what: str, left: Any, right: Any) -> None:
    """Raise ShapeError unless two things are equal."""
    if left != right:
        raise ShapeError(f"{op.name}: {what} differ: {left} and {right}")
