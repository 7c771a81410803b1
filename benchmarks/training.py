"""Whole training steps: forward, backward, update; ours and others' side by side.

    python benchmarks/training.py [--backend cuda] [--tf32] [--json FILE] [--repeats N]
        [--only conv] [--check] [--tiny]

Ours: as it is ("neonport") and recorded ("recorded", a CUDA graph on cuda). PyTorch's: eager,
torch.compile, and on a GPU a captured graph. JAX: the whole step under jax.jit, on the processor.
Parameters, or losses, are compared after each of a few steps, before anything is timed. Ratios
above 1 mean that ours is faster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import (
    OURS,
    Contestant,
    arguments,
    check_same,
    compare,
    machine,
    print_table,
    race,
    write_json,
)
from benchmarks.networks import Built, Network, networks
from benchmarks.peers import torch_functions
from neonport.backends import gen_backend

PEERS = ("torch", "torch_compile", "torch_graphs", "jax")


def contestant_of(name: str, built: Built, finish: Callable[[], object]) -> Contestant:
    step, parameters = built

    def numbers() -> np.ndarray:
        return np.concatenate([np.empty(0, np.float32), *(p.ravel() for p in parameters())])

    return Contestant(name, step, numbers, finish)


def ours(network: Network, data: dict[str, np.ndarray], options: Any) -> list[Contestant]:
    """The step as it is, and recorded, each with parameters of its own."""
    be = gen_backend(options.backend, batch_size=network.batch, rng_seed=0)
    if hasattr(be, "tf32"):
        be.tf32 = options.tf32
    step, parameters = network.ours(be, data)
    plain = contestant_of(OURS, (step, parameters), be.synchronize)
    if not hasattr(be, "record"):
        return [plain]
    step, parameters = network.ours(be, data)
    return [plain, contestant_of("recorded", (be.record(step), parameters), be.synchronize)]


def peer(name: str, network: Network, data: dict[str, np.ndarray]) -> Contestant:
    """A way to run a peer's step."""
    if name == "jax":
        assert network.jax is not None
        return contestant_of(name, network.jax(data), lambda: None)
    import torch

    step, parameters = network.torch(torch_functions.DEVICE, data)
    if name == "torch_compile":
        torch.compiler.reset()
        step = torch.compile(step)
    if name == "torch_graphs":
        step = graphed(step, parameters)
    return contestant_of(name, (step, parameters), torch_functions.finish)


def graphed(step: Callable[[], object], parameters: Any) -> Callable[[], object]:
    """A captured step. The runs before the capture are steps; the first calls leave them out."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    done = 0
    with torch.cuda.stream(side):
        for _ in range(WARM):
            step()
            done += 1
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    ahead = {"steps": done}

    def run() -> None:
        if ahead["steps"]:
            ahead["steps"] -= 1
        else:
            graph.replay()

    return run


WARM = 3


def contestants(network: Network, options: Any) -> list[Contestant]:
    data = network.data()
    found = ours(network, data, options)
    for name in options.peers:
        if name == "jax" and (options.gpu or network.jax is None):
            continue
        library = "jax" if name == "jax" else "torch"
        if find_spec(library) is None or (name == "torch_graphs" and not options.gpu):
            continue
        try:
            found.append(peer(name, network, data))
        except Exception as error:  # a peer that fails must not end the others
            print(f"skipped {name}: {error}")
    return found


def main() -> None:
    parser = arguments("Training steps side by side")
    parser.add_argument("--backend", default="cpu", help="ours: cpu, cuda or opencl")
    parser.add_argument("--torch-device", default=None, help="PyTorch's: cpu, cuda (as ours)")
    parser.add_argument("--tf32", action="store_true", help="everybody may use TF32 units")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(PEERS))
    parser.add_argument("--tiny", action="store_true", help="small networks: for a try")
    parser.add_argument("--check", action="store_true", help="compare, time nothing")
    options: argparse.Namespace = parser.parse_args()
    device = options.torch_device or ("cuda" if options.backend == "cuda" else "cpu")
    torch_functions.DEVICE, options.gpu = device, device != "cpu"
    if options.gpu:
        torch_functions.set_tf32(options.tf32)
    rows = []
    for network in networks(options.tiny):
        if options.only not in network.name:
            continue
        found = contestants(network, options)
        rtol, atol = (1e-2, 1e-2) if options.tf32 else (1e-3, 1e-4)
        for number in range(WARM + 2):
            for contestant in found:
                contestant.run()
                contestant.finish()
            if number >= WARM - 1:  # everybody has taken equally many steps
                compare(found, rtol, atol)
        if options.check:
            check_same(found, rtol, atol)
            print(f"{network.name}: {', '.join(c.name for c in found)} agree")
            continue
        rows.append(
            race(network.name, found, network.operations, "GFLOP/s", repeats=options.repeats,
                 rtol=rtol, atol=atol)
        )  # fmt: skip
    if rows:
        print_table(rows, "training step")
    about = {"machine": machine(), "backend": options.backend, "tf32": options.tf32}
    write_json(options.json, rows, {**about, "torch_device": torch_functions.DEVICE})


if __name__ == "__main__":
    main()
