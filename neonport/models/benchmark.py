"""Timing of forward and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.cost import minibatch_cost
from neonport.log import logger
from neonport.models.state import Network

STATISTICS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}


class MissingTrainingParts(ConfigurationError, RuntimeError):
    """Training is to be timed without a cost or an optimizer."""


def _endless(dataset: Any) -> Iterator[Any]:
    while True:
        empty = True
        for batch in dataset:
            empty = False
            yield batch
        if empty:
            raise ConfigurationError("benchmark got no batch from the dataset: is it empty?")


def benchmark(
    model: Network,
    dataset: Any,
    inference: bool,
    cost: Any,
    optimizer: Any,
    niterations: int,
    nskip: int,
) -> dict[str, dict[str, float]]:
    """See `Model.benchmark`."""
    if not inference and (cost is None or optimizer is None):
        raise MissingTrainingParts(
            "benchmark of training needs cost and optimizer; pass both, or inference=True"
        )
    if niterations < 1 or nskip < 0:
        raise ConfigurationError(f"niterations >= 1, nskip >= 0: got {niterations}, {nskip}")
    model.initialize(dataset, cost)
    times: dict[str, list[float]] = {"fprop": []}
    if not inference:
        times.update(bprop=[], iteration=[])
    clock = _Clock(model.be)
    batches = _endless(dataset)
    for iteration in range(niterations + nskip):
        x, t = next(batches)
        clock.start()
        y = model.fprop(x, inference=inference)
        fprop = clock.stop()
        bprop = 0.0
        if not inference:
            clock.start()
            minibatch_cost(model.cost, y, t)
            model.bprop(model.cost.get_errors(y, t))
            optimizer.optimize(model.layers_to_optimize, epoch=0)
            bprop = clock.stop()
        if iteration >= nskip:
            for name, value in zip(times, (fprop, bprop, fprop + bprop), strict=False):
                times[name].append(value)
    result = {
        name: {stat: float(function(values)) for stat, function in STATISTICS.items()}
        for name, values in times.items()
    }
    logger.display(table(result))  # type: ignore[attr-defined]
    return result


class _Clock:
    """Two marks of the backend around a piece of work, in milliseconds."""

    def __init__(self, be: Any) -> None:
        self.be = be
        self.marks = be.init_mark(), be.init_mark()

    def start(self) -> None:
        self.be.record_mark(self.marks[0])

    def stop(self) -> float:
        self.be.record_mark(self.marks[1])
        self.be.synchronize_mark(self.marks[1])
        return self.be.get_time(*self.marks)


def table(result: dict[str, dict[str, float]]) -> str:
    """Lay out the statistics as text, one row a function."""
    heads = ["Func", *(name.title() for name in STATISTICS), "Units"]
    rows = [
        [name, *(f"{stats[key]:.5g}" for key in STATISTICS), "msec"]
        for name, stats in result.items()
    ]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
    lines = [
        " | ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True))
        for row in [heads, *rows]
    ]
    return "\n".join(["", rule, lines[0], rule, *lines[1:], rule])
