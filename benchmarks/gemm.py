"""Matrix products: ours, NumPy's, PyTorch's and JAX's side by side.

    python benchmarks/gemm.py [--json FILE] [--repeats N] [--only TEXT] [--dtype float64]

Rates count 2 m k n operations. Ratios above 1 mean that ours is faster.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import (
    OURS,
    Contestant,
    arguments,
    machine,
    print_table,
    race,
    write_json,
)
from neonport.backends.cpu import blas

# (m, k, n): squares, layers of small networks, a convolution as a product, small ones, a vector.
SIZES = [
    (2048, 2048, 2048), (512, 512, 512), (100, 784, 128), (1024, 256, 128), (64, 576, 131072),
    (512, 512, 1), (128, 128, 128), (64, 64, 64), (10, 100, 128), (16, 16, 16), (4, 4, 4),
]  # fmt: skip


def with_torch(a: np.ndarray, b: np.ndarray) -> Contestant:
    import torch

    left, right = torch.from_numpy(a), torch.from_numpy(b)
    out = torch.empty(a.shape[0], b.shape[1], dtype=left.dtype)
    return Contestant("torch", lambda: torch.mm(left, right, out=out), lambda: out.numpy())


def with_jax(a: np.ndarray, b: np.ndarray) -> Contestant:
    import jax

    jax.config.update("jax_platforms", "cpu")
    if a.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    left, right = jax.device_put(a), jax.device_put(b)
    product = jax.jit(lambda x, y: x @ y)
    out: dict[str, Any] = {}

    def run() -> None:
        out["c"] = product(left, right).block_until_ready()

    return Contestant("jax", run, lambda: np.asarray(out["c"]))


def contestants(m: int, k: int, n: int, dtype: str) -> list[Contestant]:
    rng = np.random.default_rng()
    a, b = (rng.uniform(-1, 1, shape).astype(dtype) for shape in ((m, k), (k, n)))
    bound_c, called_c, numpy_c = (np.empty((m, n), dtype) for _ in range(3))
    found = [
        Contestant(OURS, blas.bind_gemm(a, b, bound_c), lambda: bound_c),
        Contestant("unbound", lambda: blas.gemm(a, b, called_c), lambda: called_c),
        Contestant("numpy", lambda: np.matmul(a, b, out=numpy_c), lambda: numpy_c),
    ]
    found += [make(a, b) for name, make in PEERS.items() if find_spec(name)]
    return found


PEERS = {"torch": with_torch, "jax": with_jax}


def main() -> None:
    parser = arguments("Matrix products side by side")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    blas.measure_blas()
    about = {"machine": machine(), "blas": blas.blas_info(), "dtype": options.dtype}
    for name, value in {**about["machine"], **about["blas"]}.items():
        print(f"{name}: {value}")
    rows = []
    for size in SIZES:
        name = ",".join(map(str, size))
        if options.only in name:
            m, k, n = size
            work = 2.0 * m * k * n
            found = contestants(*size, options.dtype)
            atol = 1e-5 * k
            rows.append(
                race(name, found, work, "GFLOP/s", repeats=options.repeats, rtol=1e-3, atol=atol)
            )
    if rows:
        print_table(rows, f"m,k,n {options.dtype}")
    write_json(options.json, rows, about)


if __name__ == "__main__":
    main()
