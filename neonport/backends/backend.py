"""Backend: the contract and everything derived from it; neon's names `Block`, `OpCollection`."""

from __future__ import annotations

from typing import Any

from neonport.backends.api.diagnostics import Diagnostics
from neonport.engine.device import ProbeResult
from neonport.ops.op import OPS, Kind, of_kind
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
    """Neon's sets of op names, made from the op table."""

    zero_operand_ops = frozenset({"rand", "onehot"})
    unary_ops = frozenset(n for n in of_kind(Kind.ELEMENTWISE) if OPS[n].arity == 1) | {"transpose"}
    binary_ops = frozenset(n for n in of_kind(Kind.ELEMENTWISE) if OPS[n].arity == 2) | {"dot"}
    reduction_ops = of_kind(Kind.REDUCTION)
    ew_ops = zero_operand_ops | of_kind(Kind.ELEMENTWISE)
    float_ops = ew_ops | unary_ops | binary_ops | {"take"}


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
