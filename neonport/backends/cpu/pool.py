"""Pooling on the host: NumPy over strided views, once for each cell of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.cpu.workspace import Carver, Workspace
from neonport.windows import inside_count, pool_cells

Bound = Callable[[], None]
Cells = list[tuple[int, tuple[slice, ...], tuple[slice, ...]]]


def bind(op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any],
         workspace: Workspace) -> Bound:  # fmt: skip
    """Prepare a pooling op.

    Args:
        op: pool, pool_index, unpool, pool_pick or spread.
        operands: as in the op table, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: for what lies between.
    """
    make = _PASSES[op]
    return workspace.bind(lambda carver: make(operands, target, params, carver))


def _cells(cells: tuple[int, ...], counts: tuple[int, ...], params: dict[str, Any]) -> Cells:
    windows = params["window"], params["padding"], params["stride"]
    return list(pool_cells(cells, counts, *windows))


def _inside(cells: tuple[int, ...], counts: tuple[int, ...], params: dict[str, Any]) -> np.ndarray:
    return inside_count(cells, counts, params["window"], params["padding"], params["stride"])


def _maximum(x: np.ndarray, out: np.ndarray, found: Cells, empty: np.ndarray | None) -> None:
    out.fill(-np.inf)
    for _, positions, places in found:
        part = out[positions]
        np.maximum(part, x[places], out=part)
    if empty is not None:
        np.copyto(out, 0, where=empty)


def _empty(inside: np.ndarray) -> np.ndarray | None:
    """Where a window has no cell inside, None if there is no such."""
    return inside == 0 if not inside.all() else None


def _pool(
    operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any], carver: Carver
) -> Bound:
    (x,), how = operands, params["how"]
    sizes = x.shape[:4], target.shape[:4]
    found, inside = _cells(*sizes, params), _inside(*sizes, params)
    if how == "max":
        empty = _empty(inside)
        return lambda: _maximum(x, target, found, empty)
    count = np.maximum(inside, 1).astype(target.dtype) if how == "avg" else None

    def run() -> None:
        target.fill(0)
        for _, positions, places in found:
            part = target[positions]
            np.add(part, x[places], out=part)
        if count is not None:
            np.divide(target, count, out=target)

    return run


def _pool_index(
    operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any], carver: Carver
) -> Bound:
    (x,) = operands
    sizes = x.shape[:4], target.shape[:4]
    found, empty = _cells(*sizes, params), _empty(_inside(*sizes, params))
    best = carver.array(target.shape, x.dtype)
    same = carver.array(target.shape, np.dtype(bool))

    def run() -> None:
        _maximum(x, best, found, empty)
        # nan equals nothing; the sum is nan if there is one (and for opposite infinities)
        nans = np.isnan(best) if np.isnan(np.sum(best)) else None
        target.fill(-1)
        for number, positions, places in reversed(found):  # the first one is written last
            equal, value = same[positions], x[places]
            np.equal(value, best[positions], out=equal)
            if nans is not None:
                np.logical_or(equal, np.isnan(value) & nans[positions], out=equal)
            np.copyto(target[positions], number, where=equal)

    return run


def _unpool(
    operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any], carver: Carver
) -> Bound:
    e, index = operands
    found = _cells(target.shape[:4], e.shape[:4], params)
    mask = carver.array(e.shape, np.dtype(bool))

    def run() -> None:
        target.fill(0)
        for number, positions, places in found:
            chosen, part = mask[positions], target[places]
            np.equal(index[positions], number, out=chosen)
            np.add(part, e[positions], out=part, where=chosen)

    return run


def _pool_pick(
    operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any], carver: Carver
) -> Bound:
    x, index = operands
    found = _cells(x.shape[:4], index.shape[:4], params)
    mask = carver.array(index.shape, np.dtype(bool))

    def run() -> None:
        target.fill(0)
        for number, positions, places in found:
            chosen = mask[positions]
            np.equal(index[positions], number, out=chosen)
            np.copyto(target[positions], x[places], where=chosen)

    return run


def _spread(
    operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any], carver: Carver
) -> Bound:
    (e,) = operands
    sizes = target.shape[:4], e.shape[:4]
    found = _cells(*sizes, params)
    average = params["how"] == "avg"
    count = np.maximum(_inside(*sizes, params), 1).astype(target.dtype)
    share = carver.array(e.shape, target.dtype) if average else e

    def run() -> None:
        if average:
            np.divide(e, count, out=share)
        target.fill(0)
        for _, positions, places in found:
            part = target[places]
            np.add(part, share[positions], out=part)

    return run


_PASSES: dict[str, Callable[..., Bound]] = {
    "pool": _pool,
    "pool_index": _pool_index,
    "unpool": _unpool,
    "pool_pick": _pool_pick,
    "spread": _spread,
}
