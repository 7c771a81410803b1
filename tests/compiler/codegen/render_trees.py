"""Statements that between them reach every form of a rendered kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.optree.node import transpose


def _softmax(be: Any) -> Any:
    x = be.zeros((100, 1000))
    e = be.exp(x - be.max(x, axis=1))
    return e / be.sum(e, axis=1)


def _adam(be: Any) -> Any:
    w, g, m, v = (be.zeros((64, 1000)) for _ in range(4))
    first, second = m * 0.9 + g * 0.1, v * 0.999 + g * g * 0.001
    return [(m, first), (v, second), (w, w - 0.001 * first / (be.sqrt(second) + 1e-8))]


def _batch_norm(be: Any) -> Any:
    x, gamma, beta = be.zeros((48, 1024)), be.zeros((48, 1)), be.zeros((48, 1))
    hat = (x - be.mean(x, axis=1)) / be.sqrt(be.var(x, axis=1) + 1e-3)
    return hat * gamma + beta


def _every_op(be: Any) -> Any:
    x, y = be.zeros((33, 40)), be.zeros((33, 40))
    a = be.exp(x) + be.log(y) + be.tanh(x) + be.sig(y) + be.sig2(x) + be.tanh2(y) + be.sqrt(x)
    b = be.exp2(x) + be.log2(y) + be.safelog(x) + be.rint(y) + be.finite(x) + be.sgn(y) + abs(x)
    c = be.maximum(x, y) + be.minimum(x, y) + (x == y) + (x != y) + (x < y) + (x <= y) + (x > y)
    return a + b + c + (x >= y) + be.absolute(x) ** 1.5 - be.square(y) / 3


def _all_dtypes(be: Any) -> Any:
    x, names = be.zeros((8, 64)), ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
    kinds = (*names, "uint64", "bool", "float16", "bfloat16")
    ins = [be.zeros((8, 64), dtype=k) for k in kinds]
    outs = [be.zeros((8, 64), dtype=k) for k in kinds]
    return [(o, x * 2 + i) for i, o in zip(ins, outs, strict=True)]


def _turned(be: Any) -> Any:
    """Transposed operands of every dtype, beside straight ones."""
    kinds = ("int8", "uint8", "int16", "int32", "int64", "bool", "float16", "bfloat16", "float32")
    ins = [be.zeros((300, 200), dtype=k) for k in kinds]
    outs = [be.zeros((200, 300), dtype=k) for k in kinds]
    row, column = be.zeros((1, 300)), be.zeros((200, 1))
    pairs = zip(ins, outs, strict=True)
    return [(o, be.tanh(i.T) * row + be.zeros((200, 300)) * column) for i, o in pairs]


def _copies(be: Any) -> Any:
    whole = be.zeros((8, 64), dtype=np.int64)
    kinds = (np.int8, np.uint8, np.uint64, np.bool_, np.float32, "bfloat16")
    return [(be.zeros((8, 64), dtype=k), whole) for k in kinds]


TREES: dict[str, Callable[[Any], Any]] = {
    "map": lambda be: be.zeros((100, 1000)) * 2 + 1,
    "map_tail": lambda be: be.zeros((7, 13)) * be.zeros((7, 1)),
    "map_strided": lambda be: be.zeros((48, 128))[:, ::2] + be.zeros((48, 64)),
    "map_turned": lambda be: be.zeros((300, 200)).T * 2 + be.zeros((200, 300)),
    "map_turned_small": lambda be: be.zeros((64, 48)).T + be.zeros((48, 64)),
    "map_turned_axes": lambda be: transpose(be.zeros((20, 30, 40)), (2, 0, 1)) + 1,
    "map_turned_dtypes": _turned,
    "every_op": _every_op,
    "all_dtypes": _all_dtypes,
    "copies": _copies,
    "softmax": _softmax,
    "adam": _adam,
    "batch_norm": _batch_norm,
    "columns": lambda be: be.zeros((20, 4096)) - be.max(be.zeros((20, 4096)), axis=0),
    "columns_tail": lambda be: be.var(be.zeros((300, 33)), axis=0),
    "columns_half": lambda be: be.sum(be.zeros((64, 40), dtype=np.float16), axis=0),
    "columns_bfloat16": lambda be: be.sum(be.zeros((64, 40), dtype="bfloat16"), axis=0),
    "long_rows": lambda be: be.sum(be.zeros((3, 1 << 20)), axis=1),
    "long_rows_var": lambda be: be.zeros((1, 1 << 20)) * be.var(be.zeros((1, 1 << 20)), axis=1),
    "long_columns": lambda be: be.mean(be.zeros((1 << 18, 10)), axis=0),
    "argmax_rows": lambda be: be.argmax(be.zeros((10, 1000)), axis=1),
    "argmax_columns": lambda be: be.argmin(be.zeros((10, 1000)), axis=0),
    "argmax_long": lambda be: be.argmax(be.zeros((1, 1 << 20)), axis=1),
    "dropout": lambda be: be.zeros((30, 50)) * (be.rand(shape=(30, 50)) < 0.5),
    "take_rows": lambda be: be.take(be.zeros((50, 64)), be.zeros((7, 1), dtype=np.int32), axis=0),
    "take_columns": lambda be: be.take(be.zeros((5, 64)), be.zeros((7, 1), dtype=np.int32), axis=1),
    "take_bfloat16": lambda be: [
        (be.zeros((7, 64), dtype="bfloat16"), be.take(x, be.zeros((7, 1), dtype=np.int32), axis=0))
        for x in (be.zeros((50, 64), dtype="bfloat16"),)
    ],
    "onehot": lambda be: be.onehot(be.zeros((1, 32), dtype=np.int32), axis=0, classes=10) * 2,
}
WIDE: dict[str, Callable[[Any], Any]] = {
    "map_turned64": lambda be: be.zeros((300, 200), dtype=np.float64).T * be.zeros((200, 300)),
    "map64": lambda be: be.exp(be.zeros((9, 21), dtype=np.float64)) ** 2.5,
    "rows64": lambda be: be.var(be.zeros((9, 210), dtype=np.float64), axis=1),
    "columns64": lambda be: be.max(be.zeros((90, 21), dtype=np.float64), axis=0) * 2,
    "mixed": lambda be: [
        (be.zeros((8, 32), dtype=k), be.sig(be.zeros((8, 32), dtype=np.float64)) * 100)
        for k in (np.int8, np.int64, np.uint64, np.float16, "bfloat16", np.float32, np.bool_)
    ],
}
