"""What the pickle of a checkpoint may call: a closed table of functions that build plain data.

Each stands for a function of NumPy's or Python's, checks its arguments and makes what that would
have made; the functions themselves are not called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_KINDS = "biuf"  # of NumPy dtypes


class Wrong(ValueError):
    """What is wrong with a pickle; its place is added by the reader."""


class Name:
    """A function or class that a pickle names."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Dtype:
    """A dtype while it is put together."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype


class Array:
    """An array, empty until its state has been read."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray = np.zeros(0, np.int8)


def word(value: Any) -> str:
    """What a value is called in an error."""
    return value.text[:100] if isinstance(value, Name) else type(value).__name__.strip("_").lower()


def check_key(value: Any) -> Any:
    """A value that may be a key: text, a number, or a tuple of such."""
    if isinstance(value, (str, bytes, int, float, type(None))):
        return value
    if isinstance(value, tuple) and len(value) <= 8:
        for item in value:
            if not isinstance(item, (str, bytes, int, float, type(None))):
                raise Wrong("a key holds something that is no text or number")
        return value
    raise Wrong(f"a {word(value)} is a key")


def call(function: Any, arguments: Any) -> Any:
    """The plain data that a call of `function` would make.

    Raises:
        Wrong: it is none of the table, or does not take the arguments.
    """
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise Wrong("something is called that is no function")
    made = _FUNCTIONS.get(_modern(function.text))
    if made is None:
        raise Wrong(f"it asks for {function.text[:100]!r}, which is no plain data")
    try:
        return made(*arguments)
    except TypeError as error:
        raise Wrong(f"{function.text[:100]} has arguments that it does not take") from error


def _modern(name: str) -> str:
    """The name of today for a function of NumPy's or Python's."""
    for old, new in (
        ("__builtin__.", "builtins."),
        ("copy_reg.", "copyreg."),
        ("numpy._core.", "numpy.core."),
    ):
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _reconstruct(cls: Any, shape: Any, code: Any) -> Array:
    if not isinstance(cls, Name) or cls.text != "numpy.ndarray":
        raise Wrong(f"an array of the class {word(cls)} is no plain data")
    return Array()


def _make_dtype(code: Any, align: Any = 0, copy: Any = 1) -> Dtype:
    if isinstance(code, Name):
        code = code.text.rpartition(".")[2]
    if not isinstance(code, str) or len(code) > 12:
        raise Wrong("a dtype has no name")
    try:
        dtype = np.dtype(code)
    except (TypeError, ValueError) as error:
        raise Wrong(f"{code!r} is no dtype") from error
    if dtype.kind not in _KINDS:
        raise Wrong(f"arrays of dtype {code!r} hold no plain numbers")
    return Dtype(dtype)


def dtype_of_state(dtype: np.dtype, state: Any) -> np.dtype:
    """Apply the state of a dtype: its byte order; it must have no fields."""
    if (
        not isinstance(state, tuple)
        or len(state) < 5
        or any(part is not None for part in state[2:5])
    ):
        raise Wrong("a dtype with fields holds no plain numbers")
    order = state[1]
    if order not in ("<", ">", "|", "="):
        raise Wrong("a dtype has no byte order")
    return dtype.newbyteorder(order)


def array_of_state(state: Any) -> np.ndarray:
    """An array from its state: (version,) shape, dtype, whether columns come first, bytes."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise Wrong("an array has no state")
    shape, dtype, columns_first, content = state[-4:]
    return _array(content, dtype, shape, "F" if columns_first else "C")


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(dtype, Dtype):
        raise Wrong("an array has no dtype")
    kind = dtype.dtype
    whole = isinstance(shape, tuple) and len(shape) <= 32
    if not whole or any(type(n) is not int or not 0 <= n < 2**62 for n in shape):
        raise Wrong("the shape of an array is none")
    if isinstance(content, str):  # Python 2's bytes
        try:
            content = content.encode("latin-1")
        except UnicodeEncodeError as error:
            raise Wrong("the bytes of an array are text") from error
    if not isinstance(content, (bytes, bytearray)):
        raise Wrong("an array holds objects instead of bytes")
    if math.prod(shape) * kind.itemsize != len(content):
        raise Wrong(f"an array of shape {shape} and dtype {kind} has {len(content)} bytes")
    flat = np.frombuffer(content, kind) if len(content) else np.zeros(0, kind)
    array = flat.reshape(shape, order="F" if order == "F" else "C")
    return np.array(array, dtype=kind.newbyteorder("="), order="C")


def _scalar(dtype: Any, content: Any = b"") -> Any:
    return _array(content, dtype, ()).item()


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise Wrong("bytes are written in an unknown way")
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise Wrong("bytes are text") from error


def _pairs(pairs: Any = ()) -> dict[Any, Any]:
    if isinstance(pairs, dict):
        return dict(pairs)
    if not isinstance(pairs, (list, tuple)):
        raise Wrong("a dict is made of something else")
    if any(not isinstance(pair, (list, tuple)) or len(pair) != 2 for pair in pairs):
        raise Wrong("a dict is made of something else")
    return {check_key(key): value for key, value in pairs}


def _items(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def make(items: Any = ()) -> Any:
        if not isinstance(items, (list, tuple, set)):
            raise Wrong("a list is made of something else")
        return kind(check_key(item) for item in items) if kind is set else kind(items)

    return make


def _number(kind: type) -> Callable[..., Any]:
    def make(value: Any = 0) -> Any:
        if not isinstance(value, (bool, int, float)):
            raise Wrong("a number is made of something else")
        return kind(value)

    return make


def _bytes(content: Any = b"", codec: Any = "latin1") -> bytes:
    return content if isinstance(content, bytes) else _encode(content, codec)


def _reconstructor(cls: Any, base: Any, state: Any) -> Any:
    """What protocols 0 and 1 wrote for an object of a class that is made from another."""
    if isinstance(cls, Name) and _modern(cls.text) in _FUNCTIONS:
        return call(cls, () if state is None else (state,))
    raise Wrong(f"an object of the class {word(cls)} is no plain data")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array,
    "numpy.dtype": _make_dtype,
    "_codecs.encode": _encode,
    "copyreg._reconstructor": _reconstructor,
    "collections.OrderedDict": _pairs,
    "builtins.dict": _pairs,
    "builtins.list": _items(list),
    "builtins.tuple": _items(tuple),
    "builtins.set": _items(set),
    "builtins.frozenset": _items(set),
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.int": _number(int),
    "builtins.long": _number(int),
    "builtins.float": _number(float),
    "builtins.bool": _number(bool),
}
