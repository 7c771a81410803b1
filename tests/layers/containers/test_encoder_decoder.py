"""Encoder, Decoder, Seq2Seq: gradients through states, decoding step by step, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import Uniform
from neonport.layers import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    BiRNN,
    GeneralizedCost,
    Layer,
    LayerNorm,
    Linear,
    LookupTable,
    MultiHeadAttention,
    Recurrent,
    Residual,
    Seq2Seq,
)
from neonport.layers.container import Decoder, Encoder
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Logistic, Softmax, Tanh

V, H, T, N = 3, 4, 3, 4
INIT = Uniform(-0.8, 0.8)


def cell(kind, units=H, **kwargs):
    kwargs.setdefault("reset_cells", True)
    if kind is not Recurrent:
        kwargs["gate_activation"] = Logistic()
    return kind(units, INIT, activation=Tanh(), **kwargs)


def affine(last=Softmax):
    return Affine(V, INIT, bias=INIT, activation=last())


def network(kinds=(GRU, LSTM), connections=None, last=Softmax, **decoder):
    encoder = [cell(kind) for kind in kinds]
    return Seq2Seq([encoder, Decoder([*map(cell, kinds), affine(last)], **decoder)], connections)


def build(net, shape=((V, T), (V, T)), deep=False):
    net.configure(list(shape))
    if deep:
        net.encoder.layers[0].prev_layer = True
    net.allocate()
    net.allocate_deltas()
    return net


def letters(steps=T, seed=0, count=V):
    """Random letters (steps, batch) and their one-hot columns."""
    ids = np.random.RandomState(seed).randint(count, size=(steps, N))
    return ids, np.eye(count)[ids.reshape(-1)].T.copy()


@pytest.fixture
def be(make_backend):
    return make_backend(batch_size=N, rng_seed=0)


class Pair:
    """A Seq2Seq as a layer of one input: what the decoder is given stays as it is."""

    def __init__(self, net, given):
        self.net, self.given = net, given
        self.layers_to_optimize = net.layers_to_optimize

    def fprop(self, x):
        return self.net.fprop((x, self.given))

    def bprop(self, error):
        return self.net.bprop(error)


@pytest.mark.parametrize(
    ("kinds", "connections"),
    [
        ((GRU, GRU), None),
        ((LSTM, LSTM), [1, 0]),
        ((Recurrent, Recurrent), [1, 1]),
        ((GRU, Recurrent), [None, 0]),
    ],
)
def test_gradients_of_two_layers_are_those_of_differences(be64, tools, kinds, connections):
    net = build(network(kinds, connections, Tanh), deep=True)
    given = be64.array(letters(seed=1)[1])
    x = np.random.RandomState(2).randn(V, T * N)
    assert tools.check_gradients(be64, Pair(net, given), x) < 1e-7


def test_other_lengths_and_an_encoder_that_ends_in_another_layer(be64, tools):
    net = Seq2Seq([[cell(GRU), Linear(2, INIT)], [Linear(3, INIT), cell(LSTM), affine(Tanh)]])
    build(net, [(V, 2), (V, T)], deep=True)
    x = np.random.RandomState(2).randn(V, 2 * N)
    assert tools.check_gradients(be64, Pair(net, be64.array(letters()[1])), x) < 1e-7


def test_shorter_sequences_hand_over_the_last_step_that_was_computed(be64, tools):
    net = build(network((GRU, GRU)), deep=True)
    full = np.random.RandomState(2).randn(V, T * N)
    given = be64.array(letters()[1])
    net.set_seq_len(2)
    net.fprop((be64.array(full), given))
    error = np.random.RandomState(3).randn(V, T * N)
    net.bprop(be64.array(error))
    found = [g.get() for _, g in tools.parameters(net.encoder)]

    short = build(network((GRU, GRU)), [(V, 2), (V, 2)], deep=True)
    short.load_weights(net.get_description(get_weights=True))
    short.fprop((be64.array(full[:, : 2 * N]), be64.array(given.get()[:, : 2 * N])))
    short.bprop(be64.array(error[:, : 2 * N]))
    for gradient, (_, wanted) in zip(found, tools.parameters(short.encoder), strict=True):
        np.testing.assert_allclose(gradient, wanted.get(), rtol=1e-10, atol=1e-12)


def test_frozen_decoder_still_hands_gradients_to_the_encoder(be64):
    net = build(network())
    x, given = be64.array(letters()[1]), be64.array(letters(seed=1)[1])
    error = be64.array(np.random.RandomState(3).randn(V, T * N))

    def gradient():
        net.fprop((x, given))
        net.bprop(error)
        return net.encoder.layers[0].dW.get()

    wanted = gradient()
    net.decoder.freeze()
    net.encoder.layers[0].dW[:] = 0
    np.testing.assert_array_equal(gradient(), wanted)
    assert np.abs(wanted).max() > 0


@pytest.mark.parametrize("kinds", [(GRU,), (LSTM, Recurrent)])
@pytest.mark.parametrize("start", [None, 1])
def test_inference_goes_on_from_its_own_outputs(be, kinds, start):
    net = build(network(kinds, start_index=start))
    x = be.array(letters()[1])
    found = net.fprop(x, inference=True).get()
    given = np.zeros((V, T * N), found.dtype)
    if start is not None:
        given[start, :N] = 1
    given[:, N:] = found[:, :-N]
    # what the training pass gives for these inputs
    np.testing.assert_allclose(net.fprop((x, be.array(given))).get(), found, rtol=1e-5, atol=1e-6)


class Doubled(Layer):
    """A layer of a user's own."""

    def configure(self, in_obj):
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs, inference=False):
        self.outputs[:] = 2 * inputs
        return self.outputs


def test_inference_of_ids_goes_on_from_the_likeliest(be):
    table = [LookupTable(V, 2, INIT), cell(GRU)]
    norms = [BatchNorm(), LayerNorm(), Residual([Linear(H, INIT)]), Doubled()]
    net = Seq2Seq([table, [LookupTable(V, 2, INIT, pad_idx=0), cell(GRU), *norms, affine()]])
    assert net.hasLUT
    build(net, [(T, 1), (T, 1)])
    x = be.array(letters()[0])
    found = net.fprop(x, inference=True).get()
    ids = found.reshape(V, T, N).argmax(axis=0)
    given = be.array(np.vstack([np.zeros((1, N), int), ids[:-1]]))
    states = net.encode(x)
    wanted = net.decoder.fprop(given, inference=True, init_states=states).get()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_inference_leaves_the_buffers_of_training_alone(be):
    net = build(network())
    x, given = be.array(letters()[1]), be.array(letters(seed=1)[1])
    net.fprop((x, given))
    net.fprop(be.array(letters(seed=5)[1]), inference=True)  # makes the buffers of one step
    outputs = net.fprop((x, given))
    before, names = outputs.get(), [layer.name for layer in net.layers]
    buffer = net.fprop((x, given), inference=True)
    assert buffer is net.fprop(x, inference=True)
    assert outputs is net.decoder.layers[-1].outputs
    np.testing.assert_array_equal(outputs.get(), before)
    assert [layer.name for layer in net.layers] == names
    assert net.decoder.in_shape == (V, T)


def data(seed=0):
    x = np.eye(V)[np.random.RandomState(seed).randint(V, size=(2 * N, T))]
    y = x[:, ::-1]
    z = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    x, y, z = (a.swapaxes(1, 2).reshape(2 * N, -1) for a in (x, y, z))
    shape = (V, T)
    return ArrayIterator([x, z], y, lshape=[shape, shape], target_shape=shape, make_onehot=False)


def fit(model, epochs, record=False):
    model.fit(
        data(),
        cost=GeneralizedCost(CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.02),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
        record=record,
    )
    return {layer.name: layer.W.get() for layer in model.layers.layers if layer.has_params}


@pytest.mark.parametrize("record", [False, True])
def test_resumes_to_the_same_bits(make_backend, tmp_path, record):
    make_backend(batch_size=N, rng_seed=0)
    whole = Model(network(connections=[1, 0], start_index=2))
    wanted = fit(whole, 4, record)
    make_backend(batch_size=N, rng_seed=0)
    half = Model(network(connections=[1, 0], start_index=2))
    fit(half, 2, record)
    outputs = half.get_outputs(data())
    path = tmp_path / "pair.safetensors"
    half.save_params(path)

    again = Model(path)
    assert again.layers.decoder_connections == [1, 0]
    assert again.layers.decoder.start_index == 2
    assert len(again.layers.encoder.layers) == 2
    np.testing.assert_array_equal(again.get_outputs(data()), outputs)
    found = fit(again, 4, record)
    for a, b in zip(found.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_takes_what_the_encoder_reads(be):
    model = Model(network((GRU,)))
    model.initialize([(V, T), (V, T)])
    texts = np.random.RandomState(0).rand(5, T, V)
    found = model.predict(texts)
    assert found.shape == (5, T, V)
    np.testing.assert_array_equal(model.predict([texts, texts]), found)
    wanted = model.fprop(be.array(texts[:N].transpose(2, 1, 0).reshape(V, -1)), inference=True)
    np.testing.assert_array_equal(found[:N], wanted.get().reshape(V, T, N).transpose(2, 1, 0))


def test_loaded_weights_are_those_of_the_next_inference(be):
    net, other = build(network()), build(network())
    x = be.array(letters()[1])
    net.fprop(x, inference=True)
    wanted = other.fprop(x, inference=True).get()
    assert np.abs(net.fprop(x, inference=True).get() - wanted).max() > 1e-3
    net.load_weights(other.get_description(get_weights=True))
    np.testing.assert_array_equal(net.fprop(x, inference=True).get(), wanted)


def test_description_has_neons_entries(be):
    model = Model(network())
    model.initialize((V, T, V, T))
    model.fprop(be.array(letters()[1]), inference=True)
    found = model.get_description()
    assert found["model"]["type"] == "neon.layers.container.Seq2Seq"
    config = found["model"]["config"]
    assert config["num_encoder_layers"] == 2
    assert config["decoder_connections"] == [0, 1]
    assert [len(config["layers"]), "start_index" in config] == [7, False]
    assert found["train_input_shape"] == (V, T, V, T)  # of training, also after inference


def test_data_with_a_decoder_shape(be):
    class Data:
        shape, decoder_shape = (V, T), (V, 2)

    net = network().configure(Data())
    assert (net.in_shape, net.out_shape) == ([(V, T), (V, 2)], (V, 2))


def test_order_of_parameters_decoder_first(be):
    drawn = []

    class Noted(Uniform):
        def fill(self, param):
            drawn.append(param.shape)
            super().fill(param)

    init = Noted(-1, 1)
    build(Seq2Seq([Recurrent(5, init, activation=Tanh()), [Recurrent(5, init, activation=Tanh())]],
                  [None]), [(2, T), (V, T)])  # fmt: skip
    assert drawn == [(5, V), (5, 5), (5, 2), (5, 5)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Seq2Seq([cell(GRU)]), "1 entries"),
        (lambda: Seq2Seq([cell(GRU), 3]), "no layer"),
        (lambda: Seq2Seq([Linear(3, INIT), cell(GRU)]), "no recurrent layer"),
        (lambda: Seq2Seq([[cell(GRU), cell(GRU)], cell(GRU)]), "decoder_connections"),
        (lambda: Seq2Seq([cell(GRU), cell(GRU)], [1]), "decoder_connections"),
        (lambda: Seq2Seq([cell(GRU), cell(GRU, 5)]), "has 4 units"),
        (lambda: Seq2Seq([Decoder(cell(GRU)), Encoder(cell(GRU))]), "where the Encoder belongs"),
        (lambda: Seq2Seq([net := cell(GRU), net]), "share a layer"),
        (lambda: Decoder(cell(GRU), start_index=-1), "start_index=-1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(be, make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_shapes_and_inputs_that_do_not_fit_are_refused(be):
    for shape in (3, (V, T), [V, V], Linear(3, INIT)):
        with pytest.raises(ConfigurationError, match="needs two shapes"):
            network().configure(shape)
    net = build(network())
    x = be.array(letters()[1])
    with pytest.raises(ConfigurationError, match="takes a pair"):
        net.fprop(x)
    net.fprop((x, x))
    with pytest.raises(ShapeError, match="the error has the shape"):
        net.bprop(be.zeros((V, N)))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (lambda: [cell(GRU), Linear(2, INIT)], "gives out 2 numbers a step and takes 3"),
        (lambda: [cell(GRU), BiRNN(2, INIT, activation=Tanh()), affine()], "all time steps"),
        (lambda: [cell(GRU), MultiHeadAttention(2, INIT), affine()], "all time steps"),
    ],
)
def test_decoder_that_cannot_go_step_by_step_is_refused_in_inference(be, layers, words):
    net = build(Seq2Seq([cell(GRU), layers()]))
    x = be.array(letters()[1])
    net.fprop((x, x))
    with pytest.raises(ConfigurationError, match=words):
        net.fprop(x, inference=True)


def test_start_index_beyond_the_inputs_is_refused(be):
    net = build(network(start_index=V))
    with pytest.raises(ConfigurationError, match="start_index=3"):
        net.fprop(be.array(letters()[1]), inference=True)


def test_warm_steps_allocate_nothing(be, monkeypatch):
    net = build(network())
    x, z = be.array(letters()[1]), be.array(letters(seed=1)[1])
    error = be.zeros((V, T * N))

    def step():
        net.fprop((x, z))
        net.bprop(error)
        net.fprop(x, inference=True)

    for _ in range(3):
        step()
    taken = []
    allocate = be.device.allocate
    monkeypatch.setattr(be.device, "allocate", lambda n: taken.append(n) or allocate(n))
    step()
    assert taken == []
