"""Weights in and out by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from neonport.errors import CheckpointError, ConfigurationError, DtypeError
from neonport.initializers import Constant
from neonport.layers import Affine, BatchNorm, Bias, Linear, OpTreeLayer
from neonport.models import Model

Make = Callable[..., Any]


def net(name: str | None = None) -> Model:
    return Model(
        [
            Affine(4, "he_normal", batch_norm=True),
            Linear(4, "he_normal", name=name),
            Bias(Constant(0.5)),
        ]
    )


@pytest.fixture
def model(make_backend: Make) -> Model:
    make_backend(batch_size=4, rng_seed=0)
    found = net()
    found.initialize(3)
    return found


NAMES = [
    "Linear_0.W",
    *(f"Linear_0_bnorm.{key}" for key in ("beta", "gamma", "gmean", "gvar")),
    "Linear_1.W",
    "Bias_0.W",
]


def test_out_and_in_again(model: Model) -> None:
    weights = model.get_weights()
    assert list(weights) == NAMES
    assert weights["Linear_0.W"].shape == (4, 3)
    other = net()  # not initialized: the weights wait for it
    other.set_weights({name: value.tolist() for name, value in weights.items()})
    assert list(other.get_weights()) == NAMES
    x = np.random.RandomState(0).rand(5, 3)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    doubled = {name: 2 * value for name, value in weights.items()}
    other.set_weights(doubled)
    for name, value in other.get_weights().items():
        np.testing.assert_array_equal(value, doubled[name])
    weights["Linear_0.W"][:] = 7  # a copy
    assert not (model.get_weights()["Linear_0.W"] == 7).any()


def test_names_are_those_of_another_process(model: Model, tmp_path: Path) -> None:
    code = (
        "from neonport import gen_backend\n"
        "from neonport.layers import Linear\n"
        "from tests.models.weights.test_arrays import net\n"
        "gen_backend('cpu', batch_size=4)\n"
        "[Linear(1, 'he_normal') for _ in range(3)]\n"
        "model = net()\nmodel.initialize(3)\nprint(*model.get_weights())"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.split() == NAMES, done.stderr


def test_names_that_come_twice(make_backend: Make) -> None:
    make_backend(batch_size=4)
    model = Model([Linear(2, "he_normal", name=name) for name in ("a", "b", "a")])
    model.initialize(3)
    assert list(model.get_weights()) == ["a.W", "b.W", "a_2.W"]


class Gain(OpTreeLayer):
    def forward(self, x: Any) -> Any:
        return x * self.parameter("gain", (x.shape[0], 1), Constant(1))


def test_named_parameters(make_backend: Make) -> None:
    make_backend(batch_size=4)
    model = Model([Gain("g")])
    model.initialize(3)
    model.set_weights({"g.gain": [[1], [2], [3]]})
    np.testing.assert_array_equal(model.predict(np.ones((2, 3))), [[1, 2, 3]] * 2)


def test_a_plain_safetensors_file(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    stored = safetensors.numpy.load_file(path)
    assert set(stored) == set(NAMES)
    doubled = {name: 2 * value for name, value in stored.items()}
    safetensors.numpy.save_file(doubled, path)
    model.set_weights(str(path))
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(value, doubled[name])
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        model.set_weights(path)
    with pytest.raises(CheckpointError, match="does not exist"):
        model.set_weights(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"Linear_1.W": None}, CheckpointError, "no weights for the layer Linear_1"),
        ({"Linear_0_bnorm.gvar": None}, CheckpointError, "Linear_0_bnorm: .* lacks gvar"),
        ({"Linear_9.W": np.ones(3)}, CheckpointError, "no layer for 'Linear_9.W'.*Linear_0, Lin"),
        ({"W": np.ones(3)}, CheckpointError, "no layer for 'W'; the names are <layer>"),
        ({"Linear_1.V": np.ones(3)}, CheckpointError, "Linear_1: .* has V"),
        ({"Linear_1.W": np.ones((4, 3))}, CheckpointError, r"shape \(4, 3\), .*needs \(4, 4\)"),
        ({"Bias_0.W": "a"}, DtypeError, "Bias_0.W holds text"),
    ],
)
def test_all_or_nothing(model: Model, change: Any, error: Any, words: str) -> None:
    before = model.get_weights()
    given = {**{name: value + 1 for name, value in before.items()}, **change}
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(error, match=words):
        model.set_weights(given)
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(value, before[name])


def test_who_takes_weights_for_a_checkpoint_is_told_what_loads_them(
    model: Model, tmp_path: Path
) -> None:
    model.save_weights(tmp_path / "w.safetensors")
    for load in (model.load_params, Model):
        with pytest.raises(CheckpointError, match=r"model\.set_weights\('.*w\.safetensors'\)"):
            load(str(tmp_path / "w.safetensors"))


def test_other_mistakes(model: Model) -> None:
    with pytest.raises(ConfigurationError, match="weights are a list; give a dict"):
        model.set_weights([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="has no weights yet; call fit"):
        net().get_weights()
    with pytest.raises(ConfigurationError, match=r"save_weights: the path is 3"):
        model.save_weights(3)  # type: ignore[arg-type]


def test_statistics_are_among_them(model: Model) -> None:
    bnorm = next(x for x in model.layers.layers if isinstance(x, BatchNorm))
    bnorm.gmean[:] = 3
    assert (model.get_weights()["Linear_0_bnorm.gmean"] == 3).all()
