"""What a model's checkpoint holds, and what is taken from it into which model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.io import checkpoint

Make = Callable[..., Any]


def test_keys_are_neons_plus_resume(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem("adam")
    fit(p, 2)
    written = p.model.serialize(tmp_path / "m.prm")
    read = checkpoint.load(tmp_path / "m.prm")
    for d in (written, read):
        assert sorted(d) == [
            "backend",
            "cost",
            "epoch_index",
            "model",
            "neon_version",
            "optimizer",
            "resume",
            "train_input_shape",
        ]
        assert d["epoch_index"] == 2
        assert d["train_input_shape"] == 6
        assert d["cost"]["type"] == "neon.transforms.cost.CrossEntropyMulti"
        assert d["optimizer"]["type"] == "neon.optimizers.optimizer.Adam"
        assert d["model"]["type"] == "neon.layers.container.Sequential"
        assert d["backend"]["compat_mode"] == "neon"
        assert d["backend"]["rng_seed"] == 7
        assert isinstance(d["backend"]["rng_state"], tuple)
        assert d["resume"]["optimizer_state"] == {
            "t": 7
        }  # 4 batches, then 3: the second pass begins at sample 5
        assert d["resume"]["data_state"] == {"start": p.data.start}
        assert d["resume"]["batch_size"] == 8
        assert d["resume"]["datatype"] == "float32"
        entry = d["model"]["config"]["layers"][0]
        assert sorted(entry) == ["config", "params", "states", "type"]
        assert entry["params"]["W"].shape == (8, 6)
        assert [s.shape for s in entry["states"]] == [(8, 6)] * 2


def test_without_states(make_problem: Make, fit: Make) -> None:
    p = make_problem("adam")
    fit(p, 1)
    d = p.model.serialize(keep_states=False)
    assert "optimizer_state" not in d["resume"]
    assert all("states" not in entry for entry in d["model"]["config"]["layers"])


def test_description_without_weights(make_problem: Make) -> None:
    d = make_problem().model.get_description()
    assert "train_input_shape" not in d
    assert "params" not in d["model"]["config"]["layers"][0]


def test_epoch_count_inside_and_after_fit(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem()
    fit(p, 2, save_path=str(tmp_path / "inside.prm"))
    p.model.save_params(tmp_path / "after.prm")
    for name in ("inside.prm", "after.prm"):
        assert checkpoint.load(tmp_path / name)["epoch_index"] == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_load_params_before_and_after_initialize(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path, when: str
) -> None:
    p = make_problem("rmsprop")
    fit(p, 2)
    p.model.save_params(tmp_path / "m.prm")
    outputs, arrays = p.model.get_outputs(p.data), weights(p.model)
    q = make_problem("rmsprop", seed=99)
    if when == "after":
        q.model.initialize(q.data)
    q.model.load_params(tmp_path / "m.prm")
    np.testing.assert_array_equal(q.model.get_outputs(q.data), outputs)
    found = weights(q.model)
    assert list(found) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
    assert q.model.epoch_index == 2


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "dict"])
def test_a_model_is_built_from_its_checkpoint_alone(
    make_problem: Make, fit: Make, tmp_path: Path, kind: str
) -> None:
    import os

    from neonport.models import Model

    p = make_problem(dropout=True)
    fit(p, 2)
    path = tmp_path / "m.prm"
    d = p.model.serialize(path)
    source: Any = {"path": path, "text": str(path), "bytes": os.fsencode(path), "dict": d}[kind]
    model = Model(source)
    np.testing.assert_array_equal(model.get_outputs(p.data), p.model.get_outputs(p.data))
    assert [type(layer) for layer in model.layers.layers] == [
        type(layer) for layer in p.model.layers.layers
    ]
    assert type(d["model"]) is dict  # the caller's dict is not turned into objects
    Model(d)


def test_weights_only_takes_no_states(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    from neonport.models import Model

    p = make_problem("adam")
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    q = make_problem("adam", seed=5)
    before = q.be.rng.get_state()[1].copy()
    model = Model(tmp_path / "m.prm", weights_only=True)
    np.testing.assert_array_equal(q.be.rng.get_state()[1], before)
    assert all(not layer.states or layer.states == [[], []] for layer in model.layers_to_optimize)
    assert model.state.pending is None


def test_load_weights_is_a_deprecated_name(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    with pytest.warns(DeprecationWarning, match="load_params"):
        make_problem().model.load_weights(tmp_path / "m.prm")


def test_another_optimizer_starts_afresh(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem("momentum")
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    q = make_problem("adam")
    q.model.load_params(tmp_path / "m.prm")
    with pytest.warns(UserWarning, match=r"GradientDescentMomentum.*Adam.*afresh"):
        fit(q, 2)
    assert q.model.epoch_index == 2


def other_sizes(p: Any) -> list[Any]:
    from neonport.initializers import Constant, Gaussian
    from neonport.layers import Affine
    from neonport.transforms import Rectlin, Softmax

    init = Gaussian()
    return [
        Affine(8, init, batch_norm=True, activation=Rectlin()),
        Affine(4, init, bias=Constant(0), activation=Softmax()),
    ]


def fewer_layers(p: Any) -> list[Any]:
    from neonport.initializers import Gaussian
    from neonport.layers import Affine

    return [Affine(3, Gaussian())]


@pytest.mark.parametrize(
    ("build", "words"), [(other_sizes, r"\(3, 8\).*\(4, 8\)"), (fewer_layers, "1 layers")]
)
def test_a_model_that_does_not_fit_is_not_touched(
    make_problem: Make, fit: Make, weights: Make, tmp_path: Path, build: Any, words: str
) -> None:
    p = make_problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    q = make_problem(layers=build(p))
    q.model.initialize(q.data)
    before = weights(q.model)
    with pytest.raises(CheckpointError, match=words):
        q.model.load_params(tmp_path / "m.prm")
    for name, value in weights(q.model).items():
        np.testing.assert_array_equal(value, before[name])
    assert q.model.epoch_index == 0


def test_files_that_are_no_model(make_problem: Make, tmp_path: Path) -> None:
    p = make_problem()
    (tmp_path / "old.pkl").write_bytes(pickle.dumps({"weights": []}, protocol=2))
    checkpoint.save({"epoch_index": 1}, tmp_path / "none.prm")
    for name in ("old.pkl", "none.prm"):
        with pytest.raises(CheckpointError, match="no description of a model"):
            p.model.load_params(tmp_path / name)


@pytest.mark.parametrize(
    "kind",
    [
        "os.system",
        "subprocess.Popen",
        "neon.checkpoint.save",
        "neon.layers.layer.os",
        "neon.nothing.Here",
        "neon.errors.CheckpointError",
        "",
        3,
    ],
)
def test_only_our_classes_are_built(make_problem: Make, tmp_path: Path, kind: Any) -> None:
    from neonport.models import Model

    make_problem()
    for place in ("container", "layer"):
        layers = [{"type": kind, "config": {"command": "touch /tmp/never"}}]
        entry = {"type": "neon.layers.container.Sequential", "config": {"layers": layers}}
        if place == "container":
            entry["type"] = kind
        checkpoint.save({"model": entry}, tmp_path / "m.prm")
        with pytest.raises(CheckpointError, match=r"cannot be built|no description"):
            Model(tmp_path / "m.prm")


def test_reading_uses_no_pickle(
    make_problem: Make, fit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neonport.models import Model

    p = make_problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    Model(tmp_path / "m.prm")  # importing the modules that it names executes them

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("executed something")

    for module, name in ((pickle, "loads"), (pickle, "load"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr("builtins.eval", refuse)
    monkeypatch.setattr("builtins.exec", refuse)
    Model(tmp_path / "m.prm")


def test_own_backend(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    from neonport.data import ArrayIterator
    from neonport.models import Model
    from neonport.plugins import registry

    p = make_problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    own = registry.create_backend("cpu", rng_seed=1, default_dtype=np.float64)
    own.bsz = 8
    model = Model(tmp_path / "m.prm", be=own)
    outputs = model.get_outputs(ArrayIterator(p.x, p.y, nclass=3, be=own))
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs, p.model.get_outputs(p.data), rtol=1e-4, atol=1e-6)
    assert all(layer.get_params() for layer in model.layers_to_optimize)
    own.cleanup_backend()


def test_array_initializers_and_caffe_mode(make_backend: Make, tmp_path: Path) -> None:
    from neonport.layers import Affine
    from neonport.models import Model
    from neonport.transforms import Softmax

    be = make_backend(batch_size=2, compat_mode="caffe")
    start = np.arange(6, dtype=np.float32).reshape(3, 2)
    model = Model([Affine(3, start, activation=Softmax())])
    model.initialize(2)
    model.save_params(tmp_path / "m.prm")
    be.compat_mode = None
    back = Model(tmp_path / "m.prm")
    assert be.check_caffe_compat()
    np.testing.assert_array_equal(back.layers.layers[0].W.get(), start)
    np.testing.assert_array_equal(back.layers.layers[0].init, start)


def test_without_a_backend(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    from neonport.backends import cleanup_backend
    from neonport.models import Model

    p = make_problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "m.prm")
    cleanup_backend()
    with pytest.raises(ConfigurationError, match="gen_backend"):
        Model(tmp_path / "m.prm")


def without(key: str) -> Callable[[Any], None]:
    def change(entry: Any) -> None:
        del entry["params"][key]

    return change


def with_more(entry: Any) -> None:
    entry["params"]["V"] = np.zeros((8, 6))


def without_params(entry: Any) -> None:
    del entry["params"]


def without_states(entry: Any) -> None:
    del entry["states"]


def with_number_states(entry: Any) -> None:
    entry["states"] = [0.5, 0.5]


def with_one_number_state(entry: Any) -> None:
    entry["states"][1] = np.float32(0.5)


def of_text(entry: Any) -> None:
    entry["params"]["W"] = np.array([["x"] * 6] * 8)


@pytest.mark.parametrize(
    ("layer", "change", "words"),
    [
        (0, without("W"), r"Linear.*'params' lacks W"),
        (1, without("gvar"), r"BatchNorm.*'params' lacks gvar"),
        (3, without_params, "no 'params'"),
        (0, with_more, "has not|not a parameter"),
        (2, with_more, "this layer has none"),
        (0, without_states, "states of the optimizer are missing for layers Linear"),
        (0, with_number_states, r"Linear.*stored state of W is float, no array of shape \(8, 6\)"),
        (0, with_one_number_state, r"Linear.*stored state of W is float32, no array of shape"),
        (0, of_text, "stored W is no array of numbers but <U1"),
    ],
)
@pytest.mark.parametrize("way", ["build", "new", "initialized"])
def test_missing_and_extra_entries_are_named(
    make_problem: Make, fit: Make, weights: Make, layer: int, change: Any, words: str, way: str
) -> None:
    from neonport.models import Model

    p = make_problem("adam")
    fit(p, 1)
    d = p.model.serialize()
    entry = d["model"]["config"]["layers"][layer]
    entry.setdefault("params", {})
    change(entry)
    q = make_problem("adam", seed=9)
    if way == "initialized":
        q.model.initialize(q.data)
        before = weights(q.model)
    with pytest.raises(CheckpointError, match=words):
        Model(d) if way == "build" else q.model.deserialize(d)
    if way == "initialized":
        for name, value in weights(q.model).items():
            np.testing.assert_array_equal(value, before[name])
    assert q.model.state.pending is None


def test_one_array_in_two_places_is_refused(make_problem: Make, fit: Make) -> None:
    p = make_problem("adam")
    fit(p, 1)
    d = p.model.serialize()
    states = d["model"]["config"]["layers"][0]["states"]
    states[0] = states[1]
    with pytest.raises(CheckpointError, match="belongs to another too"):
        make_problem("adam").model.deserialize(d)


@pytest.mark.parametrize("initialized", [False, True])
def test_a_layer_of_the_users_that_refuses_late_changes_nothing(
    make_problem: Make, fit: Make, initialized: bool
) -> None:
    from neonport.initializers import Constant
    from neonport.layers import BatchNorm, Linear

    class Late(Linear):
        def set_params(self, pdict: Any) -> None:
            raise AttributeError("late")

    p = make_problem("adam", layers=[Linear(4, Constant(1)), BatchNorm(), Linear(3, Constant(1))])
    fit(p, 1)
    d = p.model.serialize()
    layers = [Linear(4, Constant(2)), BatchNorm(), Late(3, Constant(1))]
    q = make_problem("adam", seed=99, layers=layers)
    if initialized:
        q.model.initialize(q.data)
    before = q.be.rng_get_state()
    with pytest.raises(CheckpointError, match="AttributeError: late"):
        q.model.deserialize(d)
    np.testing.assert_array_equal(q.be.rng_get_state()[0][1], before[0][1])
    assert q.model.state.pending is None
    if initialized:
        assert (layers[0].W.get() == 2).all()
        assert (layers[1].gmean.get() == 0).all()
    else:
        assert layers[0].W is layers[1].gamma is None
    assert layers[0].states == []
    assert layers[1].states == [[], []]


@pytest.mark.parametrize("change", [{"position": 625}, {"position": -1}, {"words": 623}])
def test_a_random_state_that_reads_beyond_its_key_is_refused(
    make_problem: Make, change: dict[str, int]
) -> None:
    be = make_problem().be
    host, device = be.rng_get_state()
    name, key, position, *rest = host
    bad = (name, key[: change.get("words", 624)], change.get("position", position), *rest)
    for state in (bad, (bad, device)):
        with pytest.raises(ConfigurationError, match="rng_set_state"):
            be.rng_set_state(state)
    assert be.rng_get_state()[0][2] == position
