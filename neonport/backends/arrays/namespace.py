"""`ArrayNamespace`: a library of the array-API standard, as duck arrays use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from neonport.backends.arrays.duck_array import DuckArray, HostNeeded
from neonport.backends.arrays.numpy_functions import FUNCTIONS
from neonport.dtypes import FLOAT64, ROWS, bfloat16, is_bfloat16
from neonport.shape import Shape, broadcast_shapes

STANDARD = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
}
"""Names of the array-API standard where NumPy's ufunc has another one."""

DIVISIONS = frozenset({"remainder", "floor_divide"})


@lru_cache(maxsize=4096)
def loop_dtypes(ufunc: np.ufunc, operands: tuple[Any, ...]) -> tuple[np.dtype, ...]:
    """The dtypes in which NumPy computes a ufunc, the result's last.

    Args:
        ufunc: one with one result.
        operands: dtypes; `int`, `float` or `bool` for Python numbers.
    """
    return tuple(ufunc.resolve_dtypes((*operands, None)))


class ArrayNamespace:
    """An array library: its functions by the names of the array-API standard, and what these lack.

    Args:
        xp: the module.
        widest: the widest float that the device stores; float64 is computed in it.
        library: functions of the library that compute an op as a whole, by the op's name; called
            with the library's arrays and the op's parameters.

    Attributes:
        immutable: whether arrays cannot be written to; then `set_item` makes a new one.
    """

    immutable = False

    def __init__(
        self,
        xp: Any,
        widest: np.dtype = FLOAT64,
        library: dict[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.xp = xp
        self.widest = widest
        self.library = library or {}
        self._dtypes: dict[str, Any] = {}
        self._names: dict[Any, np.dtype] = {}
        for name in ROWS:
            own = getattr(xp, name, None)
            if own is not None:
                self._dtypes[name] = own
                self._names[own] = bfloat16() if name == "bfloat16" else np.dtype(name)

    # ---- what a library does in its own way --------------------------------------------------

    def upload(self, values: np.ndarray) -> Any:
        """An array of the library with the values of a host array, which is C-contiguous.

        It may share the memory of the host array. bfloat16 comes as its bits, int16.
        """
        return self.xp.asarray(values)

    def download(self, array: Any) -> np.ndarray:
        """The values of an array on the host; it may share the memory."""
        return np.asarray(array)

    def bitcast(self, array: Any, dtype: np.dtype) -> Any:
        """The bits of an array as another dtype of the same size."""
        raise HostNeeded("the library does not reinterpret bits")

    def set_item(self, array: Any, key: Any, value: Any) -> Any:
        """The array after `array[key] = value`."""
        array[self._key(array, key, value.ndim)[0]] = self._flipped(array, key, value)
        return array

    def on_host(
        self, function: Callable[..., Any], operands: Sequence[Any], shape: Shape, dtype: np.dtype
    ) -> Any:
        """`function` of host copies of arrays of the library, as an array of a shape and dtype."""
        with np.errstate(all="ignore"):  # infinities and nan are results
            values = np.asarray(function(*map(self.to_host, operands)))
        return self.from_host(values.reshape(shape).astype(dtype, copy=False))

    # ---- between host and library ------------------------------------------------------------

    def from_host(self, values: np.ndarray) -> Any:
        """An array of the library with the values of a host array."""
        values = np.require(values, requirements=("C", "W"))
        if is_bfloat16(values.dtype):
            return self.bitcast(self.upload(values.view(np.int16)), values.dtype)
        return self.upload(values)

    def to_host(self, array: Any) -> np.ndarray:
        """The values of an array on the host."""
        dtype = self.numpy_dtype(array)
        if is_bfloat16(dtype):
            return self.download(self.bitcast(array, np.dtype(np.int16))).view(dtype)
        return self.download(array)

    # ---- dtypes ------------------------------------------------------------------------------

    def held(self, dtype: np.dtype) -> np.dtype:
        """A dtype as the device has it."""
        return self.widest if dtype == FLOAT64 else dtype

    def dtype(self, dtype: np.dtype) -> Any:
        """The library's word for a dtype."""
        try:
            return self._dtypes[dtype.name]
        except KeyError:
            raise HostNeeded(f"the library has no {dtype.name}") from None

    def numpy_dtype(self, array: Any) -> np.dtype:
        """NumPy's dtype of an array of the library."""
        found = self._names.get(array.dtype)
        return np.dtype(array.dtype) if found is None else found

    def astype(self, array: Any, dtype: np.dtype) -> Any:
        """The values in another dtype, converted as C does."""
        return self.xp.astype(array, self.dtype(dtype))

    # ---- arrays ------------------------------------------------------------------------------

    def duck(self, array: Any, dtype: np.dtype | None = None) -> DuckArray:
        """An array of the library as the definitions take it."""
        return DuckArray(array, self, dtype)

    def lift(self, value: Any, dtype: np.dtype) -> DuckArray:
        """A duck array from one, from a host array or from a number, which becomes `dtype`."""
        if isinstance(value, DuckArray):
            return value
        host = np.asarray(value, None if isinstance(value, (np.ndarray, np.generic)) else dtype)
        if host.dtype != self.held(host.dtype):
            host = host.astype(self.held(host.dtype))
        return DuckArray(self.from_host(host), self, host.dtype)

    def copy(self, array: Any) -> Any:
        """A new array of the same values."""
        return self.xp.asarray(array, copy=True)

    def transpose(self, array: Any, order: Shape) -> Any:
        """The axes in another order."""
        return self.xp.permute_dims(array, order)

    def broadcast(self, value: DuckArray, shape: Shape) -> Any:
        """The library's array of a duck array, repeated to a shape."""
        return value.array if value.shape == shape else self.xp.broadcast_to(value.array, shape)

    def get_item(self, array: Any, key: Any) -> Any:
        """`array[key]`, backward slices included, which the standard leaves out for some."""
        forward, flipped = self._key(array, key)
        found = array[forward]
        return self.xp.flip(found, axis=flipped) if flipped else found

    def _flipped(self, array: Any, key: Any, value: Any) -> Any:
        """What is stored forward where a key runs backward."""
        _, flipped = self._key(array, key, value.ndim)
        return self.xp.flip(value, axis=flipped) if flipped else value

    def _key(self, array: Any, key: Any, rank: int | None = None) -> tuple[Any, Shape]:
        """A key without backward slices, and the axes of the result that then run the wrong way."""
        parts = key if isinstance(key, tuple) else (key,)
        plain = [self._key_part(part) for part in parts]
        flipped = tuple(a for a, part in enumerate(plain) if _is_backward(part))
        if flipped:
            if rank not in (None, len(array.shape)) or not all(
                isinstance(part, slice) for part in plain
            ):
                raise HostNeeded("a backward slice beside other kinds of keys")
            for axis in flipped:
                plain[axis] = _forward(plain[axis], int(array.shape[axis]))
        return (tuple(plain) if isinstance(key, tuple) else plain[0]), flipped

    def _key_part(self, part: Any) -> Any:
        """An entry of a key as the library takes it."""
        if not isinstance(part, (DuckArray, np.ndarray)):
            return part
        if part.dtype.kind == "b":
            raise HostNeeded("the definition picks elements by a mask")
        return part.array if isinstance(part, DuckArray) else self.from_host(part)

    # ---- NumPy's functions -------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., Any]:
        """The library's function for a ufunc of NumPy's."""
        found = getattr(self.xp, STANDARD.get(name, name), None) or getattr(self.xp, name, None)
        if found is None:
            raise HostNeeded(f"the library has no {name}")
        result: Callable[..., Any] = found
        return result

    def ufunc(self, ufunc: np.ufunc, inputs: Sequence[Any]) -> DuckArray:
        """A ufunc of NumPy's on duck arrays, host arrays and numbers, in NumPy's dtypes."""
        kinds = tuple(_kind(x) for x in inputs)
        *wanted, result = map(self.held, loop_dtypes(ufunc, kinds))
        operands = [
            self.lift(x, d).astype(d, copy=False).array for x, d in zip(inputs, wanted, strict=True)
        ]
        name = str(ufunc.__name__)
        if name == "divide" and result.kind != "f":
            raise HostNeeded("a division of integers")
        call = self.function(name)
        if name in DIVISIONS and result.kind in "iu":
            array = self._whole_division(call, *operands)
        else:
            array = call(*operands)
        return DuckArray(self.xp.astype(array, self.dtype(result), copy=False), self, result)

    def _whole_division(self, call: Callable[..., Any], a: Any, b: Any) -> Any:
        """A division of integers with NumPy's 0 where the divisor is 0; libraries differ there."""
        zero = b == 0
        one, nothing = self.xp.ones_like(b), self.xp.zeros_like(b)
        found = call(a, self.xp.where(zero, one, b))
        return self.xp.where(zero, nothing, found)

    def numpy_function(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A function of NumPy's that is no ufunc."""
        own = FUNCTIONS.get(func)
        if own is None:
            raise HostNeeded(f"np.{func.__name__} is not translated")
        return own(self, *args, **kwargs)

    def common(self, values: Sequence[Any]) -> list[DuckArray]:
        """Several operands in the dtype that NumPy gives them together."""
        parts = [x if type(x) in (bool, int, float) else x.dtype for x in values]
        dtype = self.held(np.result_type(*parts))
        return [self.lift(x, dtype).astype(dtype, copy=False) for x in values]

    def common_shape(self, values: Sequence[DuckArray]) -> Shape:
        """The shape to which operands broadcast."""
        shape: Shape = ()
        for value in values:
            merged = broadcast_shapes(shape, value.shape)
            if merged is None:
                raise HostNeeded("operands do not broadcast")
            shape = merged
        return shape


def _is_backward(part: Any) -> bool:
    return isinstance(part, slice) and part.step is not None and part.step < 0


def _forward(part: slice, n: int) -> slice:
    """The elements of a backward slice of n elements, from the first one on."""
    taken = range(*part.indices(n))
    if not taken:
        return slice(0, 0)
    return slice(taken[-1], taken[0] + 1, -part.step)


def _kind(value: Any) -> Any:
    """What NumPy's rules of promotion look at."""
    if isinstance(value, (DuckArray, np.ndarray, np.generic)):
        return value.dtype
    if type(value) in (bool, int, float):
        return type(value)
    if isinstance(value, int):
        return int
    if isinstance(value, float):
        return float
    raise HostNeeded(f"an operand of type {type(value).__name__}")
