"""Every hand-written kernel in every variant of its text, for compilers and checkers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.backends.gpu import matmul, transpose
from neonport.backends.gpu.kernel_text import FOUR, kernel_text
from neonport.backends.gpu.kernels import convolution, recurrence
from neonport.backends.gpu.matmul import TILES
from neonport.compiler.codegen.gpu.dialects import DeviceDialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.dtypes import FLOAT_NAMES, bfloat16
from neonport.ops.recurrence import ACTIVATIONS

GROUP = 64
WHOLE = (np.int32, np.int64)


def hand_written(
    dialect: DeviceDialect, dtypes: tuple[str, ...] = FLOAT_NAMES
) -> Iterator[tuple[str, str]]:
    """(name, text) of every hand-written kernel in every variant.

    Args:
        dialect: the language.
        dtypes: float dtypes of the arrays.
    """
    seen: set[str] = set()
    for bits in transpose.BITS.values():
        for whole in WHOLE:
            for traits in (DeviceTraits(), DeviceTraits(group=1)):
                files, side, group = transpose.form(traits)
                sides = {"TILE": side, "GROUP": group}
                text = kernel_text(dialect, files, np.dtype(bits), whole, **sides)
                yield f"{files[-1]} {bits} {whole.__name__}", text
    for name in dtypes:
        dtype = bfloat16() if name == "bfloat16" else np.dtype(name)
        for whole in WHOLE:
            for files, macros in _variants(dialect):
                words = " ".join(f"{k}={v}" for k, v in macros.items())
                title = f"{files[-1]} {name} {whole.__name__} {words}"
                text = kernel_text(dialect, files, dtype, whole, **macros)
                if text not in seen:  # a tile may not be able to fetch four at a time
                    seen.add(text)
                    yield title, text


def _variants(dialect: DeviceDialect) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    yield from _products()
    index = {"INDEX": dialect.types["int32"]}
    for unit in (0, 1):
        flat = {"GROUP": GROUP, "UNIT": unit}
        for how in range(4):
            result = "int" if how == 3 else "STORED"
            yield ("windows.h", "pool.h"), {**flat, "HOW": how, "RESULT": result}
        for how in range(3):
            yield ("windows.h", "pool_backward.h"), {**flat, "HOW": how, **index}
        yield ("windows.h", "max_pool_gather.h"), {**flat, **index}
    for how in (0, 3):
        result = "int" if how == 3 else "STORED"
        yield ("roi.h", "roi_pool.h"), {"GROUP": GROUP, "HOW": how, "RESULT": result}
    for file in ("roi_pool_backward.h", "roi_pool_gather.h"):
        yield ("roi.h", file), {"GROUP": GROUP, **index}
    yield ("scatter_add.h",), {"GROUP": GROUP, **index}
    yield ("along_axis.h",), {"GROUP": GROUP, **index}
    yield ("lrn.h",), {"GROUP": GROUP}
    yield ("combine.h",), {"GROUP": GROUP}
    for name in ACTIVATIONS:
        yield recurrence.FILES, {"GROUP": GROUP, **recurrence.functions(name, name)}


def _products() -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each tile with operands along all axes, one and four at a time."""
    for tile in TILES:
        for allowed in (1, FOUR):
            left, right = tile.vectors(allowed, allowed)
            vectors = {"LEFT_VEC": left, "RIGHT_VEC": right}
            for rows in (0, 1):
                along = {**tile.macros(), **vectors, "LEFT_ROWS": rows}
                part = {"PARTIAL": rows, "RESULT": "REAL" if rows else "STORED"}
                yield matmul.FILES, {**along, "RIGHT_ROWS": 1 - rows, **part}
                yield convolution.FILES, {**along, "RIGHT_ROWS": 1}
            one = min(left, right)
            macros = {**tile.macros(), "LEFT_VEC": one, "RIGHT_VEC": one}
            yield convolution.FILTER_FILES, {**macros, "LEFT_ROWS": 1, "RIGHT_ROWS": 0}
