"""What layers of windows compute, by loops over the cells of a window, on (maps, D, H, W, N)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray


def randn(*shape: int, seed: int = 0) -> Array:
    return np.random.RandomState(seed).randn(*shape)


def _cells(window: Any, result: Any, stride: Any, dilation: Any) -> Iterator[tuple[Any, Any]]:
    """Each cell of a window, and where it looks, as slices of the padded image."""
    for cell in product(*map(range, window)):
        yield (
            cell,
            tuple(
                slice(t * d, t * d + (m - 1) * s + 1, s)
                for t, m, s, d in zip(cell, result, stride, dilation, strict=True)
            ),
        )


def _padded(x: Array, padding: Any, value: float = 0.0) -> Array:
    return np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)], constant_values=value)


def convolve(x: Array, f: Array, stride: Any, padding: Any, dilation: Any) -> Array:
    """Cross-correlation of x (C, D, H, W, N) with f (C, T, R, S, K)."""
    x = _padded(x, padding)
    result = [
        (n - d * (t - 1) - 1) // s + 1
        for n, t, s, d in zip(x.shape[1:4], f.shape[1:4], stride, dilation, strict=True)
    ]
    y = np.zeros((f.shape[4], *result, x.shape[4]))
    for cell, where in _cells(f.shape[1:4], result, stride, dilation):
        y += np.einsum("cdhwn,ck->kdhwn", x[(slice(None), *where)], f[(slice(None), *cell)])
    return y


def convolve_backward(
    x: Array, f: Array, error: Array, stride: Any, padding: Any, dilation: Any
) -> tuple[Array, Array]:
    """Gradients of x and f."""
    wide, weights = np.zeros_like(_padded(x, padding)), np.zeros_like(f)
    seen = _padded(x, padding)
    for cell, where in _cells(f.shape[1:4], error.shape[1:4], stride, dilation):
        at, here = (slice(None), *where), (slice(None), *cell)
        wide[at] += np.einsum("kdhwn,ck->cdhwn", error, f[here])
        weights[here] += np.einsum("kdhwn,cdhwn->ck", error, seen[at])
    inside = tuple(slice(p, n - p) for p, n in zip(padding, wide.shape[1:4], strict=True))
    return wide[(slice(None), *inside)], weights


def pool(
    x: Array, op: str, window: Any, stride: Any, padding: Any, result: Any, error: Array
) -> tuple[Array, Array]:
    """Pooled images, and the gradient of x for an error; the first of equal maxima counts."""
    # windows of caffe's mode may reach beyond the padding
    more = [(0, 0), *((p, p + w) for p, w in zip(padding, window, strict=True)), (0, 0)]
    wide = np.pad(x, more, constant_values=np.nan)
    found = [wide[(slice(None), *at)] for _, at in _cells(window, result, stride, (1, 1, 1))]
    cells = np.stack(found)
    if op == "max":
        y = np.nanmax(cells, 0)
        first = np.nanargmax(cells, 0)
        shares = [(first == i) * error for i in range(len(found))]
    else:
        y = np.nanmean(cells, 0)
        shares = [error / np.sum(~np.isnan(cells), 0)] * len(found)
    gradient = np.zeros_like(wide)
    for (_, at), share in zip(_cells(window, result, stride, (1, 1, 1)), shares, strict=True):
        gradient[(slice(None), *at)] += share
    inside = tuple(slice(p, p + n) for p, n in zip(padding, x.shape[1:4], strict=True))
    return y, gradient[(slice(None), *inside)]
