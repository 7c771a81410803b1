"""Two commits side by side: start, first call, fused trees, training steps and products.

    git worktree add /tmp/before COMMIT
    python benchmarks/before_after.py /tmp/before . --markdown table.md

Processes of the two take turns, so that a change of the machine meets both. A ratio is the time of
the first over that of the second: above 1 the second is faster. The benchmarks are those of each
folder; a workload that only one of them has is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import machine

START = """
import time
begun = time.perf_counter()
import neonport
imported = time.perf_counter()
be = neonport.gen_backend("cpu")
made = time.perf_counter()
x, y = be.ones((100, 1000)), be.empty((100, 1000))
first = time.perf_counter()
y[:] = be.exp(x) * 2
done = time.perf_counter()
a, c = be.ones((300, 300)), be.empty((300, 300))
product = time.perf_counter()
be.compound_dot(a, a, c)
print(imported - begun, made - imported, done - first, time.perf_counter() - product)
"""
STEPS = ("import neonport", "gen_backend('cpu')", "first statement", "first product")
SUITES = {
    "optree": ["optree.py", "--peers", "", "--sizes", "1e3,1e5", "--repeats", "9"],
    "training": ["training.py", "--peers", "", "--repeats", "9"],
    "gemm": ["gemm.py", "--largest", "200000000", "--repeats", "7"],
}


def environment(folder: Path, cache: str) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(folder), "NEONPORT_CACHE_DIR": cache,
        # as installed: without it every process compiles the sources of the package anew
        "PYTHONPYCACHEPREFIX": f"{cache}/bytecode", "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip


def start(folder: Path, cache: str) -> list[float]:
    """Milliseconds of each step of a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=environment(folder, cache), cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(word) * 1e3 for word in done.stdout.split()]


def timings(folder: Path, cache: str, arguments: list[str]) -> dict[str, float]:
    """Seconds of each of our workloads, the fastest turn."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "found.json"
        script, *rest = arguments
        subprocess.run(
            [sys.executable, str(folder / "benchmarks" / script), *rest, "--json", str(out)],
            env=environment(folder, cache), cwd=folder, capture_output=True, check=True,
        )  # fmt: skip
        content = json.loads(out.read_text())
    rows = content.get("rows") or content.get("results") or []
    return dict(entry for row in rows for entry in _ours(row))


def _ours(row: dict[str, Any]) -> list[tuple[str, float]]:
    found = []
    inner = row.get("row", row)
    size = f", {row['elements']:,} elements" if "elements" in row else ""
    for timing in inner["timings"]:
        if timing["name"].startswith("neonport"):
            kind = timing["name"].removeprefix("neonport")
            found.append((f"{inner['workload']}{kind}{size}", min(timing["seconds"])))
    return found


def table(title: str, unit: str, rows: list[tuple[str, float, float]]) -> list[str]:
    lines = [f"## {title}", "", f"| | before, {unit} | after, {unit} | before / after |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {name} | {a:.4g} | {b:.4g} | {a / b:.2f} |" for name, a, b in rows]
    mean = statistics.geometric_mean(a / b for _, a, b in rows)
    return [*lines, "", f"Geometric mean {mean:.3f}.", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--suites", default=",".join(SUITES), help="of optree, training, gemm")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    folders = [chosen.before.resolve(), chosen.after.resolve()]
    lines = [f"- {name}: {value}" for name, value in machine().items()] + [""]
    with tempfile.TemporaryDirectory() as cache:
        caches = [f"{cache}/before", f"{cache}/after"]
        pairs = list(zip(folders, caches, strict=True))
        empty = [start(folder, kept) for folder, kept in pairs]
        warm: list[list[list[float]]] = [[], []]
        for _ in range(15):
            for found, (folder, kept) in zip(warm, pairs, strict=True):
                found.append(start(folder, kept))
        rows = [
            (f"{name}, empty cache", empty[0][i], empty[1][i])
            for i, name in enumerate(STEPS[2:], 2)
        ]
        medians = [[statistics.median(column) for column in zip(*w, strict=True)] for w in warm]
        rows = [*zip(STEPS, *medians, strict=True), *rows]
        lines += table("Start of a process, median of 15", "ms", rows)
        for suite in chosen.suites.split(","):
            best: list[dict[str, float]] = [{}, {}]
            for _ in range(chosen.turns):
                for found, (folder, kept) in zip(best, pairs, strict=True):
                    for name, seconds in timings(folder, kept, SUITES[suite]).items():
                        found[name] = min(seconds, found.get(name, seconds))
            both = [(n, best[0][n] * 1e6, best[1][n] * 1e6) for n in best[0] if n in best[1]]
            title = f"{suite}, fastest of {chosen.turns} processes"
            lines += table(title, "us", both)
            print("\n".join(lines[-len(both) - 8 :]), flush=True)
    text = "\n".join(lines)
    if chosen.markdown:
        chosen.markdown.write_text(f"# Before and after\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
