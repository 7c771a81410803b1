"""Initializers that draw from a distribution, with a fixed scale or one that follows the shape."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from neonport.backends.home import home
from neonport.base import finite_number
from neonport.dtypes import cast, is_float
from neonport.errors import ConfigurationError
from neonport.initializers.base import Initializer, require_matrix

if TYPE_CHECKING:
    from neonport.tensor.tensor import Tensor


def fill_uniform(param: Tensor, low: float, high: float) -> None:
    """Fill a tensor with host draws from [low, high); as stored they are below `high`, too."""
    drawn = home(param).rng.uniform(low, high, param.shape)
    stored = cast(drawn, param.dtype)
    if is_float(param.dtype) and low < high:
        # rounding to a short type may give the bound itself: the next number towards low is stored
        bound = cast(np.array([high, low]), param.dtype)
        last = bound[:1]
        if last.astype(np.float64)[0] >= high:
            last = np.nextafter(bound[:1], bound[1:])
        reached = stored.astype(np.float64) >= high
        stored = np.where(reached, last, stored).astype(param.dtype)
    param.set(stored)


class Uniform(Initializer):
    """Uniform numbers in [low, high).

    Args:
        low, high: bounds.
        name: given name.

    Raises:
        ConfigurationError: `low` is above `high`, or one is not a finite number.

    Example:
        w = be.empty((2, 3))
        Uniform(low=-0.1, high=0.1).fill(w)
        assert abs(w.get()).max() <= 0.1
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, low: float = 0.0, high: float = 1.0, name: str = "uniformInit") -> None:
        super().__init__(name=name)
        self.low = finite_number("Uniform", "low", low)
        self.high = finite_number("Uniform", "high", high)
        if low > high:
            raise ConfigurationError(f"Uniform: low={low} is above high={high}; swap them")

    def fill(self, param: Tensor) -> None:
        """Write uniform numbers into `param`."""
        fill_uniform(param, self.low, self.high)


class Gaussian(Initializer):
    """Normally distributed numbers.

    Args:
        loc: mean.
        scale: standard deviation, not negative.
        name: given name.

    Raises:
        ConfigurationError: `scale` is negative, or one is not a finite number.

    Example:
        layer = Affine(nout=10, init=Gaussian(loc=0, scale=0.01))
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, loc: float = 0.0, scale: float = 1.0, name: str = "gaussianInit") -> None:
        super().__init__(name=name)
        self.loc = finite_number("Gaussian", "loc", loc)
        self.scale = finite_number("Gaussian", "scale", scale)
        if scale < 0:
            raise ConfigurationError(f"Gaussian: scale={scale} (a standard deviation) is negative")

    def fill(self, param: Tensor) -> None:
        """Write normally distributed numbers into `param`."""
        param.set(home(param).rng.normal(self.loc, self.scale, param.shape))


class GlorotUniform(Initializer):
    """Uniform numbers in +-sqrt(6 / (rows + columns)) (Glorot and Bengio, 2010).

    Args:
        name: given name.

    Example:
        w = be.empty((2, 4))
        GlorotUniform().fill(w)
        assert abs(w.get()).max() <= 1  # sqrt(6 / (2 + 4))
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, name: str = "autouniformInit") -> None:
        super().__init__(name=name)

    def fill(self, param: Tensor) -> None:
        """Write uniform numbers into a matrix.

        Raises:
            ShapeError: `param` is not a matrix.
        """
        bound = sqrt(6.0 / sum(require_matrix(self.classnm, param)))
        fill_uniform(param, -bound, bound)


class _FanIn(Initializer):
    """Base of initializers whose scale follows the number of inputs of a unit.

    Args:
        local: True for convolution weights (C*R*S, K), whose fan-in is the number of rows; False
            for linear weights (nout, nin), whose fan-in is the number of columns.
        name: given name.
    """

    def __init__(self, local: bool = True, name: str | None = None) -> None:
        super().__init__(name=name)
        self.local = local

    def fan_in(self, param: Tensor) -> int:
        """Inputs of one unit of `param`."""
        rows, columns = require_matrix(self.classnm, param)
        return rows if self.local else columns


class Xavier(_FanIn):
    """Uniform numbers in +-sqrt(3 / fan_in) (Glorot and Bengio, 2010, forward variance only).

    Args:
        local: True for convolution weights, False for linear weights.
        name: given name.

    Example:
        layer = Affine(nout=10, init=Xavier(local=False), activation=Tanh())
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, local: bool = True, name: str = "xavier") -> None:
        super().__init__(local, name)

    def fill(self, param: Tensor) -> None:
        """Write uniform numbers into a matrix.

        Raises:
            ShapeError: `param` is not a matrix.
        """
        bound = sqrt(3.0 / self.fan_in(param))
        fill_uniform(param, -bound, bound)


class Kaiming(_FanIn):
    """Normal numbers of standard deviation sqrt(2 / fan_in), for rectifiers (He et al., 2015).

    Args:
        local: True for convolution weights, False for linear weights.
        name: given name.

    Example:
        layer = Affine(nout=10, init=Kaiming(local=False), activation=Rectlin())
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, local: bool = True, name: str = "Kaiming") -> None:
        super().__init__(local, name)

    def fill(self, param: Tensor) -> None:
        """Write normally distributed numbers into a matrix.

        Raises:
            ShapeError: `param` is not a matrix.
        """
        scale = sqrt(2.0 / self.fan_in(param))
        param.set(home(param).rng.normal(0.0, scale, param.shape))
