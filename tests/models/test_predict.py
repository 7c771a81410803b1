"""Model.predict, and get_outputs and eval for any number of samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.layers import Affine, Layer, OpTreeLayer
from neonport.models import Model
from neonport.transforms import Accuracy

Make = Callable[..., Any]


@pytest.mark.parametrize("samples", [1, 5, 8, 9, 27])
def test_any_number_of_samples(make_problem: Make, fit: Make, samples: int) -> None:
    p = make_problem()  # batch normalisation below: padding must not change the statistics
    fit(p, 2)
    wanted = p.model.get_outputs(ArrayIterator(p.x, p.y, nclass=3))[:samples]
    np.testing.assert_array_equal(p.model.predict(p.x[:samples]), wanted)
    np.testing.assert_array_equal(p.model.predict(p.x[:samples].tolist()), wanted)
    few = ArrayIterator(p.x[:samples], p.y[:samples], nclass=3)
    np.testing.assert_array_equal(p.model.get_outputs(few), wanted)
    right = np.mean(wanted.argmax(axis=1) == p.y[:samples])
    np.testing.assert_allclose(p.model.eval(few, Accuracy()), [right], rtol=1e-6)


def test_predict_changes_nothing(make_problem: Make, fit: Make, weights: Make) -> None:
    p = make_problem("adam", dropout=True)
    fit(p, 1)
    before, state = weights(p.model), p.data.get_state()
    p.model.predict(p.x[:3])
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, before[name])
    assert p.data.get_state() == state


def test_a_loaded_model_predicts_at_once(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem()
    fit(p, 1, save_path=str(tmp_path / "m.prm"))
    wanted = p.model.predict(p.x[:5])
    np.testing.assert_array_equal(Model(tmp_path / "m.prm").predict(p.x[:5]), wanted)
    with pytest.raises(ShapeError, match="have 4 numbers, the model was made for 6"):
        Model(tmp_path / "m.prm").predict(p.x[:5, :4])


class Slope(OpTreeLayer):
    """One number a feature."""

    def forward(self, x: Any) -> Any:
        return x * self.parameter("w", (x.shape[0], 1), init="he_normal")


def test_loaded_parameters_of_ones_own_layer(make_backend: Make) -> None:
    make_backend(batch_size=4)
    model = Model([Slope()])
    model.initialize(3)
    again = Model([Slope()])
    with pytest.raises(ConfigurationError, match="not trained"):
        again.predict(np.ones((2, 3)))
    again.deserialize(model.serialize())
    np.testing.assert_array_equal(again.predict(np.ones((2, 3))), model.predict(np.ones((2, 3))))


class Sides(Layer):
    """Two outputs: the inputs and twice the inputs."""

    def configure(self, in_obj: Any) -> Sides:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        self.outputs[:] = 2 * inputs
        return [inputs, self.outputs]


def test_images_and_several_outputs(make_backend: Make) -> None:
    make_backend(batch_size=4)
    model = Model([Sides()])
    model.initialize((3, 2, 2))
    x = np.random.RandomState(0).rand(6, 3, 2, 2).astype("f4")
    one, two = model.predict(x)
    np.testing.assert_array_equal(one, x.reshape(6, 12))
    np.testing.assert_array_equal(two, 2 * one)


def test_mistakes_are_named(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match="not trained; call fit"):
        p.model.predict(p.x)
    fit(p, 1)
    for x, error, words in (
        (p.x[0], ShapeError, r"shape \(6,\).*reshape\(1, -1\)"),
        (p.x[:, :5], ShapeError, "have 5 numbers, the model was made for 6"),
        (p.x.astype(str), DtypeError, "predict: X holds text"),
        (p.x[:0], ConfigurationError, "^predict: X holds no samples"),
        ("x.csv", DtypeError, "predict: X holds text"),
    ):
        with pytest.raises(error, match=words):
            p.model.predict(x)


def test_a_model_without_a_batch_size(make_backend: Make) -> None:
    make_backend()
    model = Model([Affine(2, np.zeros((2, 3)))])
    with pytest.raises(ConfigurationError, match=r"predict: the backend .*batch_size"):
        model.predict(np.zeros((2, 3)))
