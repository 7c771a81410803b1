"""Experiments in YAML, and descriptions of models: what they build, and what they cannot name."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.cli.main import main
from neonport.errors import CheckpointError, ConfigurationError
from neonport.log import logger
from neonport.util import display_information, persist
from neonport.util.load_experiment import deserialize
from neonport.util.modeldesc import ModelDescription
from neonport.util.yaml_parse import create_objects, format_yaml_dict, read_experiment
from tests.fixtures.old_pickles import python2

MLP = """
epochs: 2
batchsize: 8
noise: &noise {type: Gaussian, config: {scale: 0.1}}
layers:
- {type: Linear, config: {nout: 12, init: *noise, name: hidden}}
- {type: Bias, config: {init: {type: Constant}}}
- {type: Activation, config: {transform: {type: Tanh}}}
- {type: neon.layers.layer.Linear, config: {nout: 10, init: *noise}}
- {type: Activation, config: {transform: {type: Softmax}}}
cost: CrossEntropyMulti
optimizer: {type: RMSProp, config: {learning_rate: 0.002}}
dataset: {name: mnist}
"""
SEVERAL = """
type: MultiOptimizer
config:
  optimizer_mapping:
    default: {type: GradientDescentMomentum, config: {learning_rate: 0.1, momentum_coef: 0.9}}
    Bias: {type: RMSProp}
"""

BOMB = "a0: &a0 [1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
) + "layers: *a11\n"  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NEON_DATA_CACHE_DIR", raising=False)
    before = logger.level, logger.propagate, list(logger.handlers)
    (tmp_path / "mlp.yaml").write_text(MLP)
    yield tmp_path
    cleanup_backend()
    for handler in set(logger.handlers) - set(before[2]):
        handler.close()
    logger.level, logger.propagate, logger.handlers[:] = before


@pytest.fixture
def be():
    yield gen_backend("cpu", batch_size=8, rng_seed=0)
    cleanup_backend()


def test_objects_of_an_experiment(folder, be):
    for source in ("mlp.yaml", read_experiment("mlp.yaml")):
        model, cost, optimizer = create_objects(source)
        assert [layer.classnm for layer in model.layers.layers] == [
            "Linear", "Bias", "Activation", "Linear", "Activation"
        ]  # fmt: skip
        first, last = model.layers.layers[0], model.layers.layers[3]
        assert (first.nout, first.name, first.init.scale) == (12, "hidden", 0.1)
        assert first.init is not last.init  # an anchor stands for a description
        assert cost.costfunc.classnm == "CrossEntropyMulti"
        assert optimizer.learning_rate == 0.002
    root = read_experiment("mlp.yaml")
    (folder / "several.yaml").write_text(SEVERAL)
    several = (folder / "several.yaml").open()
    with several:
        import yaml

        root["optimizer"] = yaml.safe_load(several)
    *_, optimizer = create_objects(root)
    assert optimizer.classnm == "MultiOptimizer"
    assert sorted(optimizer.optimizer_mapping) == ["Bias", "default"]


def test_the_command(folder, caplog):
    rng = np.random.default_rng(0)
    part = rng.integers(0, 256, (24, 28, 28)).astype(np.uint8), np.arange(24) % 10
    (folder / "data").mkdir()
    (folder / "data" / "mnist.pkl.gz").write_bytes(gzip.compress(python2((part, part))))
    common = ["run", "mlp.yaml", "-w", "data", "--no_progress_bar"]
    assert main([*common, "-s", "m.prm", "-e", "3", "--eval_freq", "1", "-r", "0"]) == 0
    assert ModelDescription("m.prm")["epoch_index"] == 3
    assert main([*common, "-s", "n.prm", "-vv"]) == 0  # as often as the file says
    assert ModelDescription("n.prm")["epoch_index"] == 2
    assert main([*common, "--profile", "--profile_iterations", "3"]) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("layers: [{type: os.system, config: {command: ls}}]", "only classes of neon"),
        ("layers: [{type: system}]", "no class of ours"),
        ("layers: [{type: SerializeModelCallback, config: {save_path: x}}]", "no class"),
        ("layers: [{type: Linear, config: {nout: 3, init: {type: Linear}}}]", "initializer"),
        ("layers: [{type: Linear, config: {nouts: 3}}]", "no argument"),
        ("layers: 3", "list of `layers`"),
        ("layers: &a [*a]", "within itself"),
        (BOMB, "within itself"),
        ("layers: [!!python/object/apply:os.system [ls]]", "no plain YAML"),
        ("{", "no plain YAML"),
        ("- 1", "list of `layers`"),
        ("layers: []\ncost: Linear", "cost"),
        ("layers: []\ncost: [1]", "string"),
    ],
)
def test_what_an_experiment_cannot_name(folder, be, change, words):
    (folder / "bad.yaml").write_text(change)
    with pytest.raises(ConfigurationError, match=words):
        create_objects("bad.yaml")
    assert sorted(path.name for path in folder.iterdir()) == ["bad.yaml", "mlp.yaml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("epochs: many", "whole number"), ("dataset: {name: os}", "none of ours"),
     ("dataset: {name: Dataset}", "none of ours"), ("dataset: 3", "none of ours")],
)  # fmt: skip
def test_mistakes_of_the_command(folder, capsys, text, words):
    (folder / "bad.yaml").write_text(
        MLP.replace("epochs: 2", "").replace("dataset", "other") + text
    )
    assert main(["run", "bad.yaml"]) == 1
    assert words in capsys.readouterr().err


def test_without_a_backend(folder):
    cleanup_backend()
    with pytest.raises(ConfigurationError, match="no backend"):
        create_objects("mlp.yaml")
    assert format_yaml_dict({"type": "a.B"}, "neon.")["type"] == "a.B"


def test_descriptions(folder, be, tmp_path):
    model, *_ = create_objects("mlp.yaml")
    model.initialize((784,))
    model.save_params("m.prm")
    found = ModelDescription("m.prm")
    assert found.version
    assert found.layers()[0] == "hidden"
    assert found.layers("nout") == [12, 10]
    assert found.layers(regex="^hid") == ["hidden"]
    assert found.getlayer("hidden")["params"]["W"].shape == (12, 784)
    assert found.getlayer("none") is None
    assert found == ModelDescription(model.serialize())
    other = model.serialize()
    other["model"]["config"]["layers"][0]["config"]["nout"] = 13
    assert found != ModelDescription(other)
    assert not ModelDescription.match({"name": 1, "x": 1}, {"name": 1, "x": 2})
    again, data, callbacks = deserialize("m.prm", datasets=[1])
    assert (data, callbacks) == ([1], None)
    again.initialize((784,))
    x = np.random.default_rng(0).normal(size=(3, 784))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    (tmp_path / "none.prm").write_bytes(python2({"weights": 1}))
    with pytest.raises(CheckpointError, match="no 'model'"):
        ModelDescription("none.prm")
    assert "model" in persist.serialize(model, dump_weights=False)


def test_information(caplog):
    with caplog.at_level(logging.INFO, "neonport"):
        display_information.display_platform_information()
        display_information.display_cpu_information()
    assert "NumPy" in caplog.text
    assert "processors" in caplog.text
