"""Initializers whose spread follows the number of inputs of a unit, and the truncated normal."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from neonport.backends.home import home
from neonport.base import finite_number
from neonport.errors import ConfigurationError
from neonport.initializers.base import Initializer, require_matrix

if TYPE_CHECKING:
    from neonport.tensor.tensor import Tensor

WIDTH = 2.0  # standard deviations at which the truncated normal ends


class VarianceScaling(Initializer):
    """Base of initializers with the variance gain / fan.

    The fan is the number of inputs of a unit, or the mean of inputs and outputs.

    Args:
        local: False for linear weights (nout, nin), True for convolution weights (C*R*S, K).
        name: given name.

    Attributes:
        gain: numerator of the variance.
        uniform: draw from a uniform distribution instead of a normal one.
        both: the fan is the mean of inputs and outputs.
    """

    neon_module = "neonport.initializers.scaled"
    gain = 1.0
    uniform = False
    both = False

    def __init__(self, local: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.local = bool(local)

    def fill(self, param: Tensor) -> None:
        """Write random numbers into a matrix.

        Raises:
            ShapeError: `param` is not a matrix.
        """
        rows, columns = require_matrix(self.classnm, param)
        fan = (rows + columns) / 2 if self.both else float(rows if self.local else columns)
        scale = sqrt(self.gain / fan)
        rng = home(param).rng
        if self.uniform:
            bound = sqrt(3.0) * scale
            param.set(rng.uniform(-bound, bound, param.shape))
        else:
            param.set(rng.normal(0.0, scale, param.shape))


class HeNormal(VarianceScaling):
    """Normal numbers of standard deviation sqrt(2 / fan_in), for rectifiers (He et al., 2015).

    Args:
        local: False for linear weights, True for convolution weights.
        name: given name.

    Example:
        layer = Affine(nout=10, init=HeNormal(), activation=Rectlin())
    """

    gain = 2.0


class HeUniform(VarianceScaling):
    """Uniform numbers in +-sqrt(6 / fan_in), for rectifiers (He et al., 2015).

    Args:
        local: False for linear weights, True for convolution weights.
        name: given name.

    Example:
        w = be.empty((2, 6))
        HeUniform().fill(w)
        assert abs(w.get()).max() <= 1
    """

    gain = 2.0
    uniform = True


class LeCunNormal(VarianceScaling):
    """Normal numbers of standard deviation sqrt(1 / fan_in) (LeCun et al., 1998, section 4.6).

    Args:
        local: False for linear weights, True for convolution weights.
        name: given name.

    Example:
        layer = Affine(nout=10, init=LeCunNormal(), activation=Tanh())
    """


class LeCunUniform(VarianceScaling):
    """Uniform numbers in +-sqrt(3 / fan_in) (LeCun et al., 1998, section 4.6).

    Args:
        local: False for linear weights, True for convolution weights.
        name: given name.

    Example:
        w = be.empty((2, 3))
        LeCunUniform().fill(w)
        assert abs(w.get()).max() <= 1
    """

    uniform = True


class GlorotNormal(VarianceScaling):
    """Normal numbers of standard deviation sqrt(2 / (rows + columns)) (Glorot and Bengio, 2010).

    Args:
        local: without effect, as both sizes count.
        name: given name.

    Example:
        layer = Affine(nout=10, init=GlorotNormal(), activation=Tanh())
    """

    both = True


class TruncatedNormal(Initializer):
    """Normal numbers; those beyond two standard deviations are drawn again.

    Args:
        loc: mean.
        scale: standard deviation of the distribution that is cut, above 0.
        name: given name.

    Raises:
        ConfigurationError: `scale` is not above 0, or one is not a finite number.

    Example:
        w = be.empty((20, 30))
        TruncatedNormal(scale=0.1).fill(w)
        assert abs(w.get()).max() <= 0.2
    """

    neon_module = "neonport.initializers.scaled"

    def __init__(self, loc: float = 0.0, scale: float = 0.05, name: str | None = None) -> None:
        super().__init__(name=name)
        self.loc = finite_number(self.classnm, "loc", loc)
        self.scale = finite_number(self.classnm, "scale", scale)
        if self.scale <= 0:
            raise ConfigurationError(f"{self.classnm}: scale={scale} must be above 0")

    def fill(self, param: Tensor) -> None:
        """Write truncated normal numbers into `param`."""
        rng = home(param).rng
        numbers = np.asarray(rng.normal(0.0, 1.0, param.shape))
        beyond = np.abs(numbers) > WIDTH
        while beyond.any():
            numbers[beyond] = rng.normal(0.0, 1.0, int(beyond.sum()))
            beyond = np.abs(numbers) > WIDTH
        param.set(self.loc + self.scale * numbers)
