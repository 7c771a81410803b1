"""`Array`: a tensor with its logical shape, which may have no axis, or one.

A tensor has at least two axes. The tensor of an array has unit axes in front of those of the array:
shape (3,) is a tensor of (1, 3), and a number is one of (1, 1). So axes counted from the last one,
and broadcasting, are the same for both.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.array_api.core.devices import Device, backend_of
from neonport.array_api.core.dtypes import INTEGRAL, int64, uint64
from neonport.errors import ConfigurationError, DLPackError, DtypeError, ShapeError
from neonport.shape import MIN_DIMS, Shape
from neonport.tensor.tensor import Tensor

VERSION = "2024.12"
_VERSIONS = ("2021.12", "2022.12", "2023.12", VERSION)


def padded(shape: Shape) -> Shape:
    """The shape of the tensor of an array of some shape."""
    return (1,) * (MIN_DIMS - len(shape)) + tuple(shape)


class Array:
    """An array of the array API standard over a tensor of a backend.

    Made by `asarray` and the other functions of `neonport.array_api`. Slices, `T`, `reshape` (where
    it can) and `permute_dims` are views: they see what is written to the array.

    Args:
        tensor: holds the elements; its shape is `padded(shape)`.
        shape: of the array.

    Attributes:
        tensor: the tensor, for everything else that neonport offers.
        shape: sizes of the axes.

    Example:
        >>> import neonport.array_api as xp
        >>> x = xp.asarray([1.0, 2.0, 4.0])
        >>> float(xp.sum(x * x))
        21.0
    """

    __slots__ = ("__weakref__", "shape", "tensor")
    __array_ufunc__ = None  # an ndarray on the left leaves operators to us
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tensor: Tensor, shape: Shape) -> None:
        self.tensor = tensor
        self.shape = tuple(shape)

    # ---- facts -------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the elements."""
        return self.tensor.dtype

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return Device(self.tensor.backend)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def T(self) -> Array:
        """The transpose of a matrix, a view.

        Raises:
            ShapeError: there are not two axes.
        """
        if self.ndim != 2:
            raise ShapeError(f"T: is for two axes, not for shape {self.shape}; use permute_dims")
        return self.mT

    @property
    def mT(self) -> Array:
        """A view with the last two axes swapped.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        if self.ndim < 2:
            raise ShapeError(f"mT: shape {self.shape} has fewer than two axes")
        rank = self.ndim
        turned = self.tensor.permute((*range(rank - 2), rank - 1, rank - 2))
        return Array(turned, turned.shape)

    def exact(self) -> Tensor:
        """The elements as a tensor of the array's own shape: to hand out, not to compute with."""
        cut, t = self.tensor.ndim - self.ndim, self.tensor
        return Tensor(t.backend, t.storage, t.dtype, (t.shape[cut:], t.strides[cut:], t.offset))

    def host(self) -> np.ndarray:
        """A NumPy array of its own with the elements; waits for pending work."""
        return self.tensor.get().reshape(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise DtypeError("len: an array without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if self.tensor.backend.closed:
            return f"<Array {self.shape} {self.dtype} on {self.device}, backend cleaned up>"
        form: dict[str, Any] = {"threshold": 100, "edgeitems": 3, "separator": ", "}
        text = np.array2string(self.host(), prefix="Array(", **form)
        return f"Array({text}, dtype={self.dtype}, device={str(self.device)!r})"

    # ---- numbers -----------------------------------------------------------------------------

    def _only(self, what: str) -> Any:
        if self.shape:
            raise DtypeError(f"{what}: an array of shape {self.shape} is not one number")
        return self.tensor.item()

    def __bool__(self) -> bool:
        return bool(self._only("bool"))

    def __int__(self) -> int:
        return int(self._only("int"))

    def __float__(self) -> float:
        return float(self._only("float"))

    def __complex__(self) -> complex:
        return complex(self._only("complex"))

    def __index__(self) -> int:
        if self.dtype not in INTEGRAL:
            raise DtypeError(f"index: an array of {self.dtype} is no integer")
        return operator.index(self._only("index"))

    # ---- other libraries and devices ---------------------------------------------------------

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The module `neonport.array_api`.

        Raises:
            ConfigurationError: a version of the standard that it does not follow.
        """
        if api_version is not None and api_version not in _VERSIONS:
            raise ConfigurationError(
                f"array API version {api_version!r} is not offered; there is {VERSION}"
            )
        # the package imports this module, and is there when somebody has an array
        return sys.modules["neonport.array_api"]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.exact().__array__(dtype, copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.exact().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        """The array on another device: itself if it is there, else a copy.

        Args:
            device: a device, or its name.
            stream: None; devices order their work by themselves.

        Raises:
            ConfigurationError: a stream is given.
        """
        if stream is not None:
            raise ConfigurationError(f"to_device: stream={stream!r} must be None")
        target = backend_of(device)
        if target is self.tensor.backend:
            return self
        out = target.empty(self.tensor.shape, dtype=self.dtype)
        return Array(out.set(self.tensor.get()), self.shape)

    def __copy__(self) -> Array:
        return Array(self.tensor.__copy__(), self.shape)

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return memo.setdefault(id(self), self.__copy__())

    if TYPE_CHECKING:
        # set by `operators.py`, which knows the functions
        def __getitem__(self, key: Any, /) -> Array: ...
        def __setitem__(self, key: Any, value: Any, /) -> None: ...
        def __abs__(self) -> Array: ...
        def __neg__(self) -> Array: ...
        def __invert__(self) -> Array: ...
        def __add__(self, other: Any, /) -> Array: ...
        def __sub__(self, other: Any, /) -> Array: ...
        def __mul__(self, other: Any, /) -> Array: ...
        def __rmul__(self, other: Any, /) -> Array: ...
        def __truediv__(self, other: Any, /) -> Array: ...
        def __matmul__(self, other: Any, /) -> Array: ...


def adopt(backend: Any, x: Any, copy: bool | None) -> Array:
    """An array over the memory of a DLPack producer; a copy if `copy`, or if None and need be.

    One without the attribute `shape`, which the protocol does not ask for, has the tensor's.

    Raises:
        DLPackError, ShapeError: the memory cannot be shared and `copy` is False.
    """
    try:
        tensor = backend.from_dlpack(x, copy=copy)
    except (DLPackError, ShapeError):  # of another device, or elements repeat in memory
        if copy is not None:
            raise
        tensor = backend.from_dlpack(x, copy=True)
    shape = tuple(getattr(x, "shape", tensor.shape))
    return Array(tensor.reshape(padded(shape)), shape)


def bits(t: Tensor) -> Tensor:
    """A tensor whose values kernels keep: uint64 is seen as the int64 of the same bits."""
    if t.dtype != uint64:
        return t
    return Tensor(t.backend, t.storage, int64, t.layout, base=t)
