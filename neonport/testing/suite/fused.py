"""Random trees, several assignments at a time, with targets among their operands."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.testing.cases import Batch, Case, Outcome, Statement, Want, compare
from neonport.testing.layouts import Target
from neonport.testing.random_trees import Grower
from neonport.testing.reference import Interpreter
from neonport.testing.tolerances import Allowance, finfo, stored

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
N = 6
RUNS = 8
COUNT = 32  # trees in fresh targets, and half as many in place
MARGIN = 4.0
SHAPES = ((N, N), (N, N), (N, N), (1, N), (N, 1), (1, 1))


def contents(rng: random.Random, dtype: str) -> list[Array]:
    """Values of the leaves: multiples of 1/8, so that comparisons see ties and no near misses."""
    found = []
    for shape in SHAPES:
        flat = [rng.randint(-16, 16) / 8 for _ in range(prod(shape))]
        found.append(np.array(flat, dtype).reshape(shape))
    return found


def want(tree: Any, values: dict[int, Array], shape: tuple[int, ...], dtype: np.dtype) -> Want:
    """The value of a tree, and how far the allowances of its ops can carry a result from it.

    The tree is evaluated some more times with every op's result moved at random by up to its own
    allowance (the idea of Vignes, "A stochastic arithmetic for reliable scientific computation",
    1993); what is allowed is the largest distance seen, times a margin.
    """
    values_wanted, compute = Interpreter(values, shape).run(tree)
    allowed = np.zeros(values_wanted.shape)
    scale = np.abs(values_wanted) + 1e-3
    for seed in range(RUNS):
        noise = np.random.RandomState(seed)
        moved, _ = Interpreter(values, shape, noise=noise).run(tree)
        with np.errstate(all="ignore"):
            allowed = np.fmax(allowed, np.abs(moved - values_wanted))
    allowed = MARGIN * allowed + float(finfo(compute).eps) * scale
    bound = float(np.max(allowed / scale, initial=0.0))
    final = stored(Allowance(allowed, bound), values_wanted, compute, dtype)
    return Want(
        np.broadcast_to(values_wanted, shape),
        Allowance(np.broadcast_to(final.absolute, shape), final.bound),
    )


def _fresh(seeds: Sequence[int], dtype: str, be: Backend) -> list[Statement]:
    rng = random.Random(seeds[0])
    hosts = contents(rng, dtype)
    leaves = [be.array(h, dtype=dtype) for h in hosts]
    values = {id(t): h for t, h in zip(leaves, hosts, strict=True)}
    for t, h in list(zip(leaves, hosts, strict=True))[:2]:
        leaves.append(t.T)
        values[id(leaves[-1])] = h.T
    statements = []
    for seed in seeds:
        tree = Grower(random.Random(seed), be, leaves).grow(1 + seed % 6)
        _known(tree, values)
        out = Target(be, (N, N), dtype, "plain")
        statements.append(Statement(out, tree, want(tree, values, (N, N), out.tensor.dtype)))
    return statements


def _known(tree: Any, values: dict[int, Array]) -> None:
    """Note the contents of tensors that the grower made: views, lists of indices."""
    from neonport.optree.node import tensors

    for t in tensors(tree):
        values.setdefault(id(t), t.get())


def _in_place(seed: int, dtype: str, be: Backend) -> Outcome:
    """Two trees into tensors, or overlapping views of one, that the trees read."""
    rng = random.Random(seed)
    hosts = contents(rng, dtype)
    leaves = [be.array(h, dtype=dtype) for h in hosts]
    big = be.array(np.tile(hosts[0], (2, 2)), dtype=dtype)
    leaves += [big[:N, :N], big[1 : N + 1, 2 : N + 2], big[N::-1, N::-1][:N, :N], leaves[1].T]
    targets = [leaves[1], leaves[6]] if seed % 2 else [leaves[7]]
    wants, pairs = [], []
    for target in targets:
        tree = Grower(rng, be, leaves).grow(1 + seed % 6)
        values: dict[int, Array] = {}
        _known(tree, values)
        wants.append(want(tree, values, (N, N), target.dtype))
        pairs.append((target, tree))
    be.assign_many(pairs)
    outcome = Outcome()
    for target, wanted in zip(targets, wants, strict=True):
        outcome = compare(target.get(), wanted)
        if outcome.message:
            break
    return outcome


def cases() -> Iterator[Case]:
    """All random trees."""
    counts = {
        "float32": COUNT,
        "float64": COUNT // 4,
        "float16": COUNT // 4,
        "bfloat16": COUNT // 8,
    }
    for dtype, count in counts.items():
        for first in range(0, count, 4):
            seeds = range(first, first + 4)
            names = [("tree", f"{dtype} seed {s}") for s in seeds]
            yield from Batch(names, partial(_fresh, list(seeds), dtype), [dtype]).cases()
        for seed in range(count // 2):
            run = partial(_in_place, seed, dtype)
            yield Case("tree", f"{dtype} in place, seed {seed}", run, frozenset([dtype]))
