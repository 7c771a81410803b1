"""A training step while other programs compute: how much of its idle rate is left.

    python benchmarks/contention.py [--busy N ...] [--seconds S] [--repeats N] [--peers torch,jax]
        [--json FILE] [--tiny]

The step is that of the network "MLP" of `networks.py`: ours recorded, PyTorch's eager, and one
`jax.jit` of the whole step. Each runs in a process of its own, in turns: first on the machine as it
is, then beside N programs that only compute, one number after the other (by default as many as
there are processors). "keeps" is the rate beside them over the idle rate of the same turn; "x jax"
is our rate over jax's there. Percentiles are of single steps. Parameters after a few steps are
compared before anything is timed. Run it on a machine on which nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import OURS, Contestant, check_same, machine
from benchmarks.networks import Built, Data, Network, jax_mlp, networks

CHECKED_STEPS = 5
LINES = ("training step", "busy", "steps/s", "keeps", "p50 ms", "p90 ms", "p99 ms")


@dataclass
class Run:
    """One contestant beside a number of programs.

    Attributes:
        name: library.
        busy: programs beside it.
        rates: steps a second, one entry a turn.
        keeps: rate over the idle rate, one entry a turn.
        percentiles: milliseconds of a step at 50, 90 and 99 %, one entry a turn.
    """

    name: str
    busy: int
    rates: list[float] = field(default_factory=list)
    keeps: list[float] = field(default_factory=list)
    percentiles: list[tuple[float, float, float]] = field(default_factory=list)


# ---- the contestants -----------------------------------------------------------------------------


def ours(network: Network, data: Data) -> Built:
    from neonport.backends import gen_backend

    be = gen_backend("cpu", batch_size=network.batch, rng_seed=0)
    step, parameters = network.ours(be, data)
    return be.record(step), parameters


def torch_eager(network: Network, data: Data) -> Built:
    import torch

    from neonport.backends.host.threads import num_threads

    torch.set_num_threads(num_threads())
    return network.torch("cpu", data)


BUILDERS: dict[str, Callable[[Network, Data], Built]] = {
    OURS: ours, "torch": torch_eager, "jax": lambda network, data: jax_mlp(data),
}  # fmt: skip


def check(names: list[str], network: Network) -> None:
    """Take a few steps from the same weights with all and compare parameters."""
    data, found = network.data(), []
    for name in names:
        step, parameters = BUILDERS[name](network, data)

        def run(step: Callable[[], object] = step) -> None:
            for _ in range(CHECKED_STEPS):
                step()

        def result(parameters: Callable[[], list[np.ndarray]] = parameters) -> np.ndarray:
            return np.concatenate([p.ravel() for p in parameters()])

        found.append(Contestant(name, run, result))
    check_same(found, 1e-3, 1e-4)


# ---- measuring -----------------------------------------------------------------------------------


def measure(name: str, network: Network, seconds: float) -> None:
    """Time single steps and print their times in nanoseconds; runs in a process of its own."""
    step, _ = BUILDERS[name](network, network.data())
    end = time.perf_counter() + max(0.2, seconds / 8)
    while time.perf_counter() < end:  # compiles, wakes threads, fills caches
        step()
    times = []
    now = start = time.perf_counter_ns()
    while now - start < seconds * 1e9:
        step()
        before, now = now, time.perf_counter_ns()
        times.append(now - before)
    json.dump(times, sys.stdout)


def steps_of(name: str, options: argparse.Namespace) -> np.ndarray:
    """Seconds of each step of a contestant, from a process of its own."""
    words = [sys.executable, __file__, "--measure", name, "--seconds", str(options.seconds)]
    words += ["--tiny"] * options.tiny
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    return np.array(json.loads(done.stdout.splitlines()[-1])) / 1e9


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Programs that only compute."""
    words = [sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def turns(names: list[str], options: argparse.Namespace) -> list[Run]:
    """Everybody idle and beside programs, several times."""
    runs = {(name, busy): Run(name, busy) for busy in (0, *options.busy) for name in names}
    for turn in range(options.repeats):
        idle: dict[str, float] = {}
        for busy in (0, *options.busy):
            with busy_programs(busy):
                for name in names if turn % 2 == 0 else reversed(names):
                    seconds = steps_of(name, options)
                    run, rate = runs[name, busy], len(seconds) / seconds.sum()
                    idle.setdefault(name, rate)
                    run.rates.append(rate)
                    run.keeps.append(rate / idle[name])
                    p50, p90, p99 = np.percentile(seconds * 1e3, [50, 90, 99]).tolist()
                    run.percentiles.append((p50, p90, p99))
    return list(runs.values())


def print_runs(runs: list[Run], title: str) -> None:
    """Print medians of the turns, and our rate over each peer's: minimum, median, maximum."""
    peers = [name for name in dict.fromkeys(r.name for r in runs) if name != OURS]
    lines = [[title, *LINES[1:], *(f"x {name}" for name in peers)]]
    for run in runs:
        percentiles = [statistics.median(p) for p in zip(*run.percentiles, strict=True)]
        cells = [run.name, str(run.busy), f"{statistics.median(run.rates):.0f}"]
        cells += [f"{statistics.median(run.keeps):.2f}", *(f"{p:.2f}" for p in percentiles)]
        for name in peers:
            (peer,) = (r for r in runs if (r.name, r.busy) == (name, run.busy))
            each = [a / b for a, b in zip(run.rates, peer.rates, strict=True)]
            three = (min(each), statistics.median(each), max(each))
            cells.append("{:.2f} {:.2f} {:.2f}".format(*three) if run.name == OURS else "-")
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for number, line in enumerate(lines):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step beside busy programs")
    cores = os.cpu_count() or 1
    parser.add_argument("--busy", type=int, nargs="+", default=[cores], help="programs beside it")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=["torch", "jax"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--tiny", action="store_true", help="a small batch: for a try")
    parser.add_argument("--measure", choices=BUILDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    network = networks(options.tiny)[0]
    if options.measure:
        measure(options.measure, network, options.seconds)
        return
    names = [OURS, *(name for name in options.peers if find_spec(name))]
    about = machine()
    for key, value in about.items():
        print(f"{key}: {value}")
    check(names, network)
    runs = turns(names, options)
    print_runs(runs, network.name)
    if options.json is not None:
        content = {"machine": about, "command": sys.argv, "runs": [asdict(run) for run in runs]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
