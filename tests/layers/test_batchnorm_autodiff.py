from __future__ import annotations

import numpy as np
import pytest

from neonport.layers import BatchNorm, BatchNormAutodiff


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def pair(tools, in_shape, **kwargs):
    layers = BatchNorm(0.99, 1e-6), BatchNormAutodiff()
    for layer in layers:
        tools.drive(layer, in_shape, **kwargs)
        layer.gamma.set(randn(layer.nfm, 1, seed=7))
        layer.beta.set(randn(layer.nfm, 1, seed=8))
    return layers


@pytest.mark.parametrize("in_shape", [4, (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("first", [False, True])
def test_the_numbers_are_those_of_batchnorm(be64, tools, in_shape, first):
    plain, auto = pair(tools, in_shape, first=first)
    x = be64.array(randn(*be64.iobuf(in_shape).shape))
    for step in range(3):
        error = be64.array(randn(*x.shape, seed=step + 1))
        ys = [layer.fprop(x).get() for layer in (plain, auto)]
        np.testing.assert_allclose(*ys, rtol=1e-12, atol=1e-12)
        deltas = [layer.bprop(error) for layer in (plain, auto)]
        if first:
            assert deltas == [None, None]
        else:
            np.testing.assert_allclose(*[d.get() for d in deltas], rtol=1e-9, atol=1e-12)
        for key in ("gmean", "gvar", "grad_gamma", "grad_beta"):
            values = [getattr(layer, key).get() for layer in (plain, auto)]
            np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-12)
    ys = [layer.fprop(x, inference=True).get() for layer in (plain, auto)]
    np.testing.assert_allclose(*ys, rtol=1e-12)


def test_beta_adds_what_was_there(be64, tools):
    plain, auto = pair(tools, 3)
    x = be64.array(randn(3, 4))
    ys = []
    for layer in (plain, auto):
        layer.outputs.fill(3.0)
        ys.append(layer.fprop(x, beta=2.0).get())
    np.testing.assert_allclose(*ys, rtol=1e-12)


def test_gradients(be64, tools):
    layer = tools.drive(BatchNormAutodiff(), (2, 2, 1))
    layer.gamma.set(randn(2, 1, seed=1))
    assert tools.check_gradients(be64, layer, randn(4, 4)) < 1e-7


def test_another_input_gets_a_tree_of_its_own(be, tools):
    plain, auto = pair(tools, 3)
    for seed in range(3):
        x, error = be.array(randn(3, 32, seed=seed)), be.array(randn(3, 32, seed=seed + 9))
        results = [(layer.fprop(x).get(), layer.bprop(error).get()) for layer in (plain, auto)]
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_tree_and_gradient_are_built_once(be, tools, monkeypatch):
    layer = tools.drive(BatchNormAutodiff(), 3)
    built = []
    original = layer.get_forward_optree
    monkeypatch.setattr(layer, "get_forward_optree", lambda: built.append(1) or original())
    x, error = be.array(randn(3, 32)), be.array(randn(3, 32))
    for _ in range(3):
        layer.fprop(x)
        layer.bprop(error)
    assert built == [1]


def test_accumulating(be, tools):
    layer = tools.drive(BatchNormAutodiff(), 3, accumulate_updates=True)
    layer.fprop(be.array(randn(3, 32)))
    error = be.array(randn(3, 32, seed=1))
    layer.bprop(error)
    once = layer.grad_beta.get()
    layer.set_acc_on(True)
    layer.bprop(error)
    np.testing.assert_allclose(layer.grad_beta.get(), 2 * once, rtol=1e-5)
