"""Matrix products: ours, NumPy's, PyTorch's and JAX's side by side.

    python benchmarks/gemm.py [--json FILE] [--repeats N] [--only TEXT] [--dtype float64]
        [--backend cuda] [--tf32] [--between]

Rates count 2 m k n operations. Ratios above 1 mean that ours is faster. With `--backend opencl` the
cpu backend runs beside it, and so does OpenCL without the host's help ("device"). `--between` times
what a layer does: a product, and a fused kernel on its result.
"""

from __future__ import annotations

import sys
from argparse import Namespace
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
from benchmarks.peers import torch_functions
from neonport.backends import gen_backend
from neonport.backends.host.blas import gemm as blas

# (m, k, n): squares, layers of small networks, a convolution as a product, small ones, a vector.
SIZES = [
    (2048, 2048, 2048), (1024, 1024, 1024), (768, 768, 768), (512, 512, 512),
    (100, 784, 128), (1024, 256, 128), (64, 576, 131072),
    (512, 512, 1), (128, 128, 128), (64, 64, 64), (10, 100, 128), (16, 16, 16), (4, 4, 4),
]  # fmt: skip


def with_torch(a: np.ndarray, b: np.ndarray) -> Contestant:
    import torch

    left, right = torch.from_numpy(a), torch.from_numpy(b)
    out = torch.empty(a.shape[0], b.shape[1], dtype=left.dtype)
    return Contestant("torch", lambda: torch.mm(left, right, out=out), lambda: out.numpy())


def with_backend(
    title: str, be: Any, a: np.ndarray, b: np.ndarray, between: bool = False
) -> Contestant:
    """A bound product on a backend.

    Args:
        between: with a kernel on its result after each, as in a layer.
    """
    left, right = be.array(a, dtype=a.dtype), be.array(b, dtype=b.dtype)
    out = be.empty((a.shape[0], b.shape[1]), dtype=a.dtype)
    product = be.device.matmul(left, right, out, 1.0, 0.0)
    if not between:
        return Contestant(title, product, out.get, be.synchronize)
    result = be.empty(out.shape, dtype=a.dtype)

    def run() -> None:
        product()
        result[:] = be.maximum(out, 0)

    return Contestant(title, run, result.get, be.synchronize)


def on_opencl(a: np.ndarray, b: np.ndarray, between: bool) -> list[Contestant]:
    """Ours, the cpu backend, and ours where memory is treated as out of the host's reach."""
    from neonport.backends.cpu.device import CPUBackend
    from neonport.backends.opencl.device import OpenCLBackend

    backends: dict[str, Any] = {OURS: OpenCLBackend(), "cpu": CPUBackend()}
    backends["device"] = OpenCLBackend(shared=False)
    return [with_backend(title, be, a, b, between) for title, be in backends.items()]


def on_device(name: str, a: np.ndarray, b: np.ndarray, options: Namespace) -> list[Contestant]:
    """Ours on a device, and PyTorch on the GPU if ours is cuda and it has one."""
    if name == "opencl":
        return on_opencl(a, b, options.between)
    tf32, be = options.tf32, gen_backend(name)
    if hasattr(be, "tf32"):
        be.tf32 = tf32
    found = [with_backend(OURS, be, a, b, options.between)]
    if name == "cuda" and find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            torch_functions.DEVICE = "cuda"
            torch_functions.set_tf32(tf32)
            values = torch_functions.tensors({"a": a, "b": b})
            shape = (a.shape[0], b.shape[1])
            target = torch.empty(shape, dtype=values["a"].dtype, device="cuda")
            found.append(
                Contestant(
                    "torch",
                    lambda: torch.mm(values["a"], values["b"], out=target),
                    lambda: target.cpu().numpy(),
                    torch_functions.finish,
                )
            )
    return found


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


def contestants(m: int, k: int, n: int, options: Namespace) -> list[Contestant]:
    rng, dtype = np.random.default_rng(), options.dtype
    a, b = (rng.uniform(-1, 1, shape).astype(dtype) for shape in ((m, k), (k, n)))
    if options.backend != "cpu":
        return on_device(options.backend, a, b, options)
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
    parser.add_argument("--backend", default="cpu", help="ours: cpu, cuda or opencl")
    parser.add_argument("--tf32", action="store_true", help="everybody may use TF32 units")
    parser.add_argument("--between", action="store_true", help="a kernel after each product")
    parser.add_argument("--largest", type=int, default=1 << 40, help="products up to m k n")
    options = parser.parse_args()
    about = {"machine": machine(), "blas": blas.blas_info(), "dtype": options.dtype}
    about |= {"backend": options.backend, "tf32": options.tf32, "between": options.between}
    for name, value in {**about["machine"], **about["blas"]}.items():
        print(f"{name}: {value}")
    rows = []
    for size in SIZES:
        name = ",".join(map(str, size))
        m, k, n = size
        if options.only in name and m * k * n <= options.largest:
            work = 2.0 * m * k * n
            found = contestants(*size, options)
            atol = (1e-3 if options.tf32 else 1e-5) * k
            rows.append(
                race(name, found, work, "GFLOP/s", repeats=options.repeats, rtol=1e-3, atol=atol)
            )
    if rows:
        print_table(rows, f"m,k,n {options.dtype}")
    write_json(options.json, rows, about)


if __name__ == "__main__":
    main()
