"""Peak memory of a training step: ours and others', each in a process of its own.

    python benchmarks/memory.py [--only conv] [--steps N] [--backend cpu] [--peers torch,jax]

"peak" is the largest resident size of the process in MB, "step" what building the network and
running the steps added to what the imported libraries hold. Ratios are of the steps, theirs over
ours: above 1 ours needs less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import OURS, machine
from benchmarks.networks import Network, networks
from benchmarks.peers import torch_functions
from benchmarks.training import ours, peer
from neonport.cli.output import show

PEERS = ("torch", "torch_compile", "jax")


def peak() -> float:
    """The largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(network: Network, name: str, steps: int, backend: str) -> dict[str, float]:
    """Run a contestant in this process."""
    if name != OURS:
        __import__("jax" if name == "jax" else "torch")
    if name == "torch_compile":
        __import__("torch._dynamo")
    torch_functions.DEVICE = "cpu"
    before = peak()
    data = network.data()
    if name == OURS:
        contestant = ours(network, data, SimpleNamespace(backend=backend, tf32=False))[0]
    else:
        contestant = peer(name, network, data)
    for _ in range(steps):
        contestant.run()
    contestant.finish()
    return {"peak": peak(), "step": peak() - before}


def measured(network: Network, name: str, options: Any) -> dict[str, float] | None:
    """What a process of its own says; None if it cannot run."""
    command = [sys.executable, __file__, "--child", name, "--only", network.name]
    command += ["--steps", str(options.steps), "--backend", options.backend]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        print(f"skipped {name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of training steps")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--backend", default="cpu", help="ours: cpu or opencl")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(PEERS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = [network for network in networks() if options.only in network.name]
    if options.child:
        print(json.dumps(child(chosen[0], options.child, options.steps, options.backend)))
        return
    rows = []
    for network in chosen:
        own = measured(network, OURS, options)
        if own is None:
            continue
        cells = [f"{own['peak']:.0f} ({own['step']:.0f})"]
        for name in options.peers:
            library = "jax" if name == "jax" else "torch"
            wanted = find_spec(library) and not (name == "jax" and network.jax is None)
            found = measured(network, name, options) if wanted else None
            cells.append(
                "-" if found is None
                else f"{found['peak']:.0f} ({found['step']:.0f}) {found['step'] / own['step']:.2f}x"
            )  # fmt: skip
        rows.append((network.name, *cells))
    for key, value in machine().items():
        print(f"{key}: {value}")
    show(("peak MB (step MB)", OURS, *options.peers), rows)


if __name__ == "__main__":
    main()
