"""Initializers that make a matrix with structure: identity and orthonormal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neonport.backends.home import home
from neonport.base import finite_number
from neonport.errors import ShapeError
from neonport.initializers.base import Initializer, require_matrix

if TYPE_CHECKING:
    from neonport.tensor.tensor import Tensor


class IdentityInit(Initializer):
    """The identity in the first columns of a matrix that is at least as wide as high, zeros after.

    Args:
        local: kept for neon, without effect.
        name: given name.

    Example:
        w = be.empty((2, 3))
        IdentityInit().fill(w)
        assert (w.get() == [[1, 0, 0], [0, 1, 0]]).all()
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, local: bool = True, name: str = "Identity") -> None:
        super().__init__(name=name)
        self.local = local

    def fill(self, param: Tensor) -> None:
        """Write the identity into a matrix of shape (a, b) with b >= a.

        Raises:
            ShapeError: `param` is not such a matrix.
        """
        rows, columns = require_matrix(self.classnm, param)
        if columns < rows:
            raise ShapeError(
                f"IdentityInit: a matrix of {param.shape} has fewer columns than rows, so the "
                "identity does not fit"
            )
        param.set(np.eye(rows, columns))


class Orthonormal(Initializer):
    """A matrix whose shorter axis is orthonormal, times `scale` (Saxe et al., 2014).

    It is a factor of the singular value decomposition of a standard normal matrix.

    Args:
        scale: factor on the orthonormal matrix.
        name: given name.

    Example:
        w = be.empty((2, 3))
        Orthonormal(scale=1).fill(w)
        assert np.allclose(w.get() @ w.get().T, np.eye(2), atol=1e-5)
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, scale: float = 1.1, name: str = "orthonormal") -> None:
        super().__init__(name=name)
        self.scale = finite_number("Orthonormal", "scale", scale)

    def fill(self, param: Tensor) -> None:
        """Write an orthonormal matrix into `param`.

        Raises:
            ShapeError: `param` is not a matrix.
        """
        require_matrix(self.classnm, param)
        normal = home(param).rng.normal(0.0, 1.0, param.shape)
        u, _, vt = np.linalg.svd(normal, full_matrices=False)
        param.set(self.scale * (u if u.shape == param.shape else vt))
