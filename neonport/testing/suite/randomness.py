"""Random numbers: the bits of the generator, its state, masks and Gaussian fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.autodiff.autodiff import Autodiff
from neonport.dtypes import BELOW_ONE
from neonport.ops.philox import normal, uniform
from neonport.testing.cases import FLOATS, Case, Outcome, Want, compare, exactly
from neonport.testing.tolerances import Allowance, finfo

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
SHAPES = ((1, 1), (7, 13), (1, 1000), (3, 5, 7), (257, 129))


class Stream:
    """The numbers that a backend's generator will draw next, computed from its state."""

    def __init__(self, be: Backend) -> None:
        _, (self.algorithm, self.key, self.offset) = be.rng_get_state()

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """The next draw; each one starts at a whole block of four numbers."""
        n = int(np.prod(shape))
        drawn = uniform(self.key, self.offset, n)
        self.offset += -(-n // 4)
        return drawn.reshape(shape)


def _bits(dtype: str, shape: tuple[int, ...], be: Backend) -> Outcome:
    stream = Stream(be)
    for _ in range(3):  # a remembered statement must move on
        out = be.empty(shape, dtype=dtype)
        out[:] = be.rand()
        # [0, 1) in the stored type, too
        drawn = np.minimum(stream.uniform(shape), np.float32(BELOW_ONE.get(dtype, 1.0)))
        outcome = compare(out.get(), exactly(drawn.astype(dtype)))
        if outcome.message:
            return outcome
    return Outcome()


def _in_trees(be: Backend) -> Outcome:
    stream, x = Stream(be), be.array(np.ones((7, 13)))
    out, column = be.empty((7, 13)), be.empty((7, 1))
    out[:] = 2 * be.rand() - x
    wanted = 2 * stream.uniform((7, 13)) - 1
    if (out.get() != wanted).any():
        return Outcome(message="2 * rand - 1")
    out[:] = be.rand() - be.rand() * 0.5
    first, second = stream.uniform((7, 13)), stream.uniform((7, 13))
    if (out.get() != first - second * np.float32(0.5)).any():
        return Outcome(message="two sources: the first in the tree draws first")
    once = be.rand()
    out[:] = once - once
    stream.uniform((7, 13))
    if out.get().any():
        return Outcome(message="one source used twice")
    column[:] = be.max(be.rand(shape=(7, 13)), axis=1)
    outcome = compare(column.get(), exactly(stream.uniform((7, 13)).max(1, keepdims=True)))
    if outcome.message:
        return outcome._replace(message=f"of a given shape: {outcome.message}")
    out[1:4, ::2] = be.rand()
    return compare(out[1:4, ::2].get(), exactly(stream.uniform((3, 7))))


def _derivatives(be: Backend) -> Outcome:
    x, y, dx = be.array(np.full((7, 13), 3.0)), be.empty((7, 13)), be.empty((7, 13))
    tree = x * (be.rand() < 0.5)
    for _ in range(2):  # a remembered statement must follow
        y[:] = tree
        Autodiff(tree, be, next_error=x).back_prop_grad([x], [dx])
        if (dx.get() != y.get()).any():
            return Outcome(message="the gradient has other numbers than the value")
    return Outcome()


def _mask(dtype: str, keep: float, be: Backend) -> Outcome:
    stream, out = Stream(be), be.empty((33, 17), dtype=dtype)
    if be.make_binary_mask(out, keepthresh=keep) is not out:
        return Outcome(message="make_binary_mask does not return its output")
    wanted = (stream.uniform((33, 17)) < np.float32(keep)).astype(dtype)
    outcome = compare(out.get(), exactly(wanted))
    out[:] = be.dropout(keep)
    wanted = (stream.uniform((33, 17)) < np.float32(keep)).astype(dtype)
    return outcome if outcome.message else compare(out.get(), exactly(wanted))


def _normal(dtype: str, be: Backend) -> Outcome:
    _, (_, key, offset) = be.rng_get_state()
    out = be.empty((41, 7), dtype=dtype)
    be.fill_normal(out, mean=1.5, stdv=0.5)
    wanted = normal(key, offset, 41 * 7, dtype, 1.5, 0.5).reshape(41, 7).astype(np.float64)
    eps = float(finfo(dtype).eps)
    allowed = Allowance(np.full(wanted.shape, 16 * eps), 16 * eps)
    return compare(out.get(), Want(wanted, allowed))


def _drawn(be: Backend) -> Array:
    out = be.empty((5, 5))
    out[:] = be.rand()
    return np.append(out.get(), be.rng.uniform(size=3))


def _reset(be: Backend) -> Outcome:
    be.rng_reset()
    first = _drawn(be)
    second = _drawn(be)
    be.rng_reset()
    right = (first == _drawn(be)).all() and (first != second).any()
    return Outcome(message="" if right else "rng_reset does not start the sequence again")


def _state(be: Backend) -> Outcome:
    _drawn(be)
    state = be.rng_get_state()
    wanted = _drawn(be)
    be.rng_set_state(state)
    return Outcome(message="" if (wanted == _drawn(be)).all() else "the state does not come back")


def _host_state(be: Backend) -> Outcome:
    other = np.random.RandomState(11)
    be.rng_set_state(other.get_state())
    right = (be.rng.uniform(size=5) == other.uniform(size=5)).all()
    be.rng_reset()
    return Outcome(message="" if right else "a plain NumPy state is not taken")


def _binarize(be: Backend) -> Outcome:
    x, out = be.array([[-0.1, 0.0, 2.0, -5.0]]), be.empty((1, 4))
    be.binarize(x, out, stochastic=False)
    if out.get().tolist() != [[-1, 1, 1, -1]]:
        return Outcome(message=f"deterministic: {out.get()}")
    stream = Stream(be)
    wide = np.linspace(-1.5, 1.5, 60).reshape(4, 15).astype(np.float32)
    t = be.array(wide)
    be.binarize(t, t)
    share = np.clip((wide + 1) * np.float32(0.5), 0, 1)
    return compare(t.get(), exactly(np.where(stream.uniform((4, 15)) <= share, 1.0, -1.0)))


SINGLE: dict[str, Callable[[Backend], Outcome]] = {
    "in trees": _in_trees,
    "in derivatives": _derivatives,
    "reset": _reset,
    "state": _state,
    "host state": _host_state,
    "binarize": _binarize,
}


def cases() -> Iterator[Case]:
    """All cases of random numbers."""
    for dtype in FLOATS:
        needs = frozenset([dtype])
        for shape in SHAPES:
            yield Case("rand", f"{dtype} {shape}", partial(_bits, dtype, shape), needs)
        for keep in (0.0, 0.3, 1.0):
            yield Case("rand", f"{dtype} mask {keep}", partial(_mask, dtype, keep), needs)
        yield Case("rand", f"{dtype} normal", partial(_normal, dtype), needs)
    for label, run in SINGLE.items():
        yield Case("rand", label, run)
