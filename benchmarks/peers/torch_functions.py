"""PyTorch with NumPy's names and axes that stay; shared by the two ways to run it."""

from __future__ import annotations

from typing import Any

import numpy as np

DEVICE = "cpu"
"""Where the tensors of PyTorch lie."""


class Functions:
    """What the formulas need."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.exp, self.log, self.tanh, self.sqrt = torch.exp, torch.log, torch.tanh, torch.sqrt
        self.where = torch.where

    def maximum(self, x: Any, number: float) -> Any:
        return self.torch.clamp(x, min=number)

    def minimum(self, x: Any, number: float) -> Any:
        return self.torch.clamp(x, max=number)

    def sum(self, x: Any, axis: Any) -> Any:
        return self.torch.sum(x, dim=axis, keepdim=True)

    def mean(self, x: Any, axis: Any) -> Any:
        return self.torch.mean(x, dim=axis, keepdim=True)

    def max(self, x: Any, axis: Any) -> Any:
        return self.torch.amax(x, dim=axis, keepdim=True)

    def var(self, x: Any, axis: Any) -> Any:
        return self.torch.var(x, dim=axis, keepdim=True, correction=0)


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Tensors over copies of the arrays; sets the number of threads."""
    import torch

    from neonport.backends.host.threads import num_threads

    torch.set_num_threads(num_threads())
    return {name: torch.from_numpy(array.copy()).to(DEVICE) for name, array in inputs.items()}


def finish() -> None:
    """Wait for the device."""
    if DEVICE != "cpu":
        import torch

        torch.cuda.synchronize()


def set_tf32(on: bool) -> None:
    """Let products and convolutions of float32 use the TF32 units, or not."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on
