"""The same request gives the same instance, and nothing lives longer than its tensors."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport import Autodiff
from neonport.autodiff.instance_cache import MAX_ATTACHED


def bn(be, x, gamma):
    return (x - be.mean(x, axis=1)) / be.sqrt(be.var(x, axis=1) + 1e-3) * gamma


def test_the_same_objects(be):
    x, e = be.ones((2, 3)), be.ones((2, 3))
    tree, error = x * 2, e + 1
    assert Autodiff(tree, be) is not Autodiff(tree, be, next_error=e)
    for args in ((tree, be), (tree, be, e), (tree, be, error), (x, be), (3.0, be)):
        first = Autodiff(*args)
        assert Autodiff(*args) is first


def test_a_tree_built_again(be):
    x, gamma, e = be.ones((2, 3)), be.ones((2, 1)), be.ones((2, 3))
    first = Autodiff(bn(be, x, gamma), be, next_error=e)
    assert Autodiff(bn(be, x, gamma), be, next_error=e) is first
    sliced = Autodiff(x[:, 1:] * 2, be)
    assert Autodiff(x[:, 1:] * 2, be) is sliced


@pytest.mark.parametrize(
    "other",
    [
        lambda be, x: x * 3.0,
        lambda be, x: x * -0.0,
        lambda be, x: 0.0 * x,
        lambda be, x: x + 0.0,
        lambda be, x: x.T * 0.0,
        lambda be, x: be.sum(x, axis=0),
        lambda be, x: be.sum(x, axis=1),
        lambda be, x: x[:, :2] * 0.0,
        lambda be, x: be.ones((2, 3)) * 0.0,
        lambda be, x: be.onehot(be.array([0, 1, 0], dtype=np.int32), axis=0, classes=2) * 0.0,
    ],
)
def test_different_trees(be, other):
    x = be.ones((2, 3))
    assert Autodiff(x * 0.0, be) is not Autodiff(other(be, x), be)


def test_parameters_are_part_of_the_key(be):
    index = be.array([0, 1, 0], dtype=np.int32)
    three, four = (be.onehot(index, axis=0, classes=n) * 1.0 for n in (3, 4))
    first, second = Autodiff(three, be), Autodiff(four, be)
    assert first is not second


def test_numbers_of_equal_value_and_other_sign(be):
    x = be.ones((1, 1))
    first = Autodiff(be.exp(1 / (x * 0.0)), be)
    assert Autodiff(be.exp(1 / (x * -0.0)), be) is not first


def test_large_trees_count_by_identity(be):
    x = be.ones((1, 1))

    def large():
        tree = x * 1.0
        for _ in range(8):
            tree = tree * tree
        return tree

    tree = large()
    first = Autodiff(tree, be)
    assert Autodiff(tree, be) is first
    assert Autodiff(large(), be) is not first


def test_used_in_every_step_it_is_built_twice_at_most(be, monkeypatch):
    import neonport.autodiff.autodiff as module

    x, gamma, e = be.ones((2, 3)), be.ones((2, 1)), be.ones((2, 3))
    dx, dgamma = be.empty((2, 3)), be.empty((2, 1))
    builds = []
    walk = module.leaf_gradients
    monkeypatch.setattr(module, "leaf_gradients", lambda *a: builds.append(a) or walk(*a))
    for _ in range(6):
        Autodiff(bn(be, x, gamma), be, next_error=e).back_prop_grad([x, gamma], [dx, dgamma])
    assert len(builds) == 2


def test_cleanup_forgets(be):
    x = be.ones((2, 3))
    first = Autodiff(x * 2, be)
    first.cleanup()
    second = Autodiff(x * 2, be)
    assert second is not first
    np.testing.assert_array_equal(second.get_grad_asnumpyarray([x])[0], 2)
    assert first.op_tree is None


def test_cleanup_of_a_kept_instance_lets_go_of_it(be):
    x = be.ones((2, 3))
    for _ in range(3):
        Autodiff(x * 2, be)
    instance = weakref.ref(Autodiff(x * 2, be))
    assert instance() is not None
    instance().cleanup()
    assert instance() is None


@pytest.mark.parametrize("steps", [1, 5])
def test_tensors_die_with_their_last_reference(be, steps):
    x, gamma, e = be.ones((2, 3)), be.ones((2, 1)), be.ones((2, 3))
    for _ in range(steps):
        ad = Autodiff(bn(be, x, gamma), be, next_error=e)
        ad.back_prop_grad([x, gamma], [be.empty((2, 3)), be.empty((2, 1))])
        ad.get_grad_tensor([x[1:], be.ones((4, 4))])
    refs = [weakref.ref(t) for t in (x, gamma, e, ad)]
    storage = weakref.ref(x.storage)
    del x, gamma, e, ad
    gc.collect()
    assert [r() for r in refs] == [None] * 4
    assert storage() is None


def test_a_batch_that_was_used_often_does_not_live_as_long_as_the_weights(be):
    weights, batch = be.ones((2, 2)), be.ones((2, 2))
    for _ in range(4):
        Autodiff(be.tanh(be.dot(weights, batch)), be).get_grad_asnumpyarray([weights])
    ref = weakref.ref(batch.storage)
    del batch
    gc.collect()
    assert ref() is None
    assert weights.get().any()


def test_new_tensors_in_every_step_need_no_garbage_collector(be):
    weights = be.ones((2, 2))
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            batch = be.ones((2, 2))
            Autodiff(be.tanh(be.dot(weights, batch)), be).get_grad_asnumpyarray([weights])
            ref = weakref.ref(batch.storage)
            del batch
            assert ref() is None
    finally:
        gc.enable()


def test_buffers_and_strangers_are_not_kept(be):
    x, stranger, buffer = be.ones((2, 2)), be.ones((3, 3)), be.empty((2, 2))
    ad = Autodiff(x * x, be)
    ad.back_prop_grad([x], [buffer])
    ad.get_grad_op_tree([stranger])
    refs = [weakref.ref(stranger), weakref.ref(buffer)]
    del stranger, buffer
    gc.collect()
    assert [r() for r in refs] == [None, None]


def test_what_one_block_keeps_is_bounded(be):
    x = be.ones((2, 2))
    refs = []
    for scale in range(MAX_ATTACHED + 10):
        for _ in range(3):
            Autodiff(x * float(scale), be)
        refs.append(weakref.ref(Autodiff(x * float(scale), be)))
    alive = [r() is not None for r in refs]
    assert alive == [False] * 10 + [True] * MAX_ATTACHED


def test_threads_agree_on_one_instance(be):
    from concurrent.futures import ThreadPoolExecutor

    x = be.array(np.random.RandomState(0).rand(4, 4))

    def work(i):
        ad = Autodiff(be.exp(x) * float(i % 3), be)
        return ad, ad.get_grad_asnumpyarray([x])[0]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(60)))
    assert len({id(ad) for ad, _ in results}) == 3
    for i, (_, found) in enumerate(results):
        np.testing.assert_allclose(found, np.exp(x.get()) * (i % 3), rtol=1e-5)
