"""Transform: a function of a tensor, and its derivative as a function of the *output*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neonport.base import NervanaObject

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.transforms.operands import Operand


class Transform(NervanaObject):
    """Base of activations.

    A subclass defines `__call__` and `bprop`, or `func` and `funcgrad` (as methods, or as
    attributes in its constructor).

    Args:
        name: given name.

    Attributes:
        needs_inputs: whether `bprop` is given the *inputs*: a function that falls and rises has no
            derivative as a function of its output. Layers must keep their inputs for it.

    Example:
        class Square(Transform):
            def func(self, x):
                return x * x

            def funcgrad(self, x):
                return 2 * x

        y[:] = Square()(x)
    """

    be: Backend
    neon_module = "neon.transforms.transform"
    is_mklop = False
    needs_inputs: ClassVar[bool] = False

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)

    def func(self, x: Operand) -> Any:
        """Value at `x`."""
        raise NotImplementedError(f"{self.classnm} defines neither __call__ nor func")

    def funcgrad(self, x: Operand) -> Any:
        """Derivative, given the output of `func`."""
        raise NotImplementedError(f"{self.classnm} defines neither bprop nor funcgrad")

    def __call__(self, x: Operand) -> Any:
        """Return the transform of `x` as an op-tree."""
        return self.func(x)

    def bprop(self, x: Operand) -> Any:
        """Return the derivative as an op-tree or number; the caller multiplies it by the error.

        Args:
            x: the *output* of the transform, as layers keep only that; the input of a transform
                with `needs_inputs`.
        """
        return self.funcgrad(x)
