"""Bounds of whole statements hold for results whose every op is off by what it may be."""

from __future__ import annotations

import random

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.checking.bounds import Bounded, after_store, carried
from neonport.checking.judging import Definition, alike
from neonport.checking.reference import Interpreter
from neonport.optree.node import apply, tensors
from neonport.testing.random_trees import Grower
from neonport.testing.suite.fused import N, contents


def grown(be, seed, dtype="float32"):
    rng = random.Random(seed)
    leaves = [be.array(h, dtype=dtype) for h in contents(rng, dtype)]
    tree = Grower(rng, be, leaves).grow(2 + seed % 6)
    return tree, {id(t): t.get() for t in tensors(tree)}


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_random_trees_stay_within_the_bound(be, first):
    for seed in range(first, first + 10):
        tree, values = grown(be, seed)
        bounded = Bounded(values, (N, N))
        want, _ = bounded.run(tree)
        allowed = np.broadcast_to(bounded.error(tree), want.shape)
        for draw in range(4):
            noise = np.random.RandomState(draw)
            moved, _ = Interpreter(values, (N, N), noise=noise).run(tree)
            with np.errstate(all="ignore"):
                off = np.abs(moved - want)
            fine = (moved == want) | np.isnan(moved) | np.isnan(want) | np.isinf(allowed)
            assert np.all(fine | (off <= 1.01 * allowed)), (seed, str(tree))


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_what_a_backend_computes_is_right(be, first):
    for seed in range(first, first + 10):
        tree, values = grown(be, seed)
        out = be.empty((N, N))
        out[:] = tree
        assert Definition(out, tree, values, None).judge(out.get()) is None, (seed, str(tree))


def test_bounds_are_small_where_nothing_cancels(be):
    """A bound that lets everything pass would hold, too."""
    x = be.array(np.random.RandomState(0).uniform(0.5, 2, (6, 6)))
    for tree in (
        be.exp(x) * x + 1,
        be.sum(be.sqrt(x) * x, axis=1) / 3,
        be.log(x + 2) / (1 + be.exp(-x)),
        apply("dot", x * 2, be.tanh(x)),
        be.maximum(x * x, 1) - be.max(x * 3, axis=0) * 2,
        be.var(x * 2, axis=1) + be.sum(x, axis=1),
    ):
        bounded = Bounded({id(x): x.get()}, tree.shape)
        want, _ = bounded.run(tree)
        assert np.max(bounded.error(tree) / np.abs(want)) < 1e-5, str(tree)


def test_a_result_that_is_off_by_more_is_wrong(be):
    x = be.array(np.random.RandomState(0).uniform(0.5, 2, (6, 6)))
    tree, out = be.exp(x) / be.sum(be.exp(x), axis=0), be.empty((6, 6))
    out[:] = tree
    definition = Definition(out, tree, {id(x): x.get()}, None)
    got = out.get()
    assert definition.judge(got) is None
    got[3, 4] *= 1 + 1e-5
    verdict = definition.judge(got)
    assert (verdict.wrong, verdict.worst) == (1, (3, 4))
    assert verdict.units > 1
    got[3, 4] = np.nan
    assert definition.judge(got).units == np.inf


def test_a_comparison_near_a_tie_may_go_either_way(be):
    x = be.array(np.float32([[0.1, 0.5, 3.0]]))
    tree = be.exp(be.log(x)) > x  # equal but for rounding
    bounded = Bounded({id(x): x.get()}, (1, 3))
    want, _ = bounded.run(tree)
    assert (bounded.error(tree) == 1).all()
    far = be.exp(be.log(x)) > x + 1
    assert not np.any(Bounded({id(x): x.get()}, (1, 3)).error(far))
    assert want.shape == (1, 3)


def test_places_of_maxima_are_certain_where_values_are_apart():
    x = np.array([[1.0, 2.0, 2.0 + 1e-7], [1.0, 5.0, 2.0]])
    want = np.argmax(x, axis=1)[:, None]
    found = carried("argmax", {"axes": (1,)}, [x], [np.full(x.shape, 1e-6)], want)
    assert found[0, 0] == np.inf
    assert found[1, 0] == 0


def test_what_is_picked_by_something_uncertain_has_no_bound():
    x, index = np.arange(6.0).reshape(3, 2), np.array([[1]])
    errors = [np.zeros(x.shape), np.ones(index.shape)]
    assert np.isinf(carried("take", {"axis": 0}, [x, index], errors, x[:1])).all()


@pytest.mark.parametrize(("dtype", "allowed"), [("int32", 1.0), ("bool", 0.0), ("uint8", 1.0)])
def test_a_store_of_integers_may_round_to_the_neighbour(dtype, allowed):
    want = np.array([[2.5, 7.0]])
    found = after_store(want, 1e-6, np.dtype("float32"), np.dtype(dtype))
    assert found.tolist() == [[allowed, 0.0]]


def test_two_results_are_alike_up_to_one_unit_where_something_is_rounded():
    be = gen_backend("cpu")
    x = be.ones((1, 2))
    a = np.float32([[1, np.nan]])
    b = np.nextafter(a, np.float32(2))
    assert alike(a, b, be.exp(x))
    assert not alike(a, b, be.maximum(x, 0))
    assert not alike(a, np.float32([[1.001, np.nan]]), be.exp(x))
    assert not alike(np.int32([[1]]), np.int32([[2]]), x)
    be.cleanup_backend()
