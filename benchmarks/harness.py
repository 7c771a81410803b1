"""What all benchmarks share: fair alternation, medians, ratios, the machine, a table, JSON.

A benchmark names workloads; each workload has contestants, ours first. All do the same arithmetic
on the same fresh random data; results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

OURS = "neonport"
# Threads of the last contestant may wait in a busy loop for more work, some for 20 ms; without a
# pause the next contestant would be measured on the cores that are left.
PAUSE_SECONDS = 0.03


@dataclass
class Contestant:
    """One way to do a workload.

    Attributes:
        name: library.
        run: does the work once, to its end (with synchronisation).
        result: what `run` computed, as an array; compared with the first contestant's.
        finish: waits for the device, where runs only hand work to it.
    """

    name: str
    run: Callable[[], object]
    result: Callable[[], np.ndarray]
    finish: Callable[[], object] = lambda: None


@dataclass
class Timing:
    """Seconds per run of one contestant, one entry a repeat."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass
class Row:
    """One workload's outcome.

    Attributes:
        workload: its name.
        work: operations or bytes of one run.
        unit: what `work` / second / 1e9 is called.
        timings: ours first.
        ratios: by peer, our speed over the peer's in each repeat: minimum, median, maximum.
    """

    workload: str
    work: float
    unit: str
    timings: list[Timing]
    ratios: dict[str, tuple[float, float, float]]

    def rate(self, timing: Timing) -> float:
        return self.work / timing.median / 1e9

    def interval(self, peer: str) -> tuple[float, float]:
        """Where the median of the ratio to a peer lies with 95 % confidence.

        From the order of the turns' ratios alone (the sign test turned round), so it supposes
        nothing about how times are distributed; with 7 turns it is their range.
        """
        ours, theirs = self.timings[0], next(t for t in self.timings if t.name == peer)
        found = sorted(t / o for t, o in zip(theirs.seconds, ours.seconds, strict=True))
        outside, rank = 0.0, 0
        while (more := outside + math.comb(len(found), rank) / 2 ** len(found)) <= 0.025:
            outside, rank = more, rank + 1
        return found[max(rank - 1, 0)], found[-max(rank, 1)]


def check_same(
    contestants: Sequence[Contestant], rtol: float, atol: float, strays: float = 0.0
) -> None:
    """Run everybody once and compare."""
    for contestant in contestants:
        contestant.run()
    compare(contestants, rtol, atol, strays)


def compare(
    contestants: Sequence[Contestant], rtol: float, atol: float, strays: float = 0.0
) -> None:
    """Raise AssertionError when results differ from the first one's.

    Args:
        contestants: ours first.
        rtol: relative tolerance.
        atol: absolute tolerance.
        strays: the share of elements that may differ by more.
    """
    reference = contestants[0].result()
    for contestant in contestants[1:]:
        found = contestant.result()
        if not found.size:  # another formula, which is timed only
            continue
        if strays and found.shape == reference.shape:
            apart = ~np.isclose(found, reference, rtol=rtol, atol=atol, equal_nan=True)
            if apart.mean() <= strays:
                continue
        np.testing.assert_allclose(found, reference, rtol=rtol, atol=atol, err_msg=contestant.name)


def race(
    workload: str,
    contestants: Sequence[Contestant],
    work: float,
    unit: str,
    *,
    repeats: int = 9,
    batch_seconds: float = 0.02,
    rtol: float = 1e-3,
    atol: float = 1e-3,
    strays: float = 0.0,
) -> Row:
    """Compare results, then time the contestants in turns.

    Args:
        workload: name of the row.
        contestants: ours first.
        work: operations or bytes of one run.
        unit: name of `work` / second / 1e9.
        repeats: turns, at least 7.
        batch_seconds: a turn repeats the run for about so long.
        rtol: tolerance of the comparison.
        atol: tolerance of the comparison.
        strays: share of elements that it leaves out.
    """
    if repeats < 7:
        raise ValueError(f"a median of {repeats} repeats says little; take at least 7")
    check_same(contestants, rtol, atol, strays)
    timings = [Timing(contestant.name) for contestant in contestants]
    counts = [_batch(contestant, batch_seconds) for contestant in contestants]
    for turn in range(repeats):
        order = range(len(contestants))
        for index in order if turn % 2 == 0 else reversed(order):
            timings[index].seconds.append(_time(contestants[index], counts[index]))
    ours, ratios = timings[0], {}
    for timing in timings[1:]:
        each = [t / o for t, o in zip(timing.seconds, ours.seconds, strict=True)]
        ratios[timing.name] = (min(each), statistics.median(each), max(each))
    return Row(workload, work, unit, timings, ratios)


def _time(contestant: Contestant, count: int) -> float:
    run = contestant.run
    time.sleep(PAUSE_SECONDS)
    run()  # wakes threads, fills caches
    contestant.finish()
    start = time.perf_counter()
    for _ in range(count):
        run()
    contestant.finish()
    return (time.perf_counter() - start) / count


def _batch(contestant: Contestant, seconds: float) -> int:
    once = min(_time(contestant, 1) for _ in range(3))
    return max(1, round(seconds / once))


def copy_bandwidth(threads: int, megabytes: int = 64) -> float:
    """Measure GB/s of copying memory with `threads` threads, each byte read and written once."""
    count = megabytes * 2**20 // 4
    source = np.random.default_rng().random(count, dtype=np.float32)
    target = np.empty_like(source)
    cuts = [round(i * count / threads) for i in range(threads + 1)]
    parts = [(target[i:j], source[i:j]) for i, j in itertools.pairwise(cuts)]
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(9):
            start = time.perf_counter()
            list(pool.map(lambda part: np.copyto(*part), parts))
            seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / statistics.median(seconds[2:]) / 1e9


def machine() -> dict[str, Any]:
    """Describe what the numbers were measured on."""
    from neonport.backends.host.cpu_info import cpu_name
    from neonport.backends.host.threads import num_threads

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "date": time.strftime("%Y-%m-%d"), "commit": _commit(),
        "cpu": cpu_name(), "threads": num_threads(), "load": load,
        "copy_gb_s": round(copy_bandwidth(num_threads()), 1),
        "python": platform.python_version(), "numpy": np.__version__,
        "system": platform.platform(),
    }  # fmt: skip


def _commit() -> str:
    """Return the commit that is measured, with a + if files were changed since."""
    words = ["git", "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def print_table(rows: Sequence[Row], title: str) -> None:
    """Print rates of everybody, and our speed over each peer's: minimum, median, maximum."""
    names = list(dict.fromkeys(t.name for row in rows for t in row.timings))
    head = [title, *(f"{name} {rows[0].unit}" for name in names)]
    head += [f"x {name}" for name in names if name != rows[0].timings[0].name]
    lines = [head]
    for row in rows:
        rates = {t.name: f"{row.rate(t):.1f}" for t in row.timings}
        ratios = {n: "{:.2f} {:.2f} {:.2f}".format(*three) for n, three in row.ratios.items()}
        cells = [row.workload, *(rates.get(name, "-") for name in names)]
        cells += [ratios.get(n, "-") for n in names if n != row.timings[0].name]
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def arguments(description: str) -> argparse.ArgumentParser:
    """Make the parser with what every benchmark takes: --json, --repeats, --only."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all timings there")
    parser.add_argument("--repeats", type=int, default=9, help="turns a workload, at least 7")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    return parser


def write_json(path: Path | None, rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Write everything measured."""
    if path is not None:
        content = {**about, "command": sys.argv, "rows": [asdict(row) for row in rows]}
        path.write_text(json.dumps(content, indent=1) + "\n")
