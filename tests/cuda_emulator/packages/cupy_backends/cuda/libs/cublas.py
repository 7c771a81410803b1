"""cuBLAS: a library with its entries, whose work NumPy does when the stream runs."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
from cupy import _machine as machine

SOURCE = Path(__file__).with_name("cublas.c")
SONAME = "libcublas.so.99"
TYPES = {2: np.float16, 0: np.float32, 1: np.float64, 14: ml_dtypes.bfloat16}
SUMS = {68: np.float32, 70: np.float64, 77: np.float32}
TF32 = 77
INVALID_VALUE = 7

_stream = [0]
_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_SIMPLE = ctypes.CFUNCTYPE(_I, _I, _P, _P, ctypes.c_size_t)
_GEMM = ctypes.CFUNCTYPE(
    _I, _P, _I, _I, _I, _I, _I, _P, _P, _I, _I, _L, _P, _I, _I, _L, _P, _P, _I, _I, _L, _I, _I, _I
)


def create():
    """CuPy's own way to a handle; not used."""
    raise NotImplementedError


@_SIMPLE
def _simple(what, handle, pointer, size):
    if what == 2:
        _stream[0] = pointer or 0
    if what == 3 and (size < 4 << 20 or pointer % 256):
        return INVALID_VALUE
    return 0


def _columns(address, kind, rows, columns, leading, stride, batch):
    step = np.dtype(kind).itemsize
    count = (batch - 1) * stride + (columns - 1) * leading + rows
    memory = machine.bytes_at(address, count * step).view(kind)
    return np.lib.stride_tricks.as_strided(
        memory, (batch, rows, columns), (stride * step, step, leading * step)
    )


def _tf32(values):
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)


@_GEMM
def _gemm(h, ta, tb, m, n, k, alpha, a, at, lda, sa, b, bt, ldb, sb, beta, c, ct, ldc, sc, batch,
          compute, algo):  # fmt: skip
    kind, sums = TYPES[ct], SUMS[compute]
    if (
        {at, bt} != {ct} or lda < max(1, k if ta else m) or ldb < max(1, n if tb else k)
        or ldc < max(1, m) or (kind is np.float64) != (sums is np.float64) or algo != -1
    ):  # fmt: skip
        return INVALID_VALUE
    scale = ctypes.c_double if sums is np.float64 else ctypes.c_float
    x, y = scale.from_address(alpha).value, scale.from_address(beta).value

    def run():
        out = _columns(c, kind, m, n, ldc, sc, batch)
        if k and x:
            left = _columns(a, kind, *((k, m) if ta else (m, k)), lda, sa, batch).astype(sums)
            right = _columns(b, kind, *((n, k) if tb else (k, n)), ldb, sb, batch).astype(sums)
            if compute == TF32:
                left, right = _tf32(left), _tf32(right)
            left = left.transpose(0, 2, 1) if ta else left
            right = right.transpose(0, 2, 1) if tb else right
            product = sums(x) * (left @ right)
        else:
            product = np.zeros(out.shape, sums)
        with np.errstate(all="ignore"):
            out[...] = product + sums(y) * out.astype(sums) if y else product

    machine.enqueue(_stream[0], run)
    return 0


def _build():
    folder = tempfile.mkdtemp()
    out = f"{folder}/{SONAME}"
    command = ["gcc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{SONAME}", "-o", out, str(SOURCE)]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(out, ctypes.RTLD_GLOBAL)
    library.emu_set(_simple, _gemm)
    return library


_library = _build()
