"""Texts of hand-written kernels: a file of `opencl_kernels`, a dtype, and macros before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neonport.render_dialects import DeviceDialect, device_text


def kernel_text(
    dialect: DeviceDialect, file: str, dtype: np.dtype, macros: Mapping[str, int | str]
) -> str:
    """The whole text of a hand-written kernel.

    Args:
        dialect: the language.
        file: its file.
        dtype: float dtype of the arrays: STORED is its type in memory, REAL that of the numbers
            that are computed with, LOAD and STORE get from one to the other.
        macros: what else the file asks for.
    """
    real = "float64" if dtype == np.float64 else "float32"
    half = dtype == np.float16
    words = {"w": "", "p": "(p)", "i": "i", "x": "x"}
    load = (dialect.load_half if half else "{p}[{i}]").format(**words)
    store = (dialect.store_half if half else "{p}[{i}] = {x};").format(**words)
    lines = [
        dialect.wide if real == "float64" else "",
        dialect.prelude,
        f"#define STORED {dialect.types[dtype.name]}",
        f"#define REAL {dialect.types[real]}",
        f"#define LOAD(p, i) {load}",
        f"#define STORE(p, i, x) {store.rstrip(';')}",
        *(f"#define {name} {value}" for name, value in macros.items()),
        device_text(file),
    ]
    return "\n".join(lines)
