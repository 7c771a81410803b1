"""Smooth activations of one number: Identity, Logistic, Tanh, Normalizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonport.errors import ConfigurationError
from neonport.transforms.operands import backend_of, number
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.optree.node import OpTreeNode
    from neonport.transforms.operands import Operand


class Identity(Transform):
    """f(x) = x.

    Args:
        name: given name.

    Example:
        y[:] = Identity()(x)
        assert (y.get() == x.get()).all()
    """

    neon_module = "neon.transforms.activation"

    def __call__(self, x: Operand) -> Operand:
        """Return `x` itself."""
        return x

    def bprop(self, x: Operand) -> int:
        """Return 1."""
        return 1


class Logistic(Transform):
    """f(x) = 1 / (1 + e^-x).

    Args:
        name: given name.
        shortcut: True below CrossEntropyBinary, whose `bprop` already is the gradient at the
            *input* of the logistic function: the derivative then is 1.

    Example:
        y[:] = Logistic()(x)
        assert np.allclose(y.get(), 1 / (1 + np.exp(-x.get())))
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, name: str | None = None, shortcut: bool = False) -> None:
        super().__init__(name=name)
        self.shortcut = False
        self.set_shortcut(shortcut)

    def set_shortcut(self, shortcut: bool) -> None:
        """Say whether the cost already contains the derivative."""
        self.shortcut = bool(shortcut)

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return the logistic function of `x`."""
        return backend_of(self, x).sig(x)

    def bprop(self, x: Operand) -> Any:
        """Return y (1 - y), or 1 with the shortcut."""
        return 1 if self.shortcut else x * (1.0 - x)


class Tanh(Transform):
    """f(x) = tanh(x).

    Args:
        name: given name.

    Example:
        y[:] = Tanh()(x)
        assert np.allclose(y.get(), np.tanh(x.get()), atol=1e-6)
    """

    neon_module = "neon.transforms.activation"

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return tanh(x)."""
        return backend_of(self, x).tanh(x)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return 1 - y^2."""
        return 1.0 - backend_of(self, x).square(x)


class Normalizer(Transform):
    """f(x) = x / divisor.

    Args:
        name: given name (first, as in neon).
        divisor: not 0.

    Raises:
        ConfigurationError: `divisor` is 0 or no finite number.

    Example:
        y[:] = Normalizer(divisor=2)(x)
        assert np.allclose(y.get(), x.get() / 2)
    """

    neon_module = "neon.transforms.activation"

    def __init__(self, name: str | None = None, divisor: float = 128.0) -> None:
        super().__init__(name=name)
        self.divisor = number(self, "divisor", divisor)
        if self.divisor == 0:
            raise ConfigurationError("Normalizer: divisor=0 divides by zero")

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return x / divisor."""
        return x / self.divisor

    def bprop(self, x: Operand) -> float:
        """Return 1 / divisor."""
        return 1.0 / self.divisor
