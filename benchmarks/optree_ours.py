"""Our side of `optree.py`: the statement as users write it, and its overhead."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.peers import Job
from benchmarks.trees import Arrays, Tree
from neonport.compiler.explain.explanation import Explanation
from neonport.plugins.registry import create_backend

CALLS = 2000


class Ours:
    """A workload on one of our backends.

    The tree is built again in every run, as in a loop of a user; a gradient is derived once.
    """

    def __init__(self, tree: Tree, inputs: Arrays, backend: str = "cpu") -> None:
        self.be = create_backend(backend)
        self.be.bsz = 128
        self.tree = tree
        self.tensors = {name: self.be.array(array) for name, array in inputs.items()}
        self.once = None if tree.derived is None else tree.derived(self.be, **self.tensors)
        self.targets = [self.tensors[name] for name in tree.state]
        self.targets += [self.be.empty(v.shape) for v in self.values()[len(self.targets) :]]
        self.explanation: Explanation = self.be.explain(self.pairs())

    def values(self) -> tuple[Any, ...]:
        """The trees."""
        return self.once or self.tree.formula(self.be, **self.tensors)

    def pairs(self) -> list[tuple[Any, Any]]:
        """The statement."""
        return list(zip(self.targets, self.values(), strict=True))

    def job(self) -> Job:
        """The statement, built and run."""
        be, tensors, formula = self.be, self.tensors, self.tree.formula
        once, targets = self.once, self.targets  # as many as there are values, see `pairs`

        def many() -> None:
            be.assign_many(zip(targets, once or formula(be, **tensors)))  # noqa: B905

        if len(self.targets) > 1 or self.once:
            run = many
        else:
            (target,) = self.targets

            def run() -> None:
                (target[:],) = formula(be, **tensors)

        return Job(run, lambda: [t.get() for t in self.targets], self.be.synchronize)

    def overhead(self) -> dict[str, float]:
        """Microseconds at this size: building the tree and running; bound; only building."""
        statement = self.be.executor.bind(self.pairs())
        return {
            "warm": _microseconds(self.job().run, self.be.synchronize),
            "bound": _microseconds(statement.run, self.be.synchronize),
            "build": _microseconds(self.values, self.be.synchronize),
        }


def copy_rate(be: Any, elements: int, seconds: float = 0.2) -> float:
    """GB/s of copying memory of a device, each byte read and written once."""
    source, target = be.ones((1024, elements // 1024)), be.empty((1024, elements // 1024))
    target[:] = source
    be.synchronize()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(5):
            target[:] = source
        be.synchronize()
        count += 5
    return 2 * count * target.nbytes / (time.perf_counter() - start) / 1e9


def _microseconds(run: Callable[[], object], finish: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(CALLS):
            run()
        finish()
        times.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(times)
