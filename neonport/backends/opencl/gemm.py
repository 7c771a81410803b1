"""Matrix products on the device: our tiled kernel, for any strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport.backends.opencl.launch import DeviceLaunch
from neonport.dtypes import is_float
from neonport.errors import DtypeError
from neonport.render_dialects import device_text, functions, opencl_dialect
from neonport.tensor import Tensor

TILE = 64  # rows and columns of a work-group of 16 x 16 items


def check(a: Tensor, b: Tensor, c: Tensor) -> None:
    """Raise DtypeError unless the operands have one float dtype."""
    if not (a.dtype == b.dtype == c.dtype) or not is_float(a.dtype):
        raise DtypeError(
            f"dot: needs three tensors of one float dtype, not {a.dtype}, {b.dtype}, {c.dtype}"
        )


def source(dtype: np.dtype, a_rows: bool, b_rows: bool) -> str:
    """Text of the product for a dtype; `a_rows`: the elements of a row of `a` are neighbours."""
    stored, real, load, store = {
        "float16": ("half", "float", "vload_half(0, p + (i))", "vstore_half_rte(x, 0, p + (i))"),
        "bfloat16": ("ushort", "float", "neo_from_bf16_f32(p[i])", "p[i] = neo_to_bf16_f32(x)"),
        "float32": ("float", "float", "p[i]", "p[i] = x"),
        "float64": ("double", "double", "p[i]", "p[i] = x"),
    }[dtype.name]
    lines = [
        opencl_dialect().wide if dtype.name == "float64" else "",
        opencl_dialect().prelude,
        f"#define STORED {stored}",
        f"#define REAL {real}",
        functions(opencl_dialect(), "float32", 1, ("bfloat16.h",)),
        f"#define LOAD(p, i) {load}",
        f"#define STORE(p, i, x) {store}",
        f"#define A_ROWS {int(a_rows)}",
        f"#define B_ROWS {int(b_rows)}",
        device_text("gemm.h"),
    ]
    return "\n".join(lines)


def bind(be: Any, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Callable[[], None]:
    """A call that does c = alpha * a @ b + beta * c; `c` shares no memory with `a` and `b`."""
    import pyopencl as cl

    (m, k), n = a.shape, b.shape[1]
    text = source(a.dtype, a.strides[1] == 1, b.strides[1] == 1)
    options = opencl_dialect().options
    if a.dtype != np.float64:
        options = (*options, *opencl_dialect().single)
    kernel = cl.Kernel(be.programs.load(text, options), "neo_gemm")
    whole = np.int64
    real = np.float64 if a.dtype == np.float64 else np.float32
    words = [a.storage.native.buffer, b.storage.native.buffer, c.storage.native.buffer]
    words += [whole(v) for v in (m, n, k)]
    for t in (a, b, c):
        words += [whole(t.offset), whole(t.strides[0]), whole(t.strides[1])]
    words += [real(alpha), real(beta)]
    for i, word in enumerate(words):
        kernel.set_arg(i, word)
    groups = -(-m // TILE) * -(-n // TILE)
    entry = (kernel, (groups * 256,), (256,))
    keep = [t.storage for t in (a, b, c) if t.storage.space == "arena"]
    return DeviceLaunch(be.queue, be.device, [entry], (0, np.float32), 0, keep)
