"""Views: every kind of key and movement, read and written, against NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.testing.cases import Case, Outcome, compare, exactly

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]
every = slice(None)

# key -> the NumPy key that gives the same elements with the axes that neon keeps
KEYS_2D: dict[str, tuple[Any, Any]] = {
    "t[2]": (2, (slice(2, 3),)),
    "t[-1]": (-1, (slice(5, 6),)),
    "t[np.int64(2)]": (np.int64(2), (slice(2, 3),)),
    "t[:, 3]": ((every, 3), (every, slice(3, 4))),
    "t[2, 3]": ((2, 3), (slice(2, 3), slice(3, 4))),
    "t[1:4]": (slice(1, 4), (slice(1, 4),)),
    "t[::2, 1::3]": ((slice(None, None, 2), slice(1, None, 3)),) * 2,
    "t[::-1]": ((slice(None, None, -1),),) * 2,
    "t[4:1:-2, ::-1]": ((slice(4, 1, -2), slice(None, None, -1)),) * 2,
    "t[..., 0]": ((..., 0), (every, slice(0, 1))),
    "t[0, ...]": ((0, ...), (slice(0, 1), every)),
    "t[3:3]": (slice(3, 3), (slice(3, 3),)),
    "t[-100:100]": ((slice(-100, 100),),) * 2,
    "t[[4, 0, 2]]": ([4, 0, 2], ([4, 0, 2],)),
    "t[:, [1, -1]]": ((every, [1, -1]), (every, [1, -1])),
    "t[1::2, [3, 0]]": ((slice(1, None, 2), [3, 0]), (slice(1, None, 2), [3, 0])),
    "t[array]": (np.array([[5, 1]]), ([5, 1],)),
    "t[2, [3, 0]]": ((2, [3, 0]), (slice(2, 3), [3, 0])),
}
KEYS_3D: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "t[1]": (1, 1, (4, 5)),
    "t[:, 2]": ((every, 2), (every, 2), (3, 5)),
    "t[..., -1]": ((..., -1), (..., -1), (3, 4)),
    "t[1, 2]": ((1, 2), (1, 2), (5, 1)),
    "t[1, 2, 3]": ((1, 2, 3), (1, 2, 3), (1, 1)),
    "t[:, 1:3, ::2]": ((every, slice(1, 3), slice(None, None, 2)),) * 2 + ((3, 2, 3),),
    "t[::-1, ..., 0]": ((slice(None, None, -1), ..., 0),) * 2 + ((3, 4),),
    "t[1:2]": (slice(1, 2), slice(1, 2), (1, 4, 5)),
    "t[:, [3, 0]]": ((every, [3, 0]), (every, [3, 0]), (3, 2, 5)),
}
MOVES: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor], Callable[[Array], Array]]] = {
    "T": ((4, 6), lambda t: t.T, lambda a: a.T),
    "T of 3-D": ((2, 3, 4), lambda t: t.T, lambda a: a.transpose(0, 2, 1)),
    "T of 4-D": ((2, 3, 4, 5), lambda t: t.T, lambda a: a.transpose(0, 3, 2, 1)),
    "reshape": ((4, 6), lambda t: t.reshape(3, 8), lambda a: a.reshape(3, 8)),
    "reshape with -1": ((4, 6), lambda t: t.reshape((-1, 2)), lambda a: a.reshape(-1, 2)),
    "reshape to 1-D": ((4, 6), lambda t: t.reshape(24), lambda a: a.reshape(24, 1)),
    "reshape of a slice": (
        (4, 6),
        lambda t: t[1:3].reshape(3, 4),
        lambda a: a[1:3].reshape(3, 4),
    ),
    "reshape that splits an axis of a view": (
        (4, 6),
        lambda t: t[:, ::-1].reshape(4, 2, 3),
        lambda a: a[:, ::-1].reshape(4, 2, 3),
    ),
    "dimension_reorder": (
        (4, 6),
        lambda t: t.dimension_reorder([1, 0]),
        lambda a: a.reshape(6, 4),
    ),
    "share": ((4, 6), lambda t: t.share((5, 3)), lambda a: a.reshape(-1)[:15].reshape(5, 3)),
    "view of a view": (
        (4, 6),
        lambda t: t[1:, ::2].T[1:],
        lambda a: a[1:, ::2].T[1:],
    ),
}


def _same(got: Array, wanted: Array, what: str) -> str:
    message = compare(got, exactly(wanted)).message
    return f"{what}: {message}" if message else ""


def _key(
    dtype: str, shape: tuple[int, ...], key: Any, numpy_key: Any, view: Any, be: Backend
) -> Outcome:
    host = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    wanted = host[numpy_key].reshape(view) if view else host[numpy_key]
    t = be.array(host, dtype=dtype)
    got = t[key]
    message = _same(got.get().astype(dtype), wanted, "read")
    if not message and got.shape != wanted.shape:
        message = f"shape {got.shape} instead of {wanted.shape}"
    t[key] = be.array(wanted, dtype=dtype) * -1 if dtype != "uint8" else 5
    host[numpy_key] = host[numpy_key] * -1 if dtype != "uint8" else 5
    return Outcome(message=message or _same(t.get(), host, "after a write"))


def _move(
    shape: tuple[int, ...],
    move: Callable[[Tensor], Tensor],
    numpy_move: Callable[[Array], Array],
    be: Backend,
) -> Outcome:
    host = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    t = be.array(host)
    message = _same(move(t).get(), numpy_move(host), "read")
    reading = be.zeros(move(t).shape)
    reading[:] = move(t) + 1
    message = message or _same(reading.get(), numpy_move(host) + 1, "read by a tree")
    view = move(t)
    view[:] = view * 10
    numpy_move(host)[...] = numpy_move(host) * 10
    return Outcome(message=message or _same(t.get(), host, "after a write"))


def _identities(be: Backend) -> Outcome:
    t = be.zeros((3, 4))
    facts = {
        "t[:] is t": t[:] is t,
        "t.reshape(t.shape) is t": t.reshape(t.shape) is t,
        "t[1:].base is t": t[1:].base is t,
        "iteration ends": len(list(t)) == 3,
        "len": len(t) == 3,
        "1-D is a column": be.array([1, 2, 3]).shape == (3, 1),
        "0-D is (1, 1)": be.array(2.0).shape == (1, 1),
        "truth": bool(t) and not be.zeros((0, 3)),
    }
    wrong = [name for name, right in facts.items() if not right]
    return Outcome(message=", ".join(wrong))


def cases() -> Iterator[Case]:
    """All view cases."""
    for dtype in ("float32", "uint8"):
        needs: frozenset[str] = frozenset()
        for label, (key, numpy_key) in KEYS_2D.items():
            run = partial(_key, dtype, (6, 7), key, numpy_key, None)
            yield Case("view", f"{dtype} {label}", run, needs)
        for label, (key, numpy_key, view) in KEYS_3D.items():
            run = partial(_key, dtype, (3, 4, 5), key, numpy_key, view)
            yield Case("view", f"{dtype} 3-D {label}", run, needs)
    for label, (shape, move, numpy_move) in MOVES.items():
        yield Case("view", label, partial(_move, shape, move, numpy_move))
    yield Case("view", "identities", _identities)
