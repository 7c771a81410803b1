"""Smooth rectifiers: Softplus, SiLU, GELU."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING

from neonport.errors import ConfigurationError
from neonport.transforms.operands import backend_of
from neonport.transforms.transform import Transform

if TYPE_CHECKING:
    from neonport.optree.node import OpTreeNode
    from neonport.transforms.operands import Operand

CUBIC = 0.044715  # of the approximation by tanh (Hendrycks and Gimpel, 2016)
SATURATED = 20.0  # from here on 1 - tanh(u)^2 of it is 0, also in float64


class Softplus(Transform):
    """f(x) = log(1 + e^x) (Dugas et al., 2001).

    Args:
        name: given name.

    Example:
        y[:] = Softplus()(x)
        assert np.allclose(y.get(), np.log(1 + np.exp(x.get())), atol=1e-6)
    """

    neon_module = "neonport.transforms.smooth_rectifiers"

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return log(1 + e^x); large numbers do not overflow."""
        return backend_of(self, x).softplus(x)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return 1 - e^-y, exact also where y is near 0."""
        return -backend_of(self, x).expm1(-x)


class SiLU(Transform):
    """f(x) = x / (1 + e^-x): sigmoid linear unit, also called swish (Elfwing et al., 2018).

    It falls and rises, so its output does not tell the derivative: `bprop` takes the *input*.

    Args:
        name: given name.

    Example:
        y[:] = SiLU()(x)
        assert np.allclose(y.get(), x.get() / (1 + np.exp(-x.get())), atol=1e-6)
    """

    neon_module = "neonport.transforms.smooth_rectifiers"
    needs_inputs = True

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return x times the logistic function of x."""
        return x * backend_of(self, x).sig(x)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return the derivative, given the input: s + x s (1 - s) with s the logistic of x."""
        s = backend_of(self, x).sig(x)
        return s * (1.0 + x * (1.0 - s))


class GELU(Transform):
    """f(x) = x P(X <= x) for a standard normal X (Hendrycks and Gimpel, 2016).

    It falls and rises, so its output does not tell the derivative: `bprop` takes the *input*.

    Args:
        approximate: None for the error function, "tanh" for the usual approximation,
            x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
        name: given name.

    Raises:
        ConfigurationError: another `approximate`.

    Example:
        y[:] = GELU()(x)
        u = np.sqrt(2 / np.pi) * (x.get() + 0.044715 * x.get() ** 3)
        assert np.allclose(y.get(), x.get() * (1 + np.tanh(u)) / 2, atol=1e-3)
    """

    neon_module = "neonport.transforms.smooth_rectifiers"
    needs_inputs = True

    def __init__(self, approximate: str | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        if approximate not in (None, "tanh"):
            raise ConfigurationError(f'GELU: approximate={approximate!r} must be None or "tanh"')
        self.approximate = approximate

    def __call__(self, x: Operand) -> OpTreeNode:
        """Return the Gaussian error linear unit of `x`."""
        return x * self._share(x)

    def bprop(self, x: Operand) -> OpTreeNode:
        """Return the derivative, given the input."""
        be = backend_of(self, x)
        if self.approximate is None:
            density = be.exp(-0.5 * be.square(x)) * (1.0 / sqrt(2.0 * pi))
            return self._share(x) + x * density
        t = be.tanh(self._inner(x))
        bounded = be.clip(x, -SATURATED, SATURATED)  # else infinity times 0 for huge numbers
        slope = (1.0 + 3.0 * CUBIC * be.square(bounded)) * (0.5 * sqrt(2.0 / pi))
        return 0.5 * (1.0 + t) + bounded * (1.0 - be.square(t)) * slope

    def _share(self, x: Operand) -> OpTreeNode:
        be = backend_of(self, x)
        if self.approximate is None:
            return 0.5 * (1.0 + be.erf(x * sqrt(0.5)))
        return 0.5 * (1.0 + be.tanh(self._inner(x)))

    def _inner(self, x: Operand) -> OpTreeNode:
        be = backend_of(self, x)
        return sqrt(2.0 / pi) * (x + CUBIC * (be.square(x) * x))
