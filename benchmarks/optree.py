"""Fused op-trees: ours and everybody else's, side by side in one process.

    python benchmarks/optree.py [--json FILE] [--quick] [--check] [--backend cuda]
        [--sizes 1e3,1e5,1e7] [--trees adam,softmax] [--peers numpy,torch,jax] [--repeats N]

With another backend than cpu, our cpu backend is one of the peers.

GB/s count each input read once and each output written once. A ratio is the peer's time over ours
in the same turn (minimum, median, maximum): above 1 ours is faster; in brackets, where its median
lies with 95 % confidence. "% of copy" compares with a copy on as many threads, measured before each
row. Results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import peers
from benchmarks.harness import (
    OURS,
    Contestant,
    Row,
    check_same,
    copy_bandwidth,
    machine,
    race,
)
from benchmarks.optree_ours import Ours, copy_rate
from benchmarks.optree_table import (
    geometric_mean,
    markdown,
    overhead_table,
    size_table,
    verdict,
)
from benchmarks.peers import torch_functions
from benchmarks.trees import TREES, Tree
from neonport.backends.host.threads import num_threads

FROM_MEMORY = 1_000_000  # elements from which the copy bandwidth says something


def contestants(
    tree: Tree, n: int, names: Sequence[str], skipped: dict[str, str], backend: str = "cpu"
) -> tuple[Ours, list[Contestant]]:
    """Everybody who can do a workload, on copies of the same fresh data; ours first."""
    inputs = tree.inputs(n, np.random.default_rng())
    ours = Ours(tree, inputs, backend)
    found = [_contestant(OURS, ours.job())]
    if backend != "cpu":
        found.append(_contestant("cpu", Ours(tree, inputs).job()))
    for name in names:
        try:
            found.append(_contestant(name, peers.find(name)(tree, inputs)))
        except peers.Skip as reason:
            skipped[f"{name}: {tree.name}" if name in skipped else name] = str(reason)
    return ours, found


def _contestant(name: str, job: peers.Job) -> Contestant:
    def result() -> np.ndarray:
        return np.concatenate([np.ravel(peers.host(o)) for o in job.outputs()])

    return Contestant(name, job.run, result, job.finish)


def measure(tree: Tree, n: int, options: argparse.Namespace, skipped: dict[str, str]) -> Any:
    """Compare, then time; the row with what belongs to it."""
    ours, found = contestants(tree, n, options.peers, skipped, options.backend)
    if options.check:
        check_same(found, 1e-3, tree.atol, tree.strays)
        print(f"{tree.name}, {n} elements: {', '.join(c.name for c in found)} agree", flush=True)
        return None
    host = options.backend == "cpu"
    copy = copy_bandwidth(num_threads()) if host else copy_rate(ours.be, max(n, FROM_MEMORY))
    row = race(
        tree.name,
        found,
        ours.explanation.bytes_moved,
        "GB/s",
        repeats=options.repeats,
        batch_seconds=0.004 if options.quick else 0.02,
        atol=tree.atol,
        strays=tree.strays,
    )
    return {
        "row": row,
        "elements": n,
        "copy_gb_s": copy,
        "of_copy": row.rate(row.timings[0]) / copy if n >= FROM_MEMORY else None,
        "kernels": len(ours.explanation.kernels),
        "overhead_us": ours.overhead() if n <= 1000 else None,
    }


def best(row: Row) -> tuple[str, float] | None:
    """The fastest peer and our speed over its, in the median."""
    middle = {name: ratio[1] for name, ratio in row.ratios.items()}
    return min(middle.items(), key=lambda item: item[1]) if middle else None


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fused op-trees side by side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all timings there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--sizes", default="1e3,1e5,1e7", help="elements, comma-separated")
    parser.add_argument("--trees", default="", help="workloads whose name contains one of these")
    parser.add_argument("--peers", default=",".join(peers.NAMES), help="comma-separated")
    parser.add_argument("--backend", default="cpu", help="ours: cpu, cuda or opencl")
    parser.add_argument("--torch-device", default=None, help="PyTorch's: cpu, cuda (as ours)")
    parser.add_argument("--repeats", type=int, default=9, help="turns a workload, at least 7")
    parser.add_argument("--quick", action="store_true", help="7 short turns, no 1e7")
    parser.add_argument("--check", action="store_true", help="compare results, time nothing")
    found = parser.parse_args()
    found.sizes = [int(float(s)) for s in found.sizes.split(",")]
    if found.quick:
        found.sizes, found.repeats = [n for n in found.sizes if n < FROM_MEMORY], 7
    found.peers = [name for name in found.peers.split(",") if name]
    unknown = set(found.peers) - set(peers.NAMES)
    if unknown:
        parser.error(f"unknown peers {', '.join(sorted(unknown))}; known: {', '.join(peers.NAMES)}")
    torch_functions.DEVICE = found.torch_device or ("cuda" if found.backend == "cuda" else "cpu")
    words = [w for w in found.trees.split(",") if w]
    found.trees = [t for t in TREES if not words or any(w in t.name for w in words)]
    if not found.trees:
        parser.error(f"no such tree; known: {', '.join(t.name for t in TREES)}")
    return found


def main() -> None:
    chosen = options()
    console = Console(width=None if sys.stdout.isatty() else 200)
    skipped: dict[str, str] = {}
    about: dict[str, Any] = {} if chosen.check else {"machine": machine()}
    for name, value in about.get("machine", {}).items():
        console.print(f"{name}: {value}", highlight=False, markup=False)
    results = []
    for n in chosen.sizes:
        found = [measure(tree, n, chosen, skipped) for tree in chosen.trees]
        if chosen.check:
            continue
        results += found
        console.print(size_table(n, found, best))
        ratios = [b[1] for r in found if (b := best(r["row"]))]
        if ratios:
            console.print(
                f"best peer, geometric mean over {len(ratios)} trees: "
                f"{geometric_mean(ratios):.2f}x, lowest {min(ratios):.2f}x"
            )
            console.print(verdict([r["row"] for r in found], best), highlight=False)
        shares = [r["of_copy"] for r in found if r["of_copy"]]
        if shares:
            console.print(f"share of copy bandwidth, median: {statistics.median(shares):.0%}")
        if any(r["overhead_us"] for r in found):
            console.print(overhead_table(found))
    for name, reason in skipped.items():
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False)
    if chosen.markdown is not None and results:
        facts = {**about["machine"], **{f"without {k}": v for k, v in skipped.items()}}
        chosen.markdown.write_text("# Fused op-trees\n\n" + markdown(facts, results, best))
    if chosen.json is not None and results:
        content = [{**r, "row": asdict(r["row"])} for r in results]
        about |= {"backend": chosen.backend, "torch_device": torch_functions.DEVICE}
        about |= {"command": sys.argv, "skipped": skipped, "results": content}
        chosen.json.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
