"""What a second opinion costs a training: none, off, and at some rates.

    python benchmarks/second_opinion.py
    python benchmarks/second_opinion.py --backend opencl --second cpu --rates 0.001,0.01

Trainings with and without checks take turns, so that a change of the machine meets all of them, and
every other turn begins with those without. A ratio is the time with checks over that without, of
the medians; at a rate of 0.001 it should be below 1.02. What is checked is drawn with a fixed seed,
so a training must be long enough for some statements to come to their turn: without checks it takes
`--seconds` and more, and the number of checks is printed. All that checks cost is in the time, what
the second backend binds when it meets a statement first too; kernels that it has to compile for
that are compiled in a training before, which is not counted, and found in the cache folder then.

Printed are time on the clock and time of all processors together, which other programs on the
machine disturb less, each with the ratios between which half of the pairs of trainings are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from harness import machine

from neonport import gen_backend
from neonport.backends import cleanup_backend
from neonport.checking.opinion import second_opinion
from neonport.initializers import Gaussian
from neonport.layers import Affine, Conv, GeneralizedCost, Pooling
from neonport.models import Model
from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax

BATCH = 128


def dense() -> tuple[Any, tuple[int, ...], Any]:
    """784-100-10, the first network of the tutorials."""
    layers = [
        Affine(100, Gaussian(scale=0.01), activation=Rectlin()),
        Affine(10, Gaussian(scale=0.01), activation=Softmax()),
    ]
    return layers, (784,), GradientDescentMomentum(0.1, 0.9)


def wide() -> tuple[Any, tuple[int, ...], Any]:
    """784-1000-1000-10 with batch normalization."""
    layers = [
        Affine(1000, Gaussian(scale=0.01), batch_norm=True, activation=Rectlin()),
        Affine(1000, Gaussian(scale=0.01), batch_norm=True, activation=Rectlin()),
        Affine(10, Gaussian(scale=0.01), activation=Softmax()),
    ]
    return layers, (784,), Adam()


def convolutions() -> tuple[Any, tuple[int, ...], Any]:
    """Two convolutions with pooling, on 28 x 28 pixels."""
    layers: list[Any] = []
    for maps in (16, 32):
        layers.append(Conv((5, 5, maps), Gaussian(scale=0.01), activation=Rectlin()))
        layers.append(Pooling(2, strides=2))
    layers.append(Affine(10, Gaussian(scale=0.01), activation=Softmax()))
    return layers, (1, 28, 28), Adam()


NETWORKS = {"dense": dense, "wide": wide, "convolutions": convolutions}


def seconds(
    network: str, args: argparse.Namespace, check: str | None, epochs: int
) -> tuple[tuple[float, float], int]:
    """Time of a training after an epoch to warm up, on the clock and on all processors together.

    The last number is how many statements were checked.
    """
    be = gen_backend(args.backend, batch_size=BATCH, rng_seed=0)
    try:
        layers, shape, optimizer = NETWORKS[network]()
        model = Model(layers)
        rng = np.random.RandomState(0)
        X = rng.rand(BATCH * args.batches, *shape).astype(np.float32)
        y = np.arange(len(X)) % 10
        cost = GeneralizedCost(costfunc=CrossEntropyMulti())
        how = {"progress_bar": False, "record": args.record}
        model.fit(X, y, cost, optimizer, 1, **how)
        with second_opinion(be, check) as opinions:
            be.synchronize()
            start, used = time.perf_counter(), time.process_time()
            model.fit(X, y, cost, optimizer, 1 + epochs, **how)
            be.synchronize()
            spent = time.perf_counter() - start, time.process_time() - used
        return spent, sum(opinion.checked for opinion in opinions)
    finally:
        cleanup_backend()


def long_enough(network: str, args: argparse.Namespace) -> int:
    """How many epochs take the time that was asked for."""
    spent, epochs = 0.0, 1
    while spent < args.seconds:  # the first estimates are too low: one training has fixed costs
        epochs = max(epochs + 1, int(1.1 * epochs * args.seconds / spent)) if spent else epochs
        (spent, _), _ = seconds(network, args, None, epochs)
    return epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--second", default="cpu")
    parser.add_argument("--rates", default="0.001,0.01")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", type=int, default=50, help="minibatches of an epoch")
    parser.add_argument("--seconds", type=float, default=3, help="what a training takes at least")
    parser.add_argument("--epochs", type=int, default=0, help="of a training, instead of --seconds")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--record", action="store_true", help="fit(record=True)")
    args = parser.parse_args()
    print(f"{args.backend}, second opinion of {args.second}; {machine()}")
    checks = {"off": None} | {r: f"{args.second}:{r}:raise" for r in args.rates.split(",")}
    for network in args.networks.split(","):
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in checks}
        counts: dict[str, int] = {}
        epochs = args.epochs or long_enough(network, args)
        for check in checks.values():
            if check:
                seconds(network, args, check, epochs)
        for turn in range(args.repeats):
            for name in list(checks) if turn % 2 else reversed(checks):
                spent, counts[name] = seconds(network, args, checks[name], epochs)
                times[name].append(spent)
        steps = epochs * args.batches
        off = [statistics.median(t[clock] for t in times["off"]) for clock in range(2)]
        print(
            f"{network}: off {off[0]:.3f} s ({off[1]:.3f} s of processors), {steps} minibatches of "
            f"{1e3 * off[0] / steps:.3f} ms"
        )
        for name in list(checks)[1:]:
            texts = []
            for clock, what in enumerate(("time", "processors' time")):
                on = statistics.median(t[clock] for t in times[name])
                pairs = zip(times[name], times["off"], strict=True)
                low, high = quartiles([a[clock] / b[clock] for a, b in pairs])
                each = 1e3 * (on - off[clock]) / max(counts[name], 1)
                texts.append(
                    f"{what} {on / off[clock]:.4f} ({low:.3f} to {high:.3f}), {each:.2f} ms a check"
                )
            print(f"  at {name}, {counts[name]} checks: {'; '.join(texts)}", flush=True)


def quartiles(values: list[float]) -> tuple[float, float]:
    """Between which the middle half lies."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return low, high


if __name__ == "__main__":
    main()
