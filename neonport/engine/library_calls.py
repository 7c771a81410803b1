"""Library calls of a plan: matrix products, and ops that are no loop nest.

An op without a kernel of its own runs its NumPy definition, on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from neonport.compiler.execution_plan import LibraryCall
from neonport.compiler.graph import MemoryView
from neonport.dtypes import cast
from neonport.engine.device import Bound, Device
from neonport.engine.host_copies import on_copies
from neonport.errors import DeviceContractError
from neonport.ops.op import OPS
from neonport.plugins.text import printable
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor


def bind_library_call(
    device: Device, call: LibraryCall, place: Callable[[MemoryView], tuple[Storage, int]]
) -> Bound:
    """A call of a plan, bound to memory.

    Args:
        device: where it runs.
        call: the step of the plan.
        place: storage and first byte of a leaf of the plan.
    """

    def tensor(leaf: MemoryView) -> Tensor:
        storage, start = place(leaf)
        shape, strides, offset = leaf.layout
        first = offset + start // leaf.dtype.itemsize
        return device.tensor(storage, leaf.dtype, (shape, strides, first))

    op, operands, target = call.value.op, list(map(tensor, call.operands)), tensor(call.target)
    if op in ("dot", "batched_dot"):
        a, b = operands
        if op == "dot":
            return checked_call(device, "matmul", device.matmul(a, b, target, 1.0, 0.0))
        return checked_call(device, "batched_matmul", device.batched_matmul(a, b, target))
    return bind_op(device, op, operands, target, dict(call.value.attr or ()))


def checked_call(device: Device, method: str, call: Any) -> Bound:
    """What a method gave that binds a call.

    Raises:
        DeviceContractError: nothing that can be called.
    """
    if not callable(call):
        given = printable(repr(call), 200)
        raise DeviceContractError(
            f"{type(device).__name__}.{method} returned {given}; it must return a call without "
            "arguments that computes the result"
        )
    return call


def bind_op(
    device: Device, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
) -> Bound:
    """A call that stores `op(operands)` in `target`: the device's kernel, or NumPy's definition."""
    own = device.library_call(op, operands, target, params)
    if own is not None:
        return checked_call(device, f"library_call({op!r}, ...)", own)
    if not device.capabilities.runs:
        return lambda: None
    if device.capabilities.host_memory:
        return _on_arrays(op, [t.native for t in operands], target.native, params)
    definition = partial(OPS[op].numpy, **params)
    return HostDefinition(on_copies(device, op, definition, operands, target))


class HostDefinition:
    """A call that runs the NumPy definition of an op, for want of a kernel of the device.

    Args:
        run: does it.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Bound) -> None:
        self._run = run

    def __call__(self) -> None:
        """Run it."""
        self._run()


def _on_arrays(
    op: str, operands: list[np.ndarray], target: np.ndarray, params: dict[str, Any]
) -> Bound:
    definition = OPS[op].numpy

    def run() -> None:
        with np.errstate(all="ignore"):  # infinities and nan are results
            target[...] = cast(definition(*operands, **params), target.dtype)

    return HostDefinition(run)
