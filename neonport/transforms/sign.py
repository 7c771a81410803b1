"""Sign: binary activations with a straight-through derivative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.tensor.tensor import Tensor
from neonport.transforms.operands import backend_of
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.optree.node import OpTreeNode
    from neonport.tensor.storage import Storage


class Sign(Transform):
    """f(x) = 1 where x >= 0, else -1, written over x (Courbariaux et al., 2016).

    The derivative is the straight-through estimate, 1 where the input was in [-1, 1]. It needs the
    input, so that is kept: one copy per piece of memory (however many views of it come along),
    because one Sign may serve several layers, or the steps of a recurrent one.

    Args:
        name: given name.

    Attributes:
        inputs: copy of the input of the last call.

    Example:
        signs = be.array(x)
        signs[:] = Sign()(signs)
        assert (np.abs(signs.get()) == 1).all()
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.inputs: Tensor | None = None
        self._kept: WeakKeyDictionary[Storage, dict[Any, Tensor]] = WeakKeyDictionary()

    def __call__(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Keep a copy of `x`, overwrite `x` with its signs and return it.

        Raises:
            DtypeError: `x` is an op-tree, which cannot be overwritten.
        """
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"Sign works in place and needs a tensor, not {type(x).__name__}; assign the tree "
                "to a tensor first"
            )
        copies = self._kept.setdefault(x.storage, {})
        kept = copies.get(x.tokens)
        if kept is None:
            kept = copies[x.tokens] = x.backend.empty(x.shape, dtype=x.dtype)
        x.backend.assign_many([(kept, x), (x, 2.0 * (x >= 0.0) - 1.0)])
        self.inputs = kept
        return x

    def bprop(self, x: Tensor) -> OpTreeNode:  # type: ignore[override]
        """Return 1 where the input that became `x` was in [-1, 1], else 0.

        Raises:
            ConfigurationError: there was no forward call.
            ShapeError: `x` is not what the last call returned.
        """
        kept = self.inputs
        if isinstance(x, Tensor):
            kept = self._kept.get(x.storage, {}).get(x.tokens, kept)
        if kept is None:
            raise ConfigurationError("Sign.bprop: no input is known; call the transform first")
        if kept.shape != x.shape:
            raise ShapeError(
                f"Sign.bprop: output of shape {x.shape}, but the last input had shape {kept.shape}"
            )
        return backend_of(self, kept).less_equal(abs(kept), 1.0)
