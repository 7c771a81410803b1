"""Backend: the contract and everything derived from it; neon's names `Block`, `OpCollection`."""

from __future__ import annotations

from typing import Any

from neonport.backends.api.diagnostics import Diagnostics
from neonport.engine.device import ProbeResult
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor

__all__ = ["Backend", "Block", "OpCollection", "OpTreeNode", "ProbeResult", "Tensor"]


class Block:
    """Neon's marks for `Backend.begin` and `Backend.end`."""

    epoch = 0
    minibatch = 1
    fprop = 2
    bprop = 3
    update = 4


class OpCollection:
    """Neon's sets of op names."""

    zero_operand_ops = frozenset({"rand", "onehot"})
    unary_ops = frozenset(
        [
            "finite",
            "neg",
            "abs",
            "sgn",
            "sqrt",
            "sqr",
            "exp",
            "log",
            "exp2",
            "log2",
            "sig",
            "sig2",
            "tanh",
            "tanh2",
            "transpose",
            "safelog",
            "rint",
            "binarize",
        ]
    )
    binary_ops = frozenset(
        [
            "assign",
            "add",
            "sub",
            "mul",
            "div",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "pow",
            "minimum",
            "maximum",
            "dot",
            "shift",
        ]
    )
    reduction_ops = frozenset(["sum", "max", "min", "argmax", "argmin"])
    float_ops = zero_operand_ops | unary_ops | binary_ops
    ew_ops = float_ops - {"dot", "transpose"}


class Backend(Diagnostics):
    """Base class of all backends: arrays, ops, products, helpers of the layers, random numbers.

    The chain of its bases goes from the narrow contract (`contract.py`) to the derived parts; a
    backend implements the abstract methods and may override any derived one with a faster one.
    """

    @staticmethod
    def backend_choices() -> list[str]:
        """Sorted names of the registered backends."""
        from neonport.plugins import registry

        return registry.backend_choices()

    @staticmethod
    def allocate_backend(name: str, **kwargs: Any) -> Backend:
        """Construct the backend registered as `name`."""
        from neonport.plugins import registry

        return registry.create_backend(name, **kwargs)
