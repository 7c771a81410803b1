"""What a device has no way of its own for: NumPy computes it, on host copies of the operands."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from neonport.dtypes import cast
from neonport.engine.owner import Runner
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]


class Copying(Protocol):
    """A device, as far as it copies."""

    executor: Runner

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in."""

    def copy_out(self, source: Tensor) -> np.ndarray:
        """A new host array with the values."""


def on_copies(
    device: Copying,
    what: str,
    function: Callable[..., Any],
    operands: Sequence[Tensor],
    target: Tensor,
) -> Bound:
    """A call that stores `function(*operands)` in a tensor; the function gets NumPy arrays.

    Args:
        device: what copies.
        what: name of the op, for the reason why a step cannot be recorded.
        function: gives an array of the target's size; it is cast to the target's dtype.
        operands: tensors of any layout.
        target: where the result goes.
    """
    # weak: a bound call must not keep the memory of forgotten tensors
    views = [weakly(t) for t in (*operands, target)]

    def run() -> None:
        device.executor.owner.unrecordable(f"{what} runs in NumPy, on copies of its operands")
        *inputs, out = (view() for view in views)
        with np.errstate(all="ignore"):  # infinities and nan are results
            values = function(*(device.copy_out(t) for t in inputs))
        device.copy_in(out, cast(np.asarray(values).reshape(out.shape), out.dtype))

    return run


def product_on_copies(
    device: Copying, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
) -> Bound:
    """A call that does `c = alpha * a @ b + beta * c`; with `beta == 0` `c` is not read."""
    wide = np.promote_types(c.dtype, np.float32)  # sums of shorter floats are kept in float32

    def product(x: np.ndarray, y: np.ndarray, *old: np.ndarray) -> np.ndarray:
        made = np.matmul(x.astype(wide, copy=False), y.astype(wide, copy=False))
        if alpha != 1:
            made *= wide.type(alpha)
        for values in old:
            made += wide.type(beta) * values.astype(wide, copy=False)
        return made

    return on_copies(device, "a matrix product", product, [a, b, c] if beta else [a, b], c)


def weakly(tensor: Tensor) -> Callable[[], Tensor]:
    """A call that gives the tensor again and does not keep its memory alive.

    Temporaries are kept by their plan.
    """
    find = weakref.ref(tensor.storage)
    backend, dtype, layout = tensor.backend, tensor.dtype, tensor.layout

    def again() -> Tensor:
        storage = find()
        assert storage is not None  # a released one has unbound the call
        return Tensor(backend, storage, dtype, layout)

    return again
