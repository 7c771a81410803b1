"""Pooling on the host: compiled C over rows of samples, see `pool.c`.

Without a compiler NumPy does it over strided views, once for each cell of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from neonport.backends.host.kernels import library as native
from neonport.backends.host.workspace import Carver, Workspace, staged
from neonport.ops.windows.pooling import inside_count, pool_cells

Bound = Callable[[], None]
Cells = list[tuple[int, tuple[slice, ...], tuple[slice, ...]]]

SERIAL_WORK = 1 << 15  # cells below which waking other threads costs more than it gains
TASK_WORK = 1 << 13  # cells handed to a thread at a time, at least


def bind(op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any],
         workspace: Workspace) -> Bound:  # fmt: skip
    """Prepare a pooling op.

    Args:
        op: pool, pool_index, max_pool_backward, max_pool_gather or avg_pool_backward.
        operands: as in the op table, any strides.
        target: receives the result; shares no memory with the operands.
        params: of the op.
        workspace: for what lies between.
    """
    index = {
        "pool_index": target,
        "max_pool_backward": operands[-1],
        "max_pool_gather": operands[-1],
    }
    number = index[op].dtype.name if op in index else "int32"
    compiled = native.library("pool.c", REAL=operands[0].dtype.name, INDEX=number)
    if compiled is None:
        make = _PASSES[op]
        return workspace.bind(lambda carver: make(operands, target, params, carver))
    library = compiled
    return workspace.bind(
        lambda carver: staged(
            operands, target, carver, lambda inputs, out: _rows(library, op, inputs, out, params)
        )
    )


def _rows(
    library: native.Library,
    op: str,
    operands: list[np.ndarray],
    target: np.ndarray,
    params: dict[str, Any],
) -> Bound:
    """Compiled C, a task a row of the target."""
    values, index = operands[0], operands[-1]
    to_cells = op in ("max_pool_backward", "avg_pool_backward")
    images, windows = (target, values) if to_cells else (values, target)
    *rows, samples = target.shape
    words = [
        values.ctypes.data, index.ctypes.data, target.ctypes.data, samples, *images.shape[:4],
        *windows.shape[:4], *params["window"], *params["padding"], *params["stride"],
        int(params.get("how") == "avg"),
    ]  # fmt: skip
    name = f"neo_{op}"
    if op == "pool":
        name = "neo_pool_max" if params["how"] == "max" else "neo_pool_sum"
    tasks = prod(rows)
    grain = max(1, TASK_WORK // samples) if tasks * samples >= SERIAL_WORK else 0
    return library.bind(name, words, tasks, grain, (operands, target))


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
    """Mask of positions whose window has no cell inside; None if there is no such position."""
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


def _max_pool_backward(
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


def _max_pool_gather(
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


def _avg_pool_backward(
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
    "max_pool_backward": _max_pool_backward,
    "max_pool_gather": _max_pool_gather,
    "avg_pool_backward": _avg_pool_backward,
}
