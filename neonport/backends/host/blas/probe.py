"""Times matrix products of one BLAS; run as a script by `blas_measure`, standard library only.

Reads one JSON line {"library": path or "" for NumPy, "path": sys.path}, answers with the name of
the kernels in use, then answers each further line with the seconds of every product in SIZES.
It must not import neonport: the package would load the libraries it is about to judge.
"""

from __future__ import annotations

import array
import ctypes
import json
import random
import sys
import time
from collections.abc import Callable

# (m, k, n): a square one, two layers of small networks, a convolution as a product.
SIZES = ((384, 384, 384), (100, 784, 128), (1024, 256, 128), (64, 576, 4096))

_ROW_MAJOR, _NO_TRANSPOSE = 101, 111
_FIRST = array.array("f", (random.uniform(-1.0, 1.0) for _ in range(4096)))


def _matrix(rows: int, columns: int) -> bytearray:
    """Return float32 numbers in (-1, 1); zeros would be unfair, drawing all of them too slow."""
    block = _FIRST.tobytes()
    return bytearray((block * (rows * columns * 4 // len(block) + 1))[: rows * columns * 4])


def _openblas(path: str) -> tuple[str, list[Callable[[], object]]]:
    library = ctypes.CDLL(path)
    core = library.scipy_openblas_get_corename
    core.restype = ctypes.c_char_p
    name = core().decode()
    _check(library)
    return name, [_openblas_product(library, *size) for size in SIZES]


def _openblas_product(library: ctypes.CDLL, m: int, k: int, n: int) -> Callable[[], object]:
    a, b, c = _matrix(m, k), _matrix(k, n), _matrix(m, n)
    p, q, r = ((ctypes.c_char * len(buffer)).from_buffer(buffer) for buffer in (a, b, c))
    one, zero = ctypes.c_float(1.0), ctypes.c_float(0.0)
    product = library.scipy_cblas_sgemm

    def run() -> object:
        return product(
            _ROW_MAJOR, _NO_TRANSPOSE, _NO_TRANSPOSE, m, n, k, one, p, k, q, n, zero, r, n
        )

    return run


def _check(library: ctypes.CDLL) -> None:
    """Run every routine neonport uses once: a wrong core type crashes here or fails the check."""
    for kind, real in (("s", ctypes.c_float), ("d", ctypes.c_double)):
        size = 65
        values = [random.uniform(-1.0, 1.0) for _ in range(size * size)]
        a, c = (real * (size * size))(*values), (real * (size * size))()
        one, zero = real(1.0), real(0.0)
        gemm = getattr(library, f"scipy_cblas_{kind}gemm")
        for flag in (111, 112):
            gemm(_ROW_MAJOR, flag, 111, size, size, size, one, a, size, a, size, zero, c, size)
            steps = (1, size) if flag == 112 else (size, 1)
            true = sum(
                values[64 * steps[0] + j * steps[1]] * values[j * size + 7] for j in range(size)
            )
            if abs(c[64 * size + 7] - true) > 1e-3:
                raise SystemExit("wrong result")
            y = (real * size)()
            gemv = getattr(library, f"scipy_cblas_{kind}gemv")
            gemv(_ROW_MAJOR, flag, size, size, one, a, size, a, 1, zero, y, 1)


def _numpy() -> tuple[str, list[Callable[[], object]]]:
    import numpy as np

    def product(m: int, k: int, n: int) -> Callable[[], object]:
        a = np.frombuffer(_matrix(m, k), np.float32).reshape(m, k)
        b = np.frombuffer(_matrix(k, n), np.float32).reshape(k, n)
        c = np.frombuffer(_matrix(m, n), np.float32).reshape(m, n)
        return lambda: np.matmul(a, b, out=c)

    return "numpy", [product(*size) for size in SIZES]


def _seconds(run: Callable[[], object]) -> float:
    run()  # wakes the threads and fills the cache
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Answer the lines of standard input until it ends."""
    task = json.loads(sys.stdin.readline())
    sys.path[:] = task["path"]
    name, products = _openblas(task["library"]) if task["library"] else _numpy()
    print(name, flush=True)
    for _ in sys.stdin:
        print(*(_seconds(run) for run in products), flush=True)


if __name__ == "__main__":
    main()
