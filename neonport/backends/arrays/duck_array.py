"""`DuckArray`: an array of another library that speaks NumPy's protocols (NEP 13 and NEP 18).

The definitions of the op table are written for NumPy. Given duck arrays, NumPy hands each function
back to the arrays, and so the same definition runs in the other library. There is no second list of
what the ops mean.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from neonport.shape import Shape


class HostNeeded(Exception):
    """A definition asks for what the library cannot do; NumPy runs it on the host."""


class DuckArray(NDArrayOperatorsMixin):
    """An array of a library, with the part of an ndarray's interface that definitions use.

    Args:
        array: the library's own array.
        arrays: the `ArrayNamespace` that it belongs to.
        dtype: its dtype, if known.
        origin: the duck array and the key that it is a part of, in a namespace whose arrays are
            immutable; the key is None where a write would not find its way back.
    """

    __slots__ = ("__weakref__", "array", "arrays", "dtype", "origin", "views")

    def __init__(
        self,
        array: Any,
        arrays: Any,
        dtype: np.dtype | None = None,
        origin: tuple[DuckArray, Any] | None = None,
    ) -> None:
        self.array = array
        self.arrays = arrays
        self.dtype = arrays.numpy_dtype(array) if dtype is None else dtype
        self.origin = origin
        self.views: list[weakref.ref[DuckArray]] = []
        if origin is not None:
            origin[0].views.append(weakref.ref(self))

    # ---- facts -------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Length of each axis."""
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.array.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.array.shape:
            size *= int(n)
        return size

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def __iter__(self) -> Iterator[DuckArray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<duck array {self.shape} {self.dtype}>"

    # ---- NumPy's protocols -------------------------------------------------------------------

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        if method != "__call__" or ufunc.nout != 1 or options:
            raise HostNeeded(f"np.{ufunc.__name__}: {method} {sorted(options)}")
        result = self.arrays.ufunc(ufunc, inputs)
        if out is None:
            return result
        (target,) = out
        if not isinstance(target, DuckArray):
            raise HostNeeded(f"np.{ufunc.__name__} writes to an array of the host")
        target.write(self.arrays.broadcast(result.astype(target.dtype), target.shape))
        return target

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.arrays.numpy_function(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise HostNeeded("the definition wants an array of the host")

    def _no_number(self) -> Any:
        raise HostNeeded("the definition looks at a value")

    __bool__ = __int__ = __float__ = __index__ = _no_number

    # ---- methods of an ndarray ---------------------------------------------------------------

    def astype(self, dtype: Any, copy: bool = True) -> DuckArray:
        """The values in another dtype; in the widest float of the device where that is narrower."""
        wanted = self.arrays.held(np.dtype(dtype))
        if wanted == self.dtype and not copy:
            return self
        return DuckArray(self.arrays.astype(self.array, wanted), self.arrays, wanted)

    def copy(self) -> DuckArray:
        """An array of its own with the same values."""
        return DuckArray(self.arrays.copy(self.array), self.arrays, self.dtype)

    def view(self, dtype: Any) -> DuckArray:
        """The same bits, read as another dtype of the same size."""
        wanted = np.dtype(dtype)
        return self._part(self.arrays.bitcast(self.array, wanted), None, wanted)

    def reshape(self, *shape: Any) -> DuckArray:
        """The same elements in another shape."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self._part(self.arrays.xp.reshape(self.array, tuple(wanted)))

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> DuckArray:
        """Sum over axes."""
        found: DuckArray = np.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)
        return found

    @property
    def T(self) -> DuckArray:
        """Axes in reverse order."""
        return self._part(self.arrays.transpose(self.array, tuple(range(self.ndim))[::-1]))

    def __getitem__(self, key: Any) -> DuckArray:
        array = self.arrays.get_item(self.array, key)
        return self._part(array, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.arrays.immutable:
            if isinstance(value, DuckArray) and value.origin is not None:
                parent, place = value.origin
                if parent is self and place is key:
                    return  # the end of `x[key] += y`, which has written
            if self.origin is not None:
                raise HostNeeded("the definition writes to a part of a part")
            if self._seen():
                raise HostNeeded("the definition writes to what it also looks at")
        lifted = self.arrays.lift(value, self.dtype).astype(self.dtype, copy=False)
        self.array = self.arrays.set_item(self.array, key, lifted.array)

    def write(self, array: Any) -> None:
        """Replace all elements, for `x += y` and its kin."""
        if not self.arrays.immutable:
            self.array[...] = array
            return
        if self._seen():
            raise HostNeeded("the definition writes to what it also looks at")
        self.array = array
        if self.origin is not None:
            parent, key = self.origin
            if key is None or parent.origin is not None or parent._seen() > 1:
                raise HostNeeded("the definition writes to a part of a part")
            parent.array = self.arrays.set_item(parent.array, key, array)

    def _seen(self) -> int:
        """How many views of this array somebody still holds, in an immutable namespace."""
        self.views = [view for view in self.views if view() is not None]
        return len(self.views)

    def _part(self, array: Any, key: Any = None, dtype: np.dtype | None = None) -> DuckArray:
        """What shows the same elements; in an immutable namespace it remembers where it is from."""
        origin = (self, key) if self.arrays.immutable else None
        return DuckArray(array, self.arrays, dtype or self.dtype, origin)
