from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff import Autodiff
from neonport.errors import CheckpointError, ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import Activation, Affine, BatchNorm, Convolution, Linear, Sequential
from neonport.transforms import Rectlin, Tanh


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def reference(x, gamma, beta, eps):
    mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * gamma + beta, mean, var


@pytest.mark.parametrize(("in_shape", "maps"), [(5, 5), ((5, 3), 5), ((3, 4, 2), 3)])
def test_training_step_against_numpy(be, tools, in_shape, maps):
    layer = tools.drive(BatchNorm(), in_shape)
    gamma, beta = randn(maps, 1, seed=2), randn(maps, 1, seed=3)
    layer.gamma.set(gamma)
    layer.beta.set(beta)
    x = randn(*be.iobuf(in_shape).shape) * 2 + 1
    y = layer.fprop(be.array(x))
    expected, mean, var = reference(x.reshape(maps, -1), gamma, beta, 1e-3)
    np.testing.assert_allclose(y.get(), expected.reshape(x.shape), atol=1e-5)
    np.testing.assert_allclose(layer.gmean.get(), 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(layer.gvar.get(), 0.1 * var, atol=1e-5)


def test_worked_values(make_backend, tools):
    be = make_backend(batch_size=4)
    layer = tools.drive(BatchNorm(), 1)
    layer.gamma.fill(2.0)
    layer.beta.fill(1.0)
    y = layer.fprop(be.array([[1.0, 2.0, 3.0, 6.0]])).get()
    np.testing.assert_allclose(y, [[-1.1377846, -0.0688923, 1, 4.2066768]], rtol=1e-5)
    deltas = layer.bprop(be.array([[1.0, 0.0, 0.0, 0.0]])).get()
    np.testing.assert_allclose(deltas, [[0.4963586, -0.4198784, -0.2672231, 0.1907428]], rtol=1e-4)
    assert layer.grad_gamma.get().item() == pytest.approx(-1.0688923, rel=1e-5)
    assert layer.grad_beta.get().item() == 1


def test_inference_uses_the_running_statistics(be, tools):
    layer = tools.drive(BatchNorm(), 3)
    layer.gmean.set(np.array([[1.0], [2], [3]]))
    layer.gvar.set(np.array([[4.0], [9], [16]]))
    x = randn(3, 32)
    before = layer.gmean.get()
    y = layer.fprop(be.array(x), inference=True).get()
    expected = (x - [[1], [2], [3]]) / np.sqrt(np.array([[4], [9], [16]]) + 1e-3)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_array_equal(layer.gmean.get(), before)


@pytest.mark.parametrize("inference", [False, True])
def test_beta_adds_what_was_there(be, tools, inference):
    layer = tools.drive(BatchNorm(), 3)
    x = be.array(randn(3, 32))
    plain = layer.fprop(x, inference).get()
    layer.gmean.fill(0.0)
    layer.gvar.fill(0.0)
    layer.outputs.fill(10.0)
    np.testing.assert_allclose(layer.fprop(x, inference, beta=0.5).get(), plain + 5, atol=1e-4)


def test_the_sums_of_a_linear_below_are_used(be):
    net = Sequential(Affine(3, Gaussian(), batch_norm=True)).configure(4)
    net.allocate()
    net.allocate_deltas()
    linear, norm = net.layers
    x = randn(4, 32)
    for _ in range(2):  # the sum turns into a mean in place, and must not be divided twice
        y = net.fprop(be.array(x)).get()
        z = linear.W.get() @ x
        np.testing.assert_allclose(y, reference(z, 1, 0, 1e-3)[0], atol=1e-4)
    assert norm.xsum is linear.batch_sum
    linear.batch_sum.fill(0.0)
    y = norm.fprop(linear.fprop(be.array(x), inference=True)).get()
    np.testing.assert_allclose(y, z / np.sqrt(z.var(1, keepdims=True) + 1e-3), atol=1e-4)


def test_gradients(be64, tools):
    layer = tools.drive(BatchNorm(), (2, 2, 1))
    layer.gamma.set(randn(2, 1, seed=1))
    assert tools.check_gradients(be64, layer, randn(4, 4)) < 1e-7


def test_statistics_are_float32_except_on_a_float64_backend(make_backend, tools):
    be = make_backend(batch_size=4, dtype=np.float16)
    layer = tools.drive(BatchNorm(), 3)
    assert layer.gamma.dtype == layer.xvar.dtype == np.float32
    assert layer.fprop(be.iobuf(3)).dtype == np.float16


def test_a_first_layer_leaves_the_error_alone(be, tools):
    layer = tools.drive(BatchNorm(), 3, first=True)
    layer.fprop(be.array(randn(3, 32)))
    error = be.array(randn(3, 32, seed=1))
    before = error.get()
    assert layer.bprop(error) is None
    np.testing.assert_array_equal(error.get(), before)
    np.testing.assert_allclose(layer.grad_beta.get(), before.sum(1, keepdims=True), atol=1e-5)


def test_bprop_does_not_add_up(be, tools):
    layer = tools.drive(BatchNorm(), 3)
    layer.fprop(be.iobuf(3))
    for kwargs in ({"alpha": 2.0}, {"beta": 1.0}):
        with pytest.raises(ConfigurationError, match="SkipNode"):
            layer.bprop(be.iobuf(3), **kwargs)


def test_other_tensors_are_noticed(be, tools):
    layer = tools.drive(BatchNorm(), 3)
    for seed in (1, 2):
        x, error = randn(3, 32, seed=seed), randn(3, 32, seed=seed + 5)
        y = layer.fprop(be.array(x)).get()
        np.testing.assert_allclose(y, reference(x, 1, 0, 1e-3)[0], atol=1e-5)
        layer.bprop(be.array(error))
        np.testing.assert_allclose(layer.grad_beta.get(), error.sum(1, keepdims=True), atol=1e-4)


def test_accumulating(be, tools):
    layer = tools.drive(BatchNorm(), 3, accumulate_updates=True)
    layer.fprop(be.array(randn(3, 32)))
    error = be.array(randn(3, 32, seed=1))
    layer.bprop(error)
    once = [g.get() for _, g in tools.parameters(layer)]
    layer.set_acc_on(True)
    layer.bprop(error)
    for (_, gradient), single in zip(tools.parameters(layer), once, strict=True):
        np.testing.assert_allclose(gradient.get(), 2 * single, rtol=1e-5)


def test_parameters_for_the_optimizer_are_beta_then_gamma(be, tools):
    layer = tools.drive(BatchNorm(), 3)
    (first, _), (second, _) = layer.get_params()
    assert first == (layer.beta, layer.grad_beta)
    assert second == (layer.gamma, layer.grad_gamma)
    assert layer.get_params()[0][1] is layer.states[0]
    assert layer.allparams == [layer.beta, layer.gamma, layer.gmean, layer.gvar]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_saving_and_loading(be, tools, legacy, early):
    source = tools.drive(BatchNorm(name="bn"), 3)
    for i, tensor in enumerate(source.allparams):
        tensor.fill(i + 1.0)
    source.states[0].append(be.ones((3, 1)))
    entry = source.get_description(get_weights=True)
    assert sorted(entry["params"]) == ["beta", "gamma", "gmean", "gvar"]
    if legacy:
        entry["params"] = [entry["params"][k] for k in ("beta", "gamma", "gmean", "gvar")]
    target = BatchNorm() if early else tools.drive(BatchNorm(), 3)
    target.load_weights(entry)
    if early:
        tools.drive(target, 3)
    assert [t.get()[0, 0] for t in target.allparams] == [1, 2, 3, 4]
    assert [len(s) for s in target.states] == [1, 0]
    target.load_weights({"params": entry["params"]})  # no states: a fresh start
    assert target.states == [[], []]


def test_entries_that_do_not_fit(be, tools):
    layer = tools.drive(BatchNorm(), 3)
    good = layer.get_description(get_weights=True)["params"]
    for params in ({**good, "gvar": np.zeros((4, 1))}, {"gamma": good["gamma"]}):
        with pytest.raises(CheckpointError):
            layer.load_weights({"params": params})
    assert (layer.gamma.get() == 1).all()


@pytest.mark.parametrize("bad", [{"rho": 1.5}, {"rho": -0.1}, {"eps": 0}])
def test_arguments(bad):
    with pytest.raises(ConfigurationError, match="rho"):
        BatchNorm(**bad)


def test_text(be):
    layer = BatchNorm(name="bn")
    assert str(layer) == "BatchNorm Layer 'bn': ? inputs, ? steps, ? feature maps"
    assert str(layer.configure((5, 3))) == "BatchNorm Layer 'bn': 5 inputs, 3 steps, 5 feature maps"


class Apart(Activation):
    """Is not the class Activation itself: does its own work."""


def chain(be, tools, activation, transform):
    """Layers around a BatchNorm that has seen no data yet."""
    be.rng_reset()
    net = Sequential(
        [
            Convolution((3, 3, 6), init=Gaussian(scale=0.3)),
            BatchNorm(),
            activation(transform),
            Linear(7, Gaussian(scale=0.3)),
        ]
    )
    tools.drive(net, (3, 4, 5), first=True)
    norm = net.layers[1]
    norm.gamma.set(randn(6, 1, seed=2))
    norm.beta.set(randn(6, 1, seed=3))
    return net


def trained(be, net, steps=2):
    """What steps of a chain leave behind."""
    found = []
    for step in range(steps):
        x = be.array(randn(60, be.bsz, seed=step))
        found.append(net.fprop(x).get())
        net.bprop(be.array(randn(7, be.bsz, seed=9 + step)))
        norm = net.layers[1]
        found += [p.get() for p in (norm.grad_gamma, norm.grad_beta, norm.gmean, norm.gvar)]
        found += [norm.outputs.get(), norm.deltas.get(), net.layers[0].dW.get()]
    return found


@pytest.mark.parametrize("slope", [0, 0.1, -0.5])
def test_a_rectifier_above_is_made_in_the_same_statements(be, tools, monkeypatch, slope):
    want = trained(be, chain(be, tools, Apart, Rectlin(slope)))
    net = chain(be, tools, Activation, Rectlin(slope))
    monkeypatch.setattr(type(be), "fprop_transform", None)
    monkeypatch.setattr(type(be), "bprop_transform", None)
    for a, b in zip(trained(be, net), want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert net.layers[1].made_above is net.layers[2]


@pytest.mark.parametrize("case", ["tanh", "frozen", "inference", "class of its own", "sum"])
def test_other_activations_above_work_for_themselves(be, tools, case):
    own = Apart if case == "class of its own" else Activation
    transform = Tanh() if case == "tanh" else Rectlin()
    nets = [chain(be, tools, kind, transform) for kind in (own, Apart)]
    x = be.array(randn(60, be.bsz, seed=1))
    for net in nets:
        if case in ("inference", "frozen"):
            net.fprop(x)  # statistics; and what must be forgotten
        net.layers[1].freeze(case == "frozen")
    if case == "sum":  # what is added to must not be rectified as well
        a, b = (net.layers[1].fprop(be.array(randn(36, be.bsz)), beta=0.5).get() for net in nets)
    else:
        a, b = (net.fprop(x, inference=case == "inference").get() for net in nets)
    np.testing.assert_array_equal(a, b)
    assert nets[0].layers[1].made_above is None


def test_a_norm_that_is_run_by_itself_only_normalises(be, tools):
    nets = [chain(be, tools, kind, Rectlin()) for kind in (Activation, Apart)]
    x = be.array(randn(36, be.bsz, seed=5))
    for net in nets:
        net.fprop(be.array(randn(60, be.bsz)))
    a, b = (net.layers[1].fprop(x).get() for net in nets)
    np.testing.assert_array_equal(a, b)
    assert a.min() < 0
    e = be.array(randn(36, be.bsz, seed=6))
    gradients = []
    for net in nets:
        y = net.layers[2].fprop(net.layers[1].outputs)
        assert y.get().min() == 0
        gradients.append(net.layers[2].bprop(e).get().copy())
    np.testing.assert_array_equal(*gradients)


def test_a_rectifier_on_another_backend_works_for_itself(make_backend):
    be, other = make_backend(batch_size=4), make_backend(batch_size=4)
    norm, above = BatchNorm(), Activation(Rectlin())
    norm.set_backend(be)
    above.set_backend(other)
    net = Sequential([norm, above])
    net.configure(3)
    net.allocate()
    y = net.fprop(be.array(randn(3, 4)))
    assert norm.made_above is None
    assert y.get().min() == 0


def test_gradients_of_a_rectified_norm(be, tools):
    """Against those of an op-tree."""
    net = chain(be, tools, Activation, Rectlin(0.1))
    norm = net.layers[1]
    x, e = be.array(randn(36, be.bsz, seed=5)), be.array(randn(36, be.bsz, seed=6))
    net.fprop(be.array(randn(60, be.bsz)))
    norm.in_chain = True  # as the chain says it
    net.layers[2].fprop(norm.fprop(x))
    got = norm.bprop(net.layers[2].bprop(e)).get()
    seen = x.reshape(6, -1)
    tree = (seen - be.mean(seen, axis=1)) / be.sqrt(be.var(seen, axis=1) + norm.eps)
    tree = tree * norm.gamma + norm.beta
    rectified = be.maximum(tree, 0) + 0.1 * be.minimum(tree, 0)
    ad = Autodiff(rectified, be, next_error=e.reshape(6, -1))
    want = ad.get_grad_asnumpyarray([seen, norm.gamma, norm.beta])
    np.testing.assert_allclose(got.reshape(6, -1), want[0], atol=2e-5)
    np.testing.assert_allclose(norm.grad_gamma.get(), want[1], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(norm.grad_beta.get(), want[2], rtol=1e-4, atol=1e-3)
