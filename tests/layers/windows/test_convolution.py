from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError, DtypeError, ShapeError
from neonport.initializers import Constant, Gaussian, Uniform
from neonport.layers import BatchNorm, Bias, Conv, Convolution, Sequential
from neonport.layers.layer import Convolution_bias
from tests.layers.windows.definitions import convolve, convolve_backward, randn

# in_shape, fshape, arguments, out_shape, and (d, h, w) of stride, padding, dilation
CASES = {
    "plain": ((3, 5, 7), (3, 2, 4), {}, (4, 3, 6), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    "cells left over": (
        (2, 8, 6), (3, 3, 3), {"strides": 2, "padding": (1, 0)}, (3, 4, 2),
        (1, 2, 2), (0, 1, 0), (1, 1, 1),
    ),
    "each axis its own": (
        (1, 6, 5), {"R": 3, "S": 2, "K": 2},
        {"strides": {"str_h": 2}, "padding": {"pad_w": 2}, "dilation": {"dil_h": 2}}, (2, 1, 8),
        (1, 2, 1), (0, 0, 2), (1, 2, 1),
    ),
    "volume": (
        (2, 4, 5, 4), [2, 3, 3, 3], {"strides": 2, "padding": (1, 1, 0)}, (3, 5, 3, 1),
        (1, 2, 2), (1, 1, 0), (1, 1, 1),
    ),
    "volume to picture": (
        (2, 2, 3, 4), (2, 1, 1, 3), {"dilation": 3}, (3, 3, 4), (1, 1, 1), (0, 0, 0), (1, 3, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_against_the_definition(make_backend, tools, case, bias):
    in_shape, fshape, kwargs, out_shape, *slides = CASES[case]
    be = make_backend(batch_size=3, rng_seed=0)
    make = Convolution_bias if bias else Convolution
    kwargs = {**kwargs, **({"bias": Gaussian()} if bias else {})}
    layer = tools.drive(make(fshape, init=Gaussian(), bsum=True, **kwargs), in_shape)
    assert layer.out_shape == out_shape
    sizes = layer.nglayer
    x, error = randn(*sizes.dimI), randn(*sizes.dimO, seed=1)
    y = layer.fprop(be.array(x.reshape(sizes.dimI2)))
    assert y is layer.outputs
    f = layer.W.get().reshape(sizes.dimF)
    wanted = convolve(x, f, *slides)
    if bias:
        wanted += layer.weight_bias.get().reshape(-1, 1, 1, 1, 1)
    np.testing.assert_allclose(y.get().reshape(sizes.dimO), wanted, atol=1e-5)
    sums = wanted.sum(axis=(1, 2, 3, 4)).reshape(-1, 1)
    np.testing.assert_allclose(layer.batch_sum.get(), sums, atol=1e-4)
    deltas = layer.bprop(be.array(error.reshape(sizes.dimO2)))
    assert deltas is layer.deltas
    dx, df = convolve_backward(x, f, error, *slides)
    np.testing.assert_allclose(deltas.get().reshape(sizes.dimI), dx, atol=1e-5)
    np.testing.assert_allclose(layer.dW.get().reshape(sizes.dimF), df, atol=1e-4)
    if bias:
        wanted = error.sum(axis=(1, 2, 3, 4)).reshape(-1, 1)
        np.testing.assert_allclose(layer.grad_bias.get(), wanted, atol=1e-4)


def test_ones_are_exact_and_batch_one_is_fine(make_backend, tools):
    be = make_backend(batch_size=1)
    layer = tools.drive(Convolution((3, 3, 2), init=Constant(1)), (4, 5, 5))
    assert (layer.fprop(be.iobuf((4, 5, 5)).fill(1.0)).get() == 36).all()
    layer.bprop(be.iobuf((2, 3, 3)).fill(1.0))
    assert layer.deltas.get().reshape(4, 5, 5)[0].tolist() == [
        [2, 4, 6, 4, 2],
        [4, 8, 12, 8, 4],
        [6, 12, 18, 12, 6],
        [4, 8, 12, 8, 4],
        [2, 4, 6, 4, 2],
    ]
    assert (layer.dW.get() == 9).all()


def test_dilated_filters_are_wider_ones_with_zeros_between(make_backend, tools):
    be = make_backend(batch_size=2, rng_seed=0)
    kwargs = {"init": Gaussian(), "strides": (2, 1), "padding": (1, 2)}
    layer = tools.drive(Convolution((3, 2, 5), dilation=(2, 3), **kwargs), (3, 9, 8))
    wide = tools.drive(Convolution((5, 4, 5), **kwargs), (3, 9, 8))
    filters = layer.W.get().reshape(layer.nglayer.dimF)
    stuffed = np.zeros(wide.nglayer.dimF)
    stuffed[:, :, ::2, ::3] = filters
    wide.W.set(stuffed.reshape(wide.W.shape))
    assert wide.out_shape == layer.out_shape
    x = be.array(randn(3 * 9 * 8, 2))
    y = layer.fprop(x).get()
    np.testing.assert_allclose(y, wide.fprop(x).get(), rtol=1e-4, atol=1e-5)
    error = be.array(randn(*y.shape, seed=1))
    deltas = layer.bprop(error).get()
    np.testing.assert_allclose(deltas, wide.bprop(error).get(), rtol=1e-4, atol=1e-5)
    gradient = wide.dW.get().reshape(wide.nglayer.dimF)[:, :, ::2, ::3]
    found = layer.dW.get().reshape(filters.shape)
    np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-4)


def test_alpha_and_beta(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(Convolution_bias((2, 2, 2), init=Constant(1), bias=Constant(3)), (1, 2, 2))
    layer.outputs.fill(10.0)
    y = layer.fprop(be.iobuf((1, 2, 2)).fill(1.0), beta=0.5)
    assert (y.get() == 4 + 3 + 5).all()
    layer.deltas.fill(4.0)
    deltas = layer.bprop(be.iobuf((2, 1, 1)).fill(1.0), alpha=3.0, beta=0.5)
    assert (deltas.get() == 3 * 2 + 2).all()
    assert (layer.dW.get() == 2).all()  # alpha is not for it
    assert (layer.grad_bias.get() == 2).all()


def test_a_first_layer_computes_the_weights_gradient_only(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(Convolution((2, 2, 2), init=Constant(1)), (1, 2, 2), first=True)
    layer.fprop(be.iobuf((1, 2, 2)).fill(1.0))
    assert layer.bprop(be.iobuf((2, 1, 1)).fill(1.0)) is None
    assert (layer.dW.get() == 2).all()


def test_only_the_first_samples_of_a_short_batch(make_backend, tools):
    be = make_backend(batch_size=5)
    layer = tools.drive(Convolution((2, 2, 2), init=Constant(1)), (1, 3, 3))
    layer.outputs.fill(-1.0)
    layer.set_batch_size(3)
    inputs = be.iobuf((1, 3, 3)).fill(1.0)
    for _ in range(2):
        y = layer.fprop(inputs).get()
        assert (y[:, :3] == 4).all()
        assert (y[:, 3:] == -1).all()
    layer.set_batch_size(None)
    assert (layer.fprop(inputs).get() == 4).all()


def test_other_buffers_are_noticed(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(Convolution((1, 1, 1), init=Constant(1)), (1, 2, 2))
    for value in (1.0, 2.0):
        assert (layer.fprop(be.iobuf((1, 2, 2)).fill(value)).get() == value).all()
        assert (layer.bprop(be.iobuf((1, 2, 2)).fill(value)).get() == value).all()
        assert layer.dW.get() == 8 * value * value


def test_another_batch_size_before_allocate(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = Convolution((2, 2, 2), init=Constant(1))
    layer.configure((1, 3, 3))
    be.bsz = 4
    layer.allocate()
    y = layer.fprop(be.iobuf((1, 3, 3)).fill(1.0))
    assert y.shape == (8, 4)
    assert (y.get() == 4).all()


def test_accumulating_gradients(make_backend, tools):
    be = make_backend(batch_size=2, rng_seed=1)
    layer = tools.drive(
        Convolution_bias((2, 2, 2), init=Uniform(), bias=Constant(0)), (1, 3, 3),
        accumulate_updates=True,
    )  # fmt: skip
    layer.fprop(be.array(randn(9, 2)))
    errors = [be.array(randn(8, 2, seed=s)) for s in (1, 2)]
    alone = []
    for error in errors:
        layer.bprop(error)
        alone.append((layer.dW.get(), layer.grad_bias.get()))
    layer.bprop(errors[0])
    layer.set_acc_on(True)
    layer.bprop(errors[1])
    np.testing.assert_allclose(layer.dW.get(), alone[0][0] + alone[1][0], rtol=1e-5)
    np.testing.assert_allclose(layer.grad_bias.get(), alone[0][1] + alone[1][1], rtol=1e-5)
    layer.set_acc_on(False)
    layer.bprop(errors[1])
    np.testing.assert_array_equal(layer.dW.get(), alone[1][0])


def test_batch_sums_for_a_batch_norm(make_backend, tools):
    """With sums of the convolution the normalisation is what it is without."""
    be = make_backend(batch_size=4, rng_seed=0)
    x = be.array(randn(32, 4))
    found = []
    for bsum in (True, False):
        layers = [Convolution((3, 3, 2), init=Constant(0.5), bsum=bsum), BatchNorm()]
        net = tools.drive(Sequential(layers), (2, 4, 4))
        assert (net.layers[1].xsum is net.layers[0].batch_sum) == bsum
        found.append(net.fprop(x).get())
    np.testing.assert_allclose(*found, atol=1e-5)


def test_text(be):
    layer = Convolution((3, 2, 8), init=Gaussian(), name="c", strides=2, padding={"pad_h": 1})
    ending = "1,0 padding, 2,2 stride, 1,1 dilation"
    assert str(layer) == f"Convolution Layer 'c': ? inputs, ? outputs, {ending}"
    layer.configure((3, 5, 6))
    assert str(layer) == f"Convolution Layer 'c': 3 x (5x6) inputs, 8 x (3x3) outputs, {ending}"
    layer = Convolution_bias((2, 1, 1, 4), init=Gaussian(), name="v").configure((3, 5, 6, 7))
    assert str(layer) == (
        "Convolution_bias Layer 'v': 3 x (5x6x7) inputs, 4 x (4x6x7) outputs, 0,0,0 padding, "
        "1,1,1 stride, 1,1,1 dilation"
    )


def test_sizes_of_neon(be):
    layer = Convolution((2, 3, 3, 4), strides=2, init=Gaussian()).configure((3, 8, 16, 16))
    assert layer.out_shape == (4, 7, 7, 7)  # an int leaves the depth alone
    assert layer.weight_shape == (54, 4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fshape": (3, 3)}, "number of maps"),
        ({"fshape": (3, 0, 4)}, "positive integers"),
        ({"fshape": {"R": 3, "S": 3}}, "number of maps"),
        ({"strides": 0}, "at least 1"),
        ({"padding": {"pad_q": 1}}, "pad_d, pad_h, pad_w"),
        ({"padding": -1}, "at least 0"),
        ({"dilation": 1.5}, "dil_d, dil_h, dil_w"),
        ({"init": 0.1}, r"Constant\(0.1\)"),
    ],
)
def test_arguments_are_checked(be, change, words):
    with pytest.raises(ConfigurationError, match=words):
        Convolution(**{"fshape": (3, 3, 4), "init": Gaussian(), **change})


@pytest.mark.parametrize("in_shape", [12, (12, 3), (1, 2, 3, 4, 5)])
def test_inputs_must_be_images(be, in_shape):
    with pytest.raises(ConfigurationError, match=r"images: \(C, H, W\)"):
        Convolution((1, 1, 1), init=Gaussian()).configure(in_shape)


def test_filters_must_fit(be):
    with pytest.raises(ConfigurationError, match=r"3x5 do not fit into images of 4x4"):
        Convolution((3, 5, 2), init=Gaussian()).configure((1, 4, 4))
    with pytest.raises(ConfigurationError, match="at least 1"):
        Convolution((3, 5, 2), init=Gaussian()).configure((0, 4, 4))


def test_mistakes_leave_the_outputs_alone(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(Convolution((2, 2, 2), init=Constant(1)), (1, 3, 3))
    layer.outputs.fill(5.0)
    with pytest.raises(ShapeError, match=r"features down, samples across"):
        layer.fprop(be.empty((4, 2)))
    with pytest.raises(DtypeError, match="int32"):
        layer.fprop(be.empty((9, 2), dtype=np.int32))
    with pytest.raises(ConfigurationError, match="bprop before fprop"):
        layer.bprop(be.empty((8, 2)))
    assert (layer.outputs.get() == 5).all()


@pytest.mark.parametrize("make", [Convolution, Convolution_bias])
def test_no_initializer(be, make):
    layer = make((2, 2, 2))
    layer.configure((1, 3, 3))
    with pytest.raises(ConfigurationError, match="no init and no loaded weights"):
        layer.allocate()


# ---- checkpoints -----------------------------------------------------------------------------


def built(*layers):
    net = Sequential(layers)
    net.configure((2, 4, 4))
    net.allocate()
    return net


def with_bias(**kwargs):
    return built(*Conv((3, 3, 3), Gaussian(), bias=Uniform(), padding=1, **kwargs))


def test_what_is_stored(be):
    layer = with_bias(strides=2).layers[0]
    entry = layer.get_params_serialize()
    assert entry["type"] == "neon.layers.layer.Convolution_bias"
    assert set(entry["config"]) == {"fshape", "strides", "padding", "init", "bias", "name"}
    assert {name: value.shape for name, value in entry["params"].items()} == {
        "W": (18, 3),
        "weight_bias": (3, 1),
    }
    assert entry["states"] == [[], []]
    assert "states" not in layer.get_params_serialize(keep_states=False)


@pytest.mark.parametrize("before", [True, False])
def test_a_pair_of_an_older_file_is_one_layer(be, before):
    old = built(Convolution((3, 3, 3), padding=1, init=Gaussian()), Bias(Uniform()))
    for layer in old.layers:
        layer.states = [be.ones(layer.W.shape)]
    stored = old.get_description(get_weights=True, keep_states=True)
    shown = repr(stored)
    if before:
        net = Sequential(Conv((3, 3, 3), init=None, bias=Constant(0), padding=1))
        net.load_weights(stored)
        net.configure((2, 4, 4))
        net.allocate()
    else:
        net = with_bias()
        net.load_weights(stored)
    (layer,) = net.layers
    np.testing.assert_array_equal(layer.W.get(), old.layers[0].W.get())
    np.testing.assert_array_equal(layer.weight_bias.get(), old.layers[1].W.get())
    assert [[s.shape for s in states] for states in layer.states] == [[(18, 3)], [(3, 1)]]
    assert repr(stored) == shown
    old.load_weights(stored)  # a net of the two layers still loads its own
    x = be.iobuf((2, 4, 4)).fill(0.5)
    np.testing.assert_allclose(net.fprop(x).get(), old.fprop(x).get(), atol=1e-5)


@pytest.mark.parametrize("states", ["missing", [], [[], []]])
def test_an_entry_without_states_starts_the_optimizer_fresh(be, states):
    net = with_bias()
    stored = net.get_description(get_weights=True, keep_states=False)
    if states != "missing":
        stored["config"]["layers"][0]["states"] = states
    net.layers[0].states[0].append(be.ones((18, 3)))
    net.load_weights(stored)
    assert net.layers[0].states == [[], []]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entry: entry["params"].pop("weight_bias"), "lacks weight_bias"),
        (lambda entry: entry["params"].update(other=np.ones((1, 1))), "has other"),
        (lambda entry: entry["params"].update(W=np.ones((9, 3))), r"needs \(18, 3\)"),
        (lambda entry: entry["params"].update(weight_bias=np.ones((4, 1))), r"needs \(3, 1\)"),
        (lambda entry: entry.update(states=[[]]), "states of W and weight_bias, got 1"),
        (lambda entry: entry.update(states=[[], [np.ones((2, 1))]]), "state of weight_bias"),
        (lambda entry: entry.pop("params"), "no 'params'"),
    ],
)
@pytest.mark.parametrize("allocated", [True, False])
def test_what_does_not_fit_is_refused_and_nothing_changes(be, change, words, allocated):
    stored = with_bias().get_description(get_weights=True, keep_states=True)
    change(stored["config"]["layers"][0])
    net = with_bias() if allocated else Sequential(with_bias().layers)
    kept = net.layers[0].W.get() if allocated else None
    with pytest.raises(CheckpointError, match=words):
        net.load_weights(stored)
    if allocated:
        np.testing.assert_array_equal(net.layers[0].W.get(), kept)


def test_a_broken_pair_is_refused(be):
    old = built(Convolution((3, 3, 3), padding=1, init=Gaussian()), Bias(Uniform()))
    for change in (
        lambda first, second: second.pop("params"),
        lambda first, second: second.update(params=np.ones((3, 1))),
        lambda first, second: first.update(params=np.ones((18, 3))),
        lambda first, second: (first.update(states=[]), second.update(states="x")),
    ):
        stored = old.get_description(get_weights=True)
        change(*stored["config"]["layers"])
        with pytest.raises(CheckpointError):
            with_bias().load_weights(stored)


def test_accumulating_after_weights_were_loaded(be, tools):
    stored = with_bias().layers[0].get_params_serialize()
    layer = Convolution_bias((3, 3, 3), padding=1)
    layer.load_weights(stored)
    tools.drive(layer, (2, 4, 4), accumulate_updates=True)
    layer.set_acc_on(True)
    assert len(layer.acc_params) == 2


def test_an_array_as_initial_bias(be):
    weights, bias = randn(18, 3).astype("f4"), randn(3, 1).astype("f4")
    layer = built(Convolution_bias((3, 3, 3), init=weights, bias=be.array(bias))).layers[0]
    np.testing.assert_array_equal(layer.weight_bias.get(), bias)
    config = layer.get_description()["config"]
    np.testing.assert_array_equal(config["bias"], bias)
    layer.weight_bias = be.ones((4, 1))
    with pytest.raises(CheckpointError, match=r"weight_bias has shape \(4, 1\)"):
        layer.allocate()
    with pytest.raises(ShapeError, match="bias is an array"):
        built(Convolution_bias((3, 3, 3), init=weights, bias=np.ones((4, 1))))
