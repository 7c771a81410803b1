"""Nested descriptions as JSON text plus named arrays, and back, without losing a type.

JSON has no tuples, no arrays, no infinities and only text keys. Where it falls short a node
`{"$": kind, ...}` stands for the value:

| kind | holds |
|---|---|
| `tuple` | `items` |
| `dict` | `items`, pairs of key and value (a key is not text, or is `$` itself) |
| `float` | `value`, one of nan, inf, -inf |
| `complex` | `value`, the two parts |
| `bytes` | `value`, base64 |
| `array`, `scalar` | `name` of the tensor; `dtype` and `shape` too if safetensors lacks the dtype |
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.dtypes import BFLOAT16, ROWS, is_bfloat16
from neonport.errors import CheckpointError

MARK = "$"
_RAW_DTYPE = re.compile(r"[<>|][biufcSU]\d+")

# dtype_text -> the word safetensors has for it, whose bytes are little-endian
NATIVE = {
    BFLOAT16 if row.name == BFLOAT16 else np.dtype(row.name).newbyteorder("<").str: row.safetensors
    for row in ROWS.values()
}


def dtype_text(dtype: np.dtype) -> str:
    """NumPy's text of a dtype; the name of bfloat16, whose text is that of raw bytes."""
    return BFLOAT16 if is_bfloat16(dtype) else dtype.str


class Encoder:
    """Collects the arrays of one description while it is turned into JSON values."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._open: set[int] = set()

    def encode(self, value: Any, where: str = "") -> Any:
        """Return `value` as JSON values; `where` is its place, for errors and tensor names."""
        if isinstance(value, np.generic):
            return {MARK: "scalar", **self._array(np.asarray(value), where)}
        if value is None or isinstance(value, (bool, int, str)):
            return _plain(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {MARK: "float", "value": repr(value)}
        if isinstance(value, complex):
            return {MARK: "complex", "value": [self.encode(p) for p in (value.real, value.imag)]}
        if isinstance(value, (bytes, bytearray)):
            return {MARK: "bytes", "value": base64.b64encode(value).decode("ascii")}
        if isinstance(value, np.ndarray):
            return {MARK: "array", **self._array(value, where)}
        if isinstance(value, (dict, list, tuple)):
            return self._collection(value, where)
        raise CheckpointError(
            f"cannot store {where or 'the description'}: {type(value).__module__}."
            f"{type(value).__qualname__} is neither a dict, list, tuple, text, number, None nor "
            "array; give the object a get_description, or leave it out of the arguments"
        )

    def _collection(self, value: dict | list | tuple, where: str) -> Any:
        if id(value) in self._open:
            raise CheckpointError(f"cannot store {where}: the description contains itself")
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return self._dict(value, where)
            items = [self.encode(v, _join(where, i)) for i, v in enumerate(value)]
            return {MARK: "tuple", "items": items} if isinstance(value, tuple) else items
        finally:
            self._open.discard(id(value))

    def _dict(self, value: dict, where: str) -> Any:
        if all(type(key) is str for key in value) and MARK not in value:
            return {key: self.encode(v, _join(where, key)) for key, v in value.items()}
        pairs = [
            [self.encode(key, f"{where}: a key"), self.encode(v, _join(where, key))]
            for key, v in value.items()
        ]
        return {MARK: "dict", "items": pairs}

    def _array(self, array: np.ndarray, where: str) -> dict[str, Any]:
        if isinstance(array, np.ma.MaskedArray):
            raise CheckpointError(f"cannot store {where}: masked array; call .filled() first")
        array = np.asarray(array)
        node: dict[str, Any] = {"name": self._unused(where or "array")}
        text = dtype_text(array.dtype)
        if text not in NATIVE:
            if not _RAW_DTYPE.fullmatch(text) or array.dtype.fields:
                raise CheckpointError(
                    f"cannot store {where}: arrays of dtype {array.dtype} have no portable bytes; "
                    "convert it to a numeric dtype"
                )
            node.update(dtype=text, shape=list(array.shape))
            array = np.frombuffer(array.tobytes(), np.uint8)
        self.arrays[node["name"]] = array
        return node

    def _unused(self, name: str) -> str:
        name = name.encode("utf-8", "replace").decode("utf-8")  # headers hold valid Unicode only
        candidate, count = name, 1
        while candidate in self.arrays or candidate == "__metadata__":
            candidate, count = f"{name}~{count}", count + 1
        return candidate


def _plain(value: Any) -> Any:
    """Subclasses of text and int (enumerations, np.str_) as what they are."""
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind.__str__(value) if kind is str else kind(value)
    return None


def _join(where: str, key: Any) -> str:
    return f"{where}/{key}" if where else str(key)


def encode(description: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Split a description into JSON values and the arrays they name.

    Raises:
        CheckpointError: something in it is not plain data; the message says where.
    """
    encoder = Encoder()
    try:
        return encoder.encode(description), encoder.arrays
    except RecursionError as error:
        raise CheckpointError("cannot store the description: nested too deeply") from error


def decode(node: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Rebuild what `encode` was given.

    Args:
        node: JSON values.
        arrays: by name; one that is named in two places is the same object in both.

    Raises:
        CheckpointError: the node was not written by `encode`, names an array that is missing, or
            leaves one out.
    """
    decoder = Decoder(arrays)
    value = decoder.decode(node)
    if unused := sorted(set(arrays) - decoder.used):
        names = ", ".join(repr(name[:80]) for name in unused[:8])
        raise CheckpointError(f"the structure does not name the tensors {names}")
    return value


class Decoder:
    """Puts the arrays back into one description.

    Args:
        arrays: by name.

    Attributes:
        used: names that the description had.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.used: set[str] = set()
        self._arrays = arrays
        # as many copies as there are references would let a small file fill the memory
        self._converted: dict[Any, np.ndarray] = {}
        self._kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
            "tuple": lambda node: tuple([self.decode(item) for item in node["items"]]),
            "dict": lambda node: {
                self.decode(key): self.decode(value) for key, value in node["items"]
            },
            "float": lambda node: _FLOATS[node["value"]],
            "complex": lambda node: complex(*(self.decode(part) for part in node["value"])),
            "bytes": lambda node: base64.b64decode(node["value"], validate=True),
            "array": self._array,
            "scalar": self._scalar,
        }

    def decode(self, node: Any) -> Any:
        """Return the value that a node stands for."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        if MARK not in node:
            return {key: self.decode(value) for key, value in node.items()}
        try:
            return self._kinds[node[MARK]](node)
        except CheckpointError:
            raise
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise CheckpointError(f"unknown entry {str(node)[:80]} in the structure") from error

    def _array(self, node: dict[str, Any]) -> np.ndarray:
        array = self._arrays[node["name"]]
        self.used.add(node["name"])
        if "dtype" not in node:
            return array
        dtype, shape = node["dtype"], tuple(node["shape"])
        key = node["name"], dtype, shape
        if key not in self._converted:
            if not _RAW_DTYPE.fullmatch(dtype):
                raise CheckpointError(f"dtype {dtype!r} in the structure is not one we write")
            if min(shape, default=0) < 0:
                raise ValueError("a size is negative")
            raw = np.frombuffer(array.tobytes(), np.dtype(dtype))
            self._converted[key] = raw.reshape(shape).copy()
        return self._converted[key]

    def _scalar(self, node: dict[str, Any]) -> Any:
        array = self._array(node)
        if array.ndim:
            raise ValueError("a scalar has no dimensions")
        return array[()]


_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
