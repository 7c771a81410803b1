"""Softmax over an axis, and over the channels of every pixel."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from neonport.errors import ConfigurationError, ShapeError
from neonport.optree.node import OpTreeNode, apply
from neonport.transforms.operands import backend_of, count
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.transforms.operands import Operand

EPSILON = 2.0**-23


class Softmax(Transform):
    """f(x) = e^x / sum(e^x) along an axis, shifted by the maximum so that nothing overflows.

    Its `bprop` is a shortcut: it is right below CrossEntropyMulti only, whose `bprop` (y - t)
    already is the gradient at the input of the softmax.

    Args:
        axis: axis that sums to 1.
        name: given name.
        epsilon: kept for neon, without effect.

    Example:
        y[:] = Softmax()(x)
        assert np.allclose(y.get().sum(axis=0), 1)
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, axis: int = 0, name: str | None = None, epsilon: float = EPSILON) -> None:
        super().__init__(name=name)
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise ConfigurationError(f"Softmax: axis={axis!r} must be an integer")
        self.axis = axis
        self.epsilon = epsilon

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return the softmax of `x`.

        Raises:
            ShapeError: `x` has no such axis.
        """
        rank = len(x.shape)
        if not -rank <= self.axis < rank:
            raise ShapeError(f"Softmax: shape {x.shape} has no axis {self.axis}")
        return backend_of(self, x).fprop_softmax(x, self.axis % rank)

    def bprop(self, x: Operand) -> int:
        """Return 1, the shortcut."""
        return 1


class PixelwiseSoftmax(Transform):
    """Softmax over the `c` channels of every pixel, for maps of shape (c H W, N).

    Like Softmax it has the derivative 1 and belongs below CrossEntropyMulti.

    Args:
        c: number of channels.
        name: given name.
        epsilon: kept for neon, without effect.

    Example:
        y[:] = PixelwiseSoftmax(c=3)(x)  # one pixel of three channels
        assert np.allclose(y.get().sum(axis=0), 1)
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, c: int, name: str | None = None, epsilon: float = EPSILON) -> None:
        super().__init__(name=name)
        self.c = count(self, "c", c)
        self.epsilon = epsilon

    def __call__(self, x: Operand) -> Any:
        """Return `x` after the softmax was written over it; of a tree, return the softmax.

        Raises:
            ShapeError: the leading axis is not a multiple of `c`, or a view cannot be reshaped.
        """
        if x.shape[0] % self.c:
            raise ShapeError(
                f"PixelwiseSoftmax: {x.shape[0]} rows of shape {x.shape} are not a multiple of "
                f"c={self.c} channels"
            )
        shape = (self.c, prod(x.shape) // self.c)
        be = backend_of(self, x)
        if isinstance(x, OpTreeNode):
            softmax = be.fprop_softmax(apply("reshape", x, shape=shape), 0)
            return apply("reshape", softmax, shape=x.shape)
        pixels = x.reshape(shape)
        pixels[:] = be.fprop_softmax(pixels, 0)
        return x

    def bprop(self, x: Operand) -> int:
        """Return 1, the shortcut."""
        return 1
