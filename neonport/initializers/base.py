"""Initializer: the one method `fill`, and the checks that all initializers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neonport.base import NervanaObject
from neonport.errors import ShapeError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor


class Initializer(NervanaObject):
    """Base class: writes first values into a parameter tensor.

    Random ones draw once per fill, the whole shape in row-major order, from `param.backend.rng`:
    the same seed and the same order of fills give the same bits on every backend.

    Example:
        class Ramp(Initializer):
            def fill(self, param):
                param.set(np.linspace(0, 1, param.size).reshape(param.shape))

        layer = Affine(nout=10, init=Ramp())
    """

    be: Backend
    neon_module = "neon.initializers.initializer"

    def fill(self, param: Tensor) -> None:
        """Write first values into `param`.

        Args:
            param: the tensor to fill, any float dtype; values are cast to it.
        """
        raise NotImplementedError(f"{self.classnm} does not define fill(param)")


def require_matrix(owner: str, param: Tensor) -> tuple[int, int]:
    """Return the two sizes of a matrix parameter.

    Raises:
        ShapeError: `param` is not two-dimensional or is empty.
    """
    if len(param.shape) != 2 or 0 in param.shape:
        raise ShapeError(
            f"{owner}: a parameter of shape {param.shape} is not a non-empty matrix; reshape it to "
            "two dimensions before filling it"
        )
    return param.shape[0], param.shape[1]
