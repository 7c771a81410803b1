"""Memory of the host from which values go to a device, again and again."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.tensor.tensor import Tensor


class HostBuffer:
    """An array on the host that is filled, sent to a tensor, and filled again.

    Args:
        shape: of the array and of the tensors it is sent to.
        dtype: of both.

    Attributes:
        array: what is filled. It may be changed from the start, and after each `wait`.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.array = np.zeros(shape, dtype)

    def send(self, target: Tensor) -> None:
        """Copy the array into a tensor, in the order of the device's work."""
        target.set(self.array)

    def wait(self) -> None:
        """Wait until the array may be changed."""
