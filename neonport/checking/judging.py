"""Whether a result is right: a quick look at two of them, and the published bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.bounds import Bounded, after_store
from neonport.checking.tolerances import EPS, STORE, finfo
from neonport.dtypes import cast, is_float
from neonport.ops.op import OPS
from neonport.optree.node import OpTreeNode

Array = npt.NDArray[Any]
QUICK = 4.0  # units in the last place by which two results may differ without a closer look


@dataclass(frozen=True)
class Verdict:
    """How wrong a result is.

    Attributes:
        wrong: number of elements beyond their bound.
        worst: place of the element furthest beyond it.
        got, want: that element as it is and as it should be.
        units: its error, in units of the bound.
    """

    wrong: int
    worst: tuple[int, ...]
    got: Any
    want: Any
    units: float


def alike(got: Array, other: Array, value: Any) -> bool:
    """Whether two backends agree so well that no bound needs to be worked out.

    Args:
        got, other: the results.
        value: the right-hand side of the statement.
    """
    if got.tobytes() == other.tobytes():
        return True
    if not is_float(got.dtype):
        return False
    ulps = OPS[value.op].accuracy.ulps if isinstance(value, OpTreeNode) else 0.0
    eps = float(finfo(got.dtype).eps)
    with np.errstate(all="ignore"):
        b = other.astype(np.float64)
        return _near(got, b, min(ulps, QUICK) * eps * np.abs(b))


def alike_product(got: Array, other: Array, value: OpTreeNode, magnitudes: Array) -> bool:
    """Whether two results of a product are as close as its published bound asks.

    Args:
        got, other: the results.
        value: the product, of tensors.
        magnitudes: what is added up in it, without signs.
    """
    op = OPS[value.op]
    assert op.terms is not None
    count = op.terms([a.sig.shape for a in value.args], value.params)
    units = (op.accuracy.ulps + count**0.5) * EPS[np.dtype(value.dtype)]
    stored = STORE.get(got.dtype, (0.0, 0.0)) if got.dtype != value.dtype else (0.0, 0.0)
    with np.errstate(all="ignore"):
        b = other.astype(np.float64)
        allowed = units * magnitudes.astype(np.float64) + stored[0] * np.abs(b) + stored[1]
        return _near(got, b, np.where(np.isfinite(allowed), allowed, 0.0))


def _near(got: Array, b: Array, allowed: Array) -> bool:
    a = got.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return bool(np.all(same | (np.abs(a - b) <= allowed)))


class Definition:
    """What a target should hold, and how far off it may be.

    Args:
        target: of the statement.
        value: its right-hand side.
        contents: id of each tensor -> what it holds.
        draws: see `Bounded`.
    """

    def __init__(self, target: Any, value: Any, contents: dict[int, Array], draws: Any) -> None:
        self._of = target, value, contents, draws
        self._variants: list[tuple[Array, Array]] = []

    def _variant(self, flush: bool) -> tuple[Array, Array]:
        """Values and errors, in the shape of the target."""
        target, value, contents, draws = self._of
        bounded = Bounded(contents, target.shape, draws, flush)
        want, compute = bounded.run(value)
        if not hasattr(value, "sig"):
            compute = want.dtype  # a number is rounded when it is stored
        allowed = after_store(want, bounded.error(value), compute, target.dtype)
        if not is_float(target.dtype):
            want = cast(want, target.dtype).astype(np.longdouble)
        return np.broadcast_to(want, target.shape), np.broadcast_to(allowed, target.shape)

    def judge(self, got: Array) -> Verdict | None:
        """None if a result is right."""
        excess = None
        for flush in (False, True):  # subnormal operands may count as zero
            if len(self._variants) <= flush:
                self._variants.append(self._variant(flush))
            found = _excess(got, *self._variants[flush])
            excess = found if excess is None else np.minimum(excess, found)
            if not np.any(excess > 1):
                return None
        assert excess is not None
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), excess.shape))
        return Verdict(
            int(np.sum(excess > 1)), at, got[at], self._variants[0][0][at], float(excess[at])
        )


def _excess(got: Array, want: Array, allowed: Array) -> Array:
    """Distance from what is wanted, in units of what is allowed; infinite where nothing is."""
    with np.errstate(all="ignore"):
        wide = got.astype(np.promote_types(want.dtype, np.float64))
        same = (wide == want) | (np.isnan(wide) & np.isnan(want)) | np.isinf(allowed)
        if is_float(got.dtype):  # infinite where it is too large to be stored
            limit = float(finfo(got.dtype).max)
            beyond = np.abs(want) + allowed >= limit
            same |= beyond & np.isinf(wide) & (np.signbit(wide) == np.signbit(want))
        units = np.abs(wide - want) / allowed
        return np.where(same, 0.0, np.where(np.isnan(units), np.inf, units)).astype(np.float64)
