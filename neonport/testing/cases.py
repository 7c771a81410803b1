"""Building blocks of the conformance suite: cases, statements, and the comparison."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.dtypes import FLOAT_NAMES, is_float
from neonport.testing.inputs import current_seed
from neonport.testing.layouts import Target
from neonport.testing.reference import Interpreter
from neonport.testing.tolerances import EPS, Allowance, finfo, stored

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
FLOATS = FLOAT_NAMES
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Outcome(NamedTuple):
    """Result of a case.

    Attributes:
        max_error: largest error relative to what the bound refers to; None if nothing was compared.
        bound: the largest that is allowed.
        message: what is wrong; empty if nothing is.
        unit: the last place of a right result, relative to 1; 0 where errors are not measured so.
    """

    max_error: float | None = 0.0
    bound: float = 0.0
    message: str = ""
    unit: float = 0.0


@dataclass(frozen=True)
class Case:
    """One thing that a backend must do right.

    Attributes:
        op: op of the op table, or the room of the contract that is tested.
        id: what is special about this case.
        run: does it on a backend.
        needs: what the device must declare: dtypes that it stores, `neonport.testing.abilities`.
        statement: makes the assignment that is tested, where it is one.
    """

    op: str
    id: str
    run: Callable[[Backend], Outcome]
    needs: frozenset[str] = frozenset()
    statement: Callable[[Backend], Statement] | None = None


class Want(NamedTuple):
    """The right result.

    Attributes:
        values: in a wide dtype.
        allowed: how far off each element may be.
        others: results that are as good, element by element.
        unit: the last place of a right result, relative to 1; 0 where errors are not measured so.
    """

    values: Array
    allowed: Allowance
    others: tuple[Array, ...] = ()
    unit: float = 0.0


class Statement(NamedTuple):
    """An assignment with its right result."""

    target: Target
    tree: Any
    want: Want


def exactly(values: Any) -> Want:
    """Want these values, bit by bit (0.0 and -0.0 are the same, nan is nan)."""
    array = np.asarray(values)
    return Want(array, Allowance(np.zeros(array.shape), 0.0))


def defined(tree: Any, values: dict[int, Array], target: Target) -> Want:
    """The result by the definition of the op at the root of `tree`.

    Args:
        tree: an op on tensors and numbers.
        values: id of each tensor -> its contents.
        target: where the result goes.
    """
    shape, dtype = target.tensor.shape, target.tensor.dtype
    plain = Interpreter(values, shape)
    values_wanted, compute = plain.run(tree)
    allowed = plain.allowed[id(tree)]
    flushed = Interpreter(values, shape, flush=True).run(tree)[0]
    final = stored(allowed, values_wanted, compute, dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values_wanted = np.clip(np.rint(values_wanted), info.min, info.max)
    return Want(
        np.broadcast_to(values_wanted, shape),
        Allowance(np.broadcast_to(final.absolute, shape), final.bound),
        (np.broadcast_to(flushed, shape),),
        last_place(compute, dtype),
    )


def last_place(compute: np.dtype, stored_as: np.dtype) -> float:
    """A unit in the last place of what is computed in one dtype and stored in another."""
    return max(EPS.get(compute, 0.0), float(finfo(stored_as).eps) if is_float(stored_as) else 0.0)


def compare(got: Array, want: Want) -> Outcome:
    """Whether an array is right."""
    values = np.asarray(want.values)
    if got.shape != values.shape:
        return Outcome(None, 0.0, f"shape {got.shape} instead of {values.shape}")
    if got.size == 0:
        return Outcome()
    if not is_float(got.dtype):
        right = got == values
        return Outcome(0.0 if right.all() else np.inf, 0.0, _message(got, values, right))
    error, right = _judge(got, values, want.allowed)
    for other in want.others:
        _, as_good = _judge(got, other, want.allowed)
        error = np.where(as_good & ~right, 0.0, error)
        right |= as_good
    message = _message(got, values, right)
    return Outcome(float(np.max(error)), want.allowed.bound, message, want.unit)


def _judge(got: Array, values: Array, allowed: Allowance) -> tuple[Array, Array]:
    """(relative error, whether it is right), element by element."""
    limit = float(finfo(got.dtype).max)
    with np.errstate(all="ignore"):
        wide = np.promote_types(values.dtype, np.float64)
        # infinite where it is too large to be stored
        same = (got == values.astype(got.dtype)) | (np.isnan(got) & np.isnan(values))
        overflow = np.abs(values) + allowed.absolute >= limit
        overflow &= np.isinf(got) & (np.signbit(got) == np.signbit(values))
        distance = np.abs(got.astype(wide) - values.astype(wide))
        right = same | overflow | (distance <= allowed.absolute)
        # as a fraction of what is allowed, so that absolute terms count too
        unit = allowed.absolute / allowed.bound if allowed.bound else np.abs(values)
        error = np.where(distance == 0, 0.0, distance / unit)
        settled = overflow | (same & ~np.isfinite(error))
        return np.where(settled | (same & (allowed.bound == 0)), 0.0, error), right


def _message(got: Array, values: Array, right: Array) -> str:
    if right.all():
        return ""
    wrong = np.argwhere(~right)
    at = tuple(int(i) for i in wrong[0])
    return (
        f"{len(wrong)} of {got.size} elements of a {got.dtype} result are wrong, first at {at}: "
        f"{got[at]!r} instead of {values[at]!r}"
    )


def judge(statement: Statement) -> Outcome:
    """Compare the target of a statement that has run, and look around it."""
    outcome = compare(statement.target.tensor.get(), statement.want)
    if not outcome.message and statement.target.spoiled():
        return outcome._replace(message="memory outside of the target was written")
    return outcome


class Batch:
    """Cases that run as one `assign_many`: one kernel where the backend fuses.

    Args:
        names: (op, id) of each case.
        build: makes the statements on a backend, in the order of `names`.
        needs: dtypes that the backend must be able to store.
    """

    def __init__(
        self,
        names: Sequence[tuple[str, str]],
        build: Callable[[Backend], list[Statement]],
        needs: Sequence[str] = (),
    ) -> None:
        self.names = names
        self.build = build
        self.needs = frozenset(needs)
        self._last: tuple[weakref.ref[Backend], int, list[Outcome]] | None = None

    def cases(self) -> Iterator[Case]:
        """The cases."""
        for i, (op, label) in enumerate(self.names):
            run, statement = partial(self._outcome, i), partial(self._statement, i)
            yield Case(op, label, run, self.needs, statement)

    def _statement(self, index: int, be: Backend) -> Statement:
        return self.build(be)[index]

    def _outcome(self, index: int, be: Backend) -> Outcome:
        seed = current_seed()
        if self._last is None or self._last[0]() is not be or self._last[1] != seed:
            self._last = weakref.ref(be), seed, self._run(be)
        outcome = self._last[2][index]
        if index == len(self.names) - 1:
            self._last = None
        return outcome

    def _run(self, be: Backend) -> list[Outcome]:
        statements = self.build(be)
        try:
            be.assign_many([(s.target.tensor, s.tree) for s in statements])
        except Exception:
            return [self._alone(be, s) for s in statements]
        return [judge(s) for s in statements]

    @staticmethod
    def _alone(be: Backend, statement: Statement) -> Outcome:
        try:
            be.assign_many([(statement.target.tensor, statement.tree)])
        except Exception as error:
            return Outcome(None, 0.0, f"raised {type(error).__name__}: {error}")
        return judge(statement)
