"""Host values as tensors of every memory layout, with guards around what must not be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]

LAYOUTS = ("plain", "transposed", "strided", "reversed", "offset", "permuted")
GUARD = 77  # what lies between and around the elements of a view; every dtype can hold it


def place(be: Backend, values: Array, dtype: Any, layout: str) -> Tensor:
    """A tensor that holds `values` in a memory layout.

    Args:
        be: where.
        values: host array of two dimensions or more.
        dtype: of the tensor; `values` must be exact in it.
        layout: one of LAYOUTS; "permuted" needs three axes.
    """
    if layout == "plain":
        return be.array(values, dtype=dtype)
    if layout == "transposed":
        return be.array(np.ascontiguousarray(values.T), dtype=dtype).permute(
            range(values.ndim)[::-1]
        )
    if layout == "permuted":
        return be.array(np.ascontiguousarray(np.moveaxis(values, -1, 0)), dtype=dtype).permute(
            (*range(1, values.ndim), 0)
        )
    if layout == "reversed":
        flip = (slice(None, None, -1),) * values.ndim
        return be.array(np.ascontiguousarray(values[flip]), dtype=dtype)[flip]
    region = _region(values.shape, layout)
    room = np.full(_room(values.shape, layout), GUARD, np.asarray(values).dtype)
    room[region] = values
    return be.array(room, dtype=dtype)[region]


def _region(shape: tuple[int, ...], layout: str) -> tuple[slice, ...]:
    if layout == "strided":
        return tuple(slice(i, i + n * (2 + i), 2 + i) for i, n in enumerate(shape))
    return tuple(slice(1 + i, 1 + i + n) for i, n in enumerate(shape))


def _room(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    if layout == "strided":
        return tuple(i + n * (2 + i) for i, n in enumerate(shape))
    return tuple(n + 3 + i for i, n in enumerate(shape))


class Target:
    """A tensor to be written, whose surroundings are watched."""

    def __init__(self, be: Backend, shape: tuple[int, ...], dtype: Any, layout: str) -> None:
        self.tensor = place(be, np.full(shape, GUARD, np.dtype(dtype)), dtype, layout)
        self.root = self.tensor._original_base

    def spoiled(self) -> bool:
        """Whether an element outside of the view was written."""
        if self.root is self.tensor:
            return False
        written = self.tensor.get()
        self.tensor.fill(GUARD)
        spoiled = bool(np.any(self.root.get() != np.asarray(GUARD, self.root.dtype)))
        self.tensor.set(written)
        return spoiled
