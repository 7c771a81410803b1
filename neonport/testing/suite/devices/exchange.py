"""DLPack: values go to the host and come back, and what cannot be shared is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from neonport.dtypes import BFLOAT16, bfloat16
from neonport.errors import DLPackError
from neonport.tensor.dlpack import host_array
from neonport.testing.cases import FLOATS, INTEGERS, Case, Outcome, compare, exactly

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


def _round_trip(dtype: str, be: Backend) -> Outcome:
    host = np.arange(12).reshape(3, 4).astype(dtype)
    for view in (np.s_[:], np.s_[1:, ::2]):
        t = be.array(host, dtype=dtype)[view]
        out = host_array(t)
        if out.dtype != host.dtype:
            return Outcome(message=f"exported as {out.dtype}")
        outcome = compare(out, exactly(host[view]))
        if outcome.message:
            return outcome._replace(message=f"out: {outcome.message}")
    back = be.from_dlpack(host, copy=True)
    if back.dtype != host.dtype:
        return Outcome(message=f"imported as {back.dtype}")
    before = host.copy()
    host[0, 0] = 9
    return compare(back.get(), exactly(before))


def _negative_strides(be: Backend) -> Outcome:
    t = be.zeros((3, 4))[::-1]
    try:
        t.__dlpack__()
    except DLPackError:
        return Outcome()
    return Outcome(message="a view with negative strides was exported; consumers abort on it")


def _itself(be: Backend) -> Outcome:
    t = be.array([[1.0, 2.0]])
    if not be.dlpack_shares(t.__dlpack_device__()):
        return Outcome(message="the backend cannot share its own memory")
    twin = be.from_dlpack(t)
    twin[:] = twin * 3
    return Outcome(message="" if t.get().tolist() == [[3, 6]] else f"not shared: {t.get()}")


def _bfloat16(be: Backend) -> Outcome:
    """NumPy makes no such capsule; other libraries exchange the bits."""
    host = np.arange(6).reshape(2, 3).astype(bfloat16())
    t = be.array(host, dtype=host.dtype)
    bits = host_array(t.share(t.shape, np.uint16))
    back = be.from_dlpack(bits, copy=True).share(t.shape, BFLOAT16)
    outcome = compare(bits.view(host.dtype), exactly(host))
    return outcome if outcome.message else compare(back.get(), exactly(host))


SINGLE: dict[str, Callable[[Backend], Outcome]] = {
    "negative strides": _negative_strides,
    "its own memory": _itself,
}


def cases() -> Iterator[Case]:
    """All DLPack cases."""
    for dtype in (*FLOATS, *INTEGERS):
        needs = frozenset(["DLPack", *([dtype] if dtype in FLOATS else [])])
        yield Case("dlpack", f"{dtype} to the host and back", partial(_round_trip, dtype), needs)
    yield Case("dlpack", f"{BFLOAT16} as its bits", _bfloat16, frozenset(["DLPack", BFLOAT16]))
    for label, run in SINGLE.items():
        yield Case("dlpack", label, run, frozenset(["DLPack"]))
