"""SkipThought: gradients, tied layers, and training that goes on after a reload."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Uniform
from neonport.layers import GRU, LSTM, GeneralizedCost, Multicost, Recurrent, SkipThought
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Logistic, Tanh

V, E, H, T, N = 6, 2, 3, 3, 4


def network(kind=GRU):
    init = Uniform(-0.8, 0.8)
    gate = None if kind is Recurrent else Logistic()
    return SkipThought(V, E, init, H, kind, init, Tanh(), gate, init, Constant(0.1))


def build(net):
    net.configure((T, 1))
    net.allocate()
    net.allocate_deltas()
    return net


def sentences(be, seed=0):
    rng = np.random.RandomState(seed)
    return [be.array(rng.randint(V, size=(T, N))) for _ in range(3)]


@pytest.fixture
def be(make_backend):
    return make_backend(batch_size=N, rng_seed=0)


@pytest.mark.parametrize("kind", [GRU, LSTM, Recurrent])
def test_gradients_are_those_of_differences(be64, kind):
    net = build(network(kind))
    words = sentences(be64)
    targets = [np.random.RandomState(n).rand(V, T * N) for n in range(2)]

    def cost():
        outputs = zip(targets, net.fprop(words), strict=True)
        return -sum((t * np.log(y.get())).sum() for t, y in outputs)

    outputs = zip(targets, net.fprop(words), strict=True)
    # the gradient of softmax and cross entropy together
    net.bprop([be64.array(y.get() * t.sum(0) - t) for t, y in outputs])
    tied = [net.layers[:3], [net.layers[6], net.layers[9]], [net.layers[7], net.layers[10]]]
    groups = [*tied, *([layer] for layer in net.layers[3:6])]
    for group in groups:
        found = group[0].dW.get()
        wanted = np.zeros_like(found)
        for layer in group:
            np.testing.assert_array_equal(layer.dW.get(), found)
            values = layer.W.get()
            for i in range(values.size):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = values.copy()
                    moved.flat[i] += step
                    layer.W.set(moved)
                    ends.append(cost())
                wanted.flat[i] += (ends[0] - ends[1]) / 2e-5 / len(group)
            layer.W.set(values)
        if group[0] is net.layers[0]:
            wanted[0] = 0  # padding gets no gradient
        np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_members_and_their_first_weights(be):
    net = build(network())
    kinds = [type(layer).__name__ for layer in net.layers]
    ends = ["Linear", "Bias", "Activation"] * 2
    assert kinds == ["LookupTable"] * 3 + ["GRU"] * 3 + ends
    np.testing.assert_array_equal(net.layers[6].W.get(), net.layers[9].W.get())
    assert net.layer_dict["encoder"] is net.layers[3]
    assert Model(net).layer_dict is net.layer_dict
    assert net.layer_dict["affine"] == net.layers[6:9]


class Data:
    """Sentences and, as targets, the words of their neighbours."""

    shape, ndata, nbatches, name = [(T, 1)] * 3, 2 * N, 2, "sentences"

    def __init__(self, be):
        eye = np.eye(V)
        self.batches = []
        for seed in range(2):
            words = sentences(be, seed)
            targets = [be.array(eye[w.get().astype(int).ravel()].T.copy()) for w in words[1:]]
            self.batches.append((words, targets))

    def reset(self):
        pass

    def __iter__(self):
        return iter(self.batches)


def fit(model, be, epochs, record=False):
    costs = [GeneralizedCost(CrossEntropyMulti()) for _ in range(2)]
    callbacks = Callbacks(model, progress_bar=False)
    optimizer = Adam(learning_rate=0.02)
    data = Data(be)
    model.fit(data, Multicost(costs), optimizer, epochs, callbacks, record=record)
    return [layer.W.get() for layer in model.layers.layers if layer.has_params]


@pytest.mark.parametrize(("kind", "record"), [(GRU, False), (LSTM, True)])
def test_training_of_a_reloaded_model_goes_on_to_the_same_bits(
    make_backend, tmp_path, kind, record
):
    be = make_backend(batch_size=N, rng_seed=0)
    whole = Model(network(kind))
    wanted = fit(whole, be, 4, record)
    be = make_backend(batch_size=N, rng_seed=0)
    half = Model(network(kind))
    fit(half, be, 2, record)
    half.save_params(tmp_path / "thoughts.safetensors")
    again = Model(tmp_path / "thoughts.safetensors")
    assert again.layers.rec_layer is kind
    assert set(again.layer_dict) == set(half.layer_dict)
    for a, b in zip(fit(again, be, 4, record), wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_mistakes_are_refused(be):
    init = Uniform(-1, 1)
    with pytest.raises(ConfigurationError, match="rec_layer='3' must be a class"):
        SkipThought(V, E, init, H, 3, init, Tanh(), Logistic(), init, init)
    with pytest.raises(ConfigurationError, match="three LookupTables"):
        SkipThought(
            V, E, init, H, GRU, init, Tanh(), Logistic(), init, init, layers=network().layers[1:]
        )
    with pytest.raises(ConfigurationError, match="list of three"):
        network().configure([(T, 1)] * 2)
    net = build(network())
    words = sentences(be)
    with pytest.raises(ConfigurationError, match="three inputs"):
        net.fprop(words[:2])
    net.fprop(words)
    with pytest.raises(ConfigurationError, match="list of two errors"):
        net.bprop(be.zeros((V, T * N)))
