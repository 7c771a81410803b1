"""Initializers with given values: Constant and Array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers.base import Initializer
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Constant(Initializer):
    """Fill with a number, or with the elements of an array.

    Args:
        val: a number; an array with as many elements as the parameter (one of another rank is
            reshaped in row-major order, so filters may be given as (C, R, S, K)); or a tensor of
            the same shape, on any backend.
        name: given name.

    Raises:
        ConfigurationError: `val` is neither.

    Example:
        w = be.empty((2, 3))
        Constant(0.5).fill(w)
        assert (w.get() == 0.5).all()
    """

    neon_module = "neon.initializers.initializer"

    def __init__(self, val: float | ArrayLike | Tensor = 0.0, name: str = "constantInit") -> None:
        super().__init__(name=name)
        if not isinstance(val, Tensor):
            # a tree has no values yet, and asarray would take it for a sequence
            kind = "O" if isinstance(val, OpTreeNode) else np.asarray(val).dtype.kind
            if kind not in "biuf":
                raise ConfigurationError(
                    f"{self.classnm}: val of type {type(val).__name__} is neither a number nor an "
                    "array of numbers nor a tensor"
                )
        self.val = val

    def fill(self, param: Tensor) -> None:
        """Write the value(s) into `param`.

        Raises:
            ShapeError: the array or tensor does not fit the parameter.
        """
        if isinstance(self.val, Tensor):
            if self.val.shape != param.shape:
                raise self._misfit(self.val.shape, param)
            param.copy_from(self.val)
            return
        values = np.asarray(self.val)
        if values.ndim == 0:
            param[:] = float(values)
            return
        same_rank = values.ndim == len(param.shape)
        if values.size != param.size or (same_rank and values.shape != param.shape):
            raise self._misfit(values.shape, param)
        param.set(values.reshape(param.shape))

    def _misfit(self, shape: tuple[int, ...], param: Tensor) -> ShapeError:
        return ShapeError(
            f"{self.classnm} {self.name!r}: values of shape {shape} do not fit a parameter of "
            f"shape {param.shape}"
        )

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the initializer; a tensor is described by its values."""
        desc = super().get_description(skip=skip, **kwargs)
        val = desc["config"].get("val")
        if isinstance(val, Tensor):
            desc["config"]["val"] = val.get()
        return desc


class Array(Constant):
    """Fill with the elements of an array or tensor; the same as Constant, under its older name.

    Example:
        w = be.empty((2, 3))
        Array(np.arange(6)).fill(w)
        assert (w.get() == [[0, 1, 2], [3, 4, 5]]).all()
    """

    neon_module = "neon.initializers.initializer"
