"""What recurrent layers save and load: parameters, statistics, and the state in mid-sequence."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.errors import CheckpointError
from neonport.foundation.descriptions import Builder
from neonport.initializers import Uniform
from neonport.layers import (
    GRU,
    LSTM,
    Affine,
    BiBNRNN,
    BiLSTM,
    BiRNN,
    DeepBiLSTM,
    GeneralizedCost,
    Recurrent,
)
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import Logistic, SumSquared, Tanh

F, H, T, N = 2, 3, 3, 4


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def network(name):
    init, gates = Uniform(-0.5, 0.5), {"activation": Tanh(), "gate_activation": Logistic()}
    make = {
        "stateful": lambda: [
            LSTM(H, init, **gates),
            GRU(H, init, **gates),
            Recurrent(H, init, activation=Tanh()),
        ],
        "strict": lambda: [
            LSTM(H, init, **gates, strict=True),
            BiLSTM(H, init, **gates, strict=True),
        ],
        "both ends": lambda: [
            BiBNRNN(H, init, activation=Tanh()),
            BiRNN(H, init, activation=Tanh()),
        ],
        "stack": lambda: [DeepBiLSTM(H, init, **gates, depth=2)],
    }[name]
    return Model([*make(), Affine(2, init)])


def data(seed=0):
    x, y = randn(4 * N, F * T, seed=seed), randn(4 * N, 2 * T, seed=seed + 1)
    return ArrayIterator(x, y, lshape=(F, T), target_shape=(2, T), make_onehot=False)


def fit(model, epochs, evaluate=True, record=False, **kwargs):
    if evaluate:
        kwargs |= {"eval_set": data(5), "eval_freq": 1}
    callbacks = Callbacks(model, progress_bar=False, **kwargs)
    cost, optimizer = GeneralizedCost(SumSquared()), Adam(learning_rate=0.01)
    model.fit(
        data(),
        cost=cost,
        optimizer=optimizer,
        num_epochs=epochs,
        callbacks=callbacks,
        record=record,
    )


def weights(model):
    found = {}
    for i, layer in enumerate(model.layers.layers):
        entry = layer.get_description(get_weights=True) if layer.has_params else {}
        for key, value in entry.get("params", {}).items():
            found[f"{i} {key}"] = value.tobytes()
    return found


@pytest.mark.parametrize(
    ("name", "evaluate"),
    [
        *(("stateful", True), ("stateful", False), ("strict", True), ("strict", False)),
        *(("both ends", True), ("stack", False)),
    ],
)
def test_resumed_training_gives_the_same_bits(make_backend, tmp_path, name, evaluate):
    path = str(tmp_path / "model.prm")

    def start():
        make_backend(batch_size=N, rng_seed=0)
        return network(name)

    straight = start()
    fit(straight, 3, evaluate)
    wanted = weights(straight)
    first = start()
    fit(first, 1, evaluate, save_path=path)
    second = start()
    second.load_params(path)
    fit(second, 3, evaluate)
    assert weights(second) == wanted
    made = Model(path)  # from the description alone
    fit(made, 3, evaluate)
    assert weights(made) == wanted


@pytest.mark.parametrize("kind", [Recurrent, LSTM, GRU])
def test_a_state_in_mid_sequence_is_saved_and_loaded(be, make, tools, kind):
    layer, x = make(kind, (F, T)), be.array(randn(F, T * N))
    layer.fprop(x)
    entry = layer.get_description(get_weights=True)
    wanted = layer.fprop(x).get()
    fresh = Builder().build("layer", entry)
    fresh.check_weights(entry)
    fresh.load_weights(entry)  # before there are buffers
    assert fresh.get_description(get_weights=True)["carried"]["states"][0].shape == (H, N)
    tools.drive(fresh, (F, T))
    used = make(kind, (F, T))
    used.fprop(x)
    used.load_weights(entry)  # into a layer in mid-sequence
    for other in (fresh, used):
        assert (other.fprop(be.array(randn(F, T * N))).get() == wanted).all()
    del entry["carried"]
    used.load_weights(entry)
    fresh.reset_state()
    fresh._remembered = None
    assert (used.fprop(x).get() == fresh.fprop(x).get()).all()


def test_a_state_of_another_batch_size_is_left_out(make_backend, be, make):
    layer = make(LSTM, (F, T))
    layer.fprop(be.array(randn(F, T * N)))
    entry = layer.get_description(get_weights=True)
    be.bsz = 1  # as scripts do that generate text
    other = Builder().build("layer", entry)
    other.load_weights(entry)
    other.configure((F, 1))
    other.allocate()
    assert not other.final_state().get().any()
    assert other.fprop(be.array(randn(F, 1))).shape == (H, 1)


def test_weights_alone_and_layers_that_reset_hold_no_state(be, make):
    layer, reset = make(GRU, (F, T)), make(GRU, (F, T), reset_cells=True)
    for one in (layer, reset):
        assert "carried" not in one.get_description(get_weights=True)  # nothing has run
        one.fprop(be.array(randn(F, T * N)))
    assert "carried" in layer.get_description(get_weights=True)
    assert "carried" not in layer.get_description(get_weights=True, keep_states=False)
    assert "carried" not in layer.get_description()
    assert "carried" not in reset.get_description(get_weights=True)


def test_descriptions_hold_what_is_no_default(be):
    layer = LSTM(H, Uniform(), Uniform(0, 1), Tanh(), Logistic(), True, "memory", strict=True)
    entry = layer.get_description()
    assert entry["type"] == "neon.layers.recurrent.LSTM"
    config = entry["config"]
    assert set(config) == {
        *("output_size", "init", "init_inner", "activation", "gate_activation", "reset_cells"),
        *("name", "strict"),
    }
    assert config["activation"]["type"].endswith("Tanh")
    assert config["init_inner"]["type"].endswith("Uniform")
    plain = BiRNN(H, Uniform(), activation=Tanh(), name="both").get_description()["config"]
    assert set(plain) == {"output_size", "init", "activation", "name"}


def test_files_of_neon_without_scale_and_shift(be, make):
    layer = make(BiBNRNN, (F, T))
    layer.fprop(be.array(randn(F, T * N)))
    entry = layer.get_description(get_weights=True)
    assert set(entry["params"]) == {"W", "gmean", "gvar", "beta", "gamma"}
    for names in (("beta", "gamma"), ("beta", "gamma", "gmean", "gvar")):  # of 2.2.0, of before
        old = {"params": {k: v for k, v in entry["params"].items() if k not in names}}
        old["states"] = [np.ones(layer.W.shape)]
        other = make(BiBNRNN, (F, T))
        other.gamma.fill(3.0)
        other.check_weights(old)
        other.load_weights(old)
        assert (other.gamma.get() == 1).all()
        assert (other.gmean.get() == 0).all() == ("gmean" in names)
        assert [len(states) for _, states in other.get_params()] == [1, 0, 0]


def test_a_description_that_neon_writes(be):
    """The keys and paths are neon's; it stores no scale and shift of a BiBNRNN."""
    rng = np.random.RandomState(0)

    def entry(path, params=None, **config):
        found = {"type": f"neon.layers.{path}", "config": {"name": path, **config}}
        return found if params is None else {**found, "params": params, "states": []}

    def transform(name):
        return {"type": f"neon.transforms.activation.{name}", "config": {"name": name}}

    init = {"type": "neon.initializers.initializer.Uniform", "config": {"name": "u", "low": -0.1}}
    acts = {"activation": transform("Tanh"), "gate_activation": transform("Logistic"), "init": init}
    plain = {"activation": transform("Tanh"), "init": init, "output_size": 2}
    column = {"gmean": np.zeros((4, 1)), "gvar": np.ones((4, 1))}
    lut = {"vocab_size": 5, "embedding_dim": 2, "init": init}
    layers = [
        entry("layer.LookupTable", {"W": rng.randn(5, 2)}, **lut),
        entry("recurrent.LSTM", {"W": rng.randn(6, 12)}, output_size=3, reset_cells=True, **acts),
        entry("recurrent.BiBNRNN", {"W": rng.randn(12, 2), **column}, **plain),
        entry("recurrent.BiSum"),
        entry("recurrent.GRU", {"W": rng.randn(5, 6)}, output_size=2, **acts),
        entry("recurrent.RecurrentSum"),
    ]
    root = {"type": "neon.layers.container.Sequential", "config": {"name": "s", "layers": layers}}
    model = Model({"neon_version": "2.6.0", "model": {**root, "container": True}, "epoch_index": 2})
    model.initialize((T, 1))
    _, memory, both, *_ = model.layers.layers
    assert (memory.reset_cells, memory.gate_activation.classnm) == (True, "Logistic")
    assert (both.gamma.get() == 1).all()
    wanted = layers[1]["params"]["W"][:2].reshape(12, 2).astype(np.float32)
    assert (memory.W_input.get() == wanted).all()
    assert np.isfinite(model.fprop(be.array(rng.randint(0, 5, (T, N))), inference=True).get()).all()


@pytest.mark.parametrize(
    ("carried", "words"),
    [
        (5, "no list of 2 states"),
        ({"states": [np.zeros((H, N))]}, "no list of 2 states"),
        ({"states": [np.zeros((H + 1, N))] * 2}, r"carried state has shape \(4, 4\)"),
        ({"states": [np.zeros((H, N)), "text"]}, "no array of numbers"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_before_anything_is_written(be, make, carried, words):
    layer = make(LSTM, (F, T))
    before = layer.W.get()
    entry = {"params": {"W": np.zeros(layer.W.shape)}, "states": [], "carried": carried}
    with pytest.raises(CheckpointError, match=words):
        layer.check_weights(entry)
    assert (layer.W.get() == before).all()


def test_mistaken_entries_of_batch_norm(be, make):
    layer = make(BiBNRNN, (F, T))
    entry = layer.get_description(get_weights=True)
    for change, words in (
        ({"params": {**entry["params"], "gamma": np.ones(3)}}, "stored gamma has shape"),
        ({"params": {"beta": np.ones((6, 1))}}, "lacks W"),
        ({"states": 5}, "'states' is a int, no list"),
        ({"states": [[], [np.zeros((2, 2))], []]}, "state of beta has shape"),
    ):
        with pytest.raises(CheckpointError, match=words):
            layer.check_weights({**entry, **change})
