"""Assignment: the whole right-hand side is read before the first store, whatever shares memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import BFLOAT16
from neonport.testing.cases import Case, Outcome, Want, compare, exactly
from neonport.testing.tolerances import Allowance

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]

# what a backend does to a square tensor, and what NumPy's copy of it becomes
Action = Callable[["Backend", "Tensor"], Any]
Meaning = Callable[[Array], Any]


def _put(key: Any, make: Callable[[Backend, Tensor], Any]) -> Action:
    def act(be: Backend, t: Tensor) -> None:
        t[key] = make(be, t)

    return act


def _set(key: Any, make: Callable[[Array], Any]) -> Meaning:
    def act(a: Array) -> None:
        a[key] = np.array(make(a.copy()))

    return act


def _pairs(make: Callable[[Backend, Tensor], list[tuple[Any, Any]]]) -> Action:
    def act(be: Backend, t: Tensor) -> None:
        be.assign_many(make(be, t))

    return act


def _all(make: Callable[[Array], list[tuple[Any, Any]]]) -> Meaning:
    def act(a: Array) -> None:
        before = a.copy()
        for key, value in make(before):
            a[key] = value

    return act


every = slice(None)
last = slice(None, None, -1)
N = 6
ORDER = [3, 0, 5, 1, 4, 2]

EXACT: dict[str, tuple[Action, Meaning]] = {
    "in place": (_put(every, lambda be, t: t * 2 + 1), _set(every, lambda a: a * 2 + 1)),
    "itself": (_put(every, lambda be, t: t), _set(every, lambda a: a)),
    "augmented": (_put(every, lambda be, t: t[:] + t), _set(every, lambda a: a + a)),
    "rows forward": (
        _put(slice(1, None), lambda be, t: t[:-1]),
        _set(slice(1, None), lambda a: a[:-1]),
    ),
    "rows back": (_put(slice(0, -1), lambda be, t: t[1:]), _set(slice(0, -1), lambda a: a[1:])),
    "columns forward": (
        _put((every, slice(1, None)), lambda be, t: t[:, :-1] + 1),
        _set((every, slice(1, None)), lambda a: a[:, :-1] + 1),
    ),
    "columns back": (
        _put((every, slice(0, -2)), lambda be, t: t[:, 2:] * -1),
        _set((every, slice(0, -2)), lambda a: a[:, 2:] * -1),
    ),
    "diagonal step": (
        _put((slice(1, None), slice(1, None)), lambda be, t: t[:-1, :-1] + t[1:, 1:]),
        _set((slice(1, None), slice(1, None)), lambda a: a[:-1, :-1] + a[1:, 1:]),
    ),
    "own transpose": (_put(every, lambda be, t: t.T), _set(every, lambda a: a.T)),
    "own transpose in a tree": (
        _put(every, lambda be, t: t.T - t * 2),
        _set(every, lambda a: a.T - a * 2),
    ),
    "transpose node": (
        _put(every, lambda be, t: be.transpose(t + 1)),
        _set(every, lambda a: a.T + 1),
    ),
    "backwards": (_put(every, lambda be, t: t[::-1]), _set(every, lambda a: a[::-1])),
    "backwards in a tree": (
        _put(every, lambda be, t: t[::-1, ::-1] + t),
        _set(every, lambda a: a[::-1, ::-1] + a),
    ),
    "minus column sums": (
        _put(every, lambda be, t: t - be.sum(t, axis=0)),
        _set(every, lambda a: a - a.sum(0, keepdims=True)),
    ),
    "minus row maximum": (
        _put(every, lambda be, t: t - be.max(t, axis=1)),
        _set(every, lambda a: a - a.max(1, keepdims=True)),
    ),
    "own total": (
        _put(every, lambda be, t: be.sum(t) - t),
        _set(every, lambda a: a.sum() - a),
    ),
    "one row from all": (
        _put(2, lambda be, t: be.sum(t, axis=0)),
        _set(2, lambda a: a.sum(0)),
    ),
    "one column from all": (
        _put((every, 3), lambda be, t: be.max(t, axis=1) + t[:, 3]),
        _set((every, 3), lambda a: a.max(1) + a[:, 3]),
    ),
    "all from one row": (_put(every, lambda be, t: t[2] * 2), _set(every, lambda a: a[2:3] * 2)),
    "all from one element": (
        _put(every, lambda be, t: t[2, 3] + 1),
        _set(every, lambda a: np.full(a.shape, a[2, 3] + 1)),
    ),
    "product with itself": (
        _put(every, lambda be, t: be.dot(t, t)),
        _set(every, lambda a: a @ a),
    ),
    "product with its transpose": (
        _put(every, lambda be, t: be.dot(t, t.T) - t),
        _set(every, lambda a: a @ a.T - a),
    ),
    "own rows in another order": (
        _put(every, lambda be, t: t[ORDER]),
        _set(every, lambda a: a[ORDER]),
    ),
    "own columns in another order": (
        _put(every, lambda be, t: t[:, ORDER] * 2),
        _set(every, lambda a: a[:, ORDER] * 2),
    ),
    "scatter of own rows": (
        _put([1, 4, 0], lambda be, t: t[[4, 0, 1]] + 1),
        _set([1, 4, 0], lambda a: a[[4, 0, 1]] + 1),
    ),
    "scatter where an index occurs twice": (
        _put((every, [2, 2, 5]), lambda be, t: t[:, :3]),
        _set((every, [2, 5]), lambda a: a[:, 1:3]),
    ),
    "argmax of itself": (
        _put((every, 0), lambda be, t: be.argmax(t, axis=1)),
        _set((every, 0), lambda a: a.argmax(1)),
    ),
    "comparison with itself": (
        _put(every, lambda be, t: be.not_equal(t, t.T)),
        _set(every, lambda a: a != a.T),
    ),
    "swap of halves": (
        _pairs(lambda be, t: [(t[:3], t[3:]), (t[3:], t[:3])]),
        _all(lambda a: [(slice(0, 3), a[3:]), (slice(3, 6), a[:3])]),
    ),
    "swap of halves by trees": (
        _pairs(lambda be, t: [(t[:3], t[3:] * 1), (t[3:], t[:3] * 1)]),
        _all(lambda a: [(slice(0, 3), a[3:]), (slice(3, 6), a[:3])]),
    ),
    "swap by transposes": (
        _pairs(lambda be, t: [(t[:3], be.transpose(t[:, 3:])), (t[3:], be.transpose(t[:, :3]))]),
        _all(lambda a: [(slice(0, 3), a[:, 3:].T), (slice(3, 6), a[:, :3].T)]),
    ),
    "rotation of three": (
        _pairs(lambda be, t: [(t[0:2], t[2:4]), (t[2:4], t[4:6] + 1), (t[4:6], t[0:2])]),
        _all(lambda a: [(slice(0, 2), a[2:4]), (slice(2, 4), a[4:6] + 1), (slice(4, 6), a[0:2])]),
    ),
    "sums and parts of one another": (
        _pairs(
            lambda be, t: [
                (t[0], be.sum(t, axis=0)),
                (t[1:3], t[2:4] + be.max(t, axis=0)),
                (t[3:, :2], be.transpose(t[:2, 3:])),
            ]
        ),
        _all(
            lambda a: [
                (slice(0, 1), a.sum(0, keepdims=True)),
                (slice(1, 3), a[2:4] + a.max(0)),
                ((slice(3, 6), slice(0, 2)), a[:2, 3:].T),
            ]
        ),
    ),
    "row by broadcasting": (
        _put(slice(2, 5), lambda be, t: t[0]),
        _set(slice(2, 5), lambda a: a[0:1]),
    ),
    "array": (
        _put(every, lambda be, t: np.arange(36.0)),
        _set(every, lambda a: np.arange(36.0).reshape(6, 6)),
    ),
    "array into a strided view": (
        _put((slice(None, None, 2), slice(1, None, 2)), lambda be, t: np.ones((3, 3))),
        _set((slice(None, None, 2), slice(1, None, 2)), lambda a: np.ones((3, 3))),
    ),
    "list into a row": (
        _put(1, lambda be, t: [1, 2, 3, 4, 5, 6]),
        _set(1, lambda a: [1, 2, 3, 4, 5, 6]),
    ),
    "number": (_put((every, 2), lambda be, t: -7), _set((every, 2), lambda a: -7)),
    "same buffer, other shape": (
        _put(slice(0, 2), lambda be, t: t.reshape(9, 4)[2:5].reshape(2, 6) * 2),
        _set(slice(0, 2), lambda a: a.reshape(9, 4)[2:5].reshape(2, 6) * 2),
    ),
}

# the numbers in these are whole and small, so that bfloat16 holds them
BFLOAT16_TOO = (
    "in place",
    "rows forward",
    "columns back",
    "own transpose in a tree",
    "backwards in a tree",
    "minus column sums",
    "product with its transpose",
    "own columns in another order",
    "scatter of own rows",
    "swap of halves by trees",
    "sums and parts of one another",
)


def _exact(dtype: str, transposed: bool, action: Action, meaning: Meaning, be: Backend) -> Outcome:
    host = (
        np.random.RandomState(5)
        .randint(-3, 4, (N, N))
        .astype(np.float32 if dtype == BFLOAT16 else dtype)
    )
    tensor = be.array(host.T if transposed else host, dtype=dtype)
    view = tensor.T if transposed else tensor
    for _ in range(2):  # the second time the statement may be remembered
        action(be, view)
        with np.errstate(all="ignore"):
            meaning(host)
        outcome = compare(view.get(), exactly(host))
        if outcome.message:
            return outcome
        view[:] = host = np.clip(host, -3, 3)
    return Outcome()


def _current_values(be: Backend) -> Outcome:
    """A tree reads what its tensors hold when it is assigned, not when it was built."""
    x, y = be.array([[1.0, 2.0]]), be.empty((1, 2))
    tree = x * 3
    for value in (1.0, 5.0, -2.0):
        x[:] = value
        y[:] = tree
        if y.get().tolist() != [[3 * value] * 2]:
            return Outcome(message=f"x = {value}: 3 * x gave {y.get()}")
    return Outcome()


def _other_numbers(be: Backend) -> Outcome:
    """A statement that differs only in its numbers is another statement."""
    x, y = be.array([[1.0, 2.0]]), be.empty((1, 2))
    for a, b in ((2, 3), (4, 4), (4, 5), (0.0, -0.0), (float("nan"), 1), (1, float("inf")), (2, 3)):
        y[:] = x * a + b
        outcome = compare(y.get(), exactly(np.array([[1.0, 2.0]], np.float32) * a + b))
        if outcome.message:
            return outcome._replace(message=f"x * {a} + {b}: {outcome.message}")
    return Outcome()


def _softmax(be: Backend) -> Outcome:
    host = np.random.RandomState(3).randn(5, 9)
    x = be.array(host)
    x[:] = be.fprop_softmax(x, axis=0)
    e = np.exp(host.astype(np.float32).astype(np.float64))
    wanted = e / e.sum(0)
    return compare(x.get(), Want(wanted, Allowance(np.full(host.shape, 1e-6), 1e-6)))


def cases() -> Iterator[Case]:
    """All assignment cases."""
    for number, (label, (action, meaning)) in enumerate(EXACT.items()):
        # each in a second form too: a transposed target, or one of integers
        transposed = number % 2 == 0 and label != "same buffer, other shape"
        for dtype, swapped in (
            ("float32", False),
            ("float32" if transposed else "int32", transposed),
        ):
            form = f"{dtype}{' transposed' if swapped else ''}"
            run = partial(_exact, dtype, swapped, action, meaning)
            yield Case("assign", f"{label}, {form}", run)
    for label in BFLOAT16_TOO:
        run = partial(_exact, BFLOAT16, False, *EXACT[label])
        yield Case("assign", f"{label}, {BFLOAT16}", run, frozenset([BFLOAT16]))
    yield Case("assign", "current values", _current_values)
    yield Case("assign", "other numbers", _other_numbers)
    yield Case("assign", "softmax in place", _softmax)
