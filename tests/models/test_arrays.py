"""fit, evaluate and activations on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.layers import (
    Affine,
    BranchNode,
    GeneralizedCost,
    GeneralizedGANCost,
    Multicost,
    OpTreeLayer,
    SampleWeightedCost,
    Sequential,
    Tree,
)
from neonport.layers.container import GenerativeAdversarial
from neonport.models import GAN, Model
from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.transforms import (
    R2,
    RMSE,
    Accuracy,
    CrossEntropyMulti,
    GANCost,
    Logistic,
    LogLoss,
    MeanSquared,
    MultiMetric,
    Rectlin,
    Softmax,
    SumSquared,
)

Make = Callable[..., Any]


def train(p: Any, epochs: int, *data: Any, **kwargs: Any) -> Any:
    kwargs.setdefault("progress_bar", False)
    return p.model.fit(*data, p.cost, p.optimizer, epochs, **kwargs)


def test_arrays_train_as_their_iterator_does(make_problem: Make, weights: Make) -> None:
    p = make_problem(shuffle=True)
    one = train(p, 3, p.x, p.y)
    q = make_problem(shuffle=True)
    two = train(q, 3, q.data)
    assert one == two
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, weights(q.model)[name])


@pytest.mark.parametrize("shuffle", [True, False])
def test_more_epochs_go_on_to_the_same_bits(
    make_problem: Make, weights: Make, shuffle: bool
) -> None:
    p = make_problem("adam")
    train(p, 4, p.x, p.y, shuffle=shuffle)
    q = make_problem("adam")
    train(q, 1, q.x, q.y, shuffle=shuffle)
    train(q, 4, q.x, q.y, shuffle=shuffle)
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, weights(q.model)[name])


def test_a_loaded_model_goes_on_with_arrays(make_problem: Make, weights: Make) -> None:
    p = make_problem("adam")
    train(p, 3, p.x, p.y)
    q = make_problem("adam")
    train(q, 1, q.x, q.y)
    fresh = make_problem("adam", seed=3)
    fresh.model.deserialize(q.model.serialize())
    train(fresh, 3, fresh.x, fresh.y)
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, weights(fresh.model)[name])


def test_validation_data_and_metrics(make_problem: Make) -> None:
    p = make_problem()
    held = (p.x[:11], p.y[:11])
    history = train(
        p, 2, p.x, p.y, validation_data=held, metrics=[Accuracy(), LogLoss()], record=True
    )
    assert list(history) == ["epoch", "cost", "eval_cost", "Accuracy", "LogLoss"]
    found = p.model.evaluate(*held, metrics=[Accuracy(), LogLoss()])
    assert list(found) == ["cost", "Accuracy", "LogLoss"]
    assert found["cost"] == pytest.approx(history["eval_cost"][-1])  # recorded as float32
    assert all(found[name] == history[name][-1] for name in ("Accuracy", "LogLoss"))
    data = ArrayIterator(*held, nclass=3)
    assert p.model.evaluate(data, metrics=Accuracy())["Accuracy"] == found["Accuracy"]
    again = train(p, 3, p.data, validation_data=data, metrics=Accuracy())
    assert list(again) == ["epoch", "cost", "eval_cost", "Accuracy"]


def regression(make_backend: Make, **kwargs: Any) -> Any:
    make_backend(batch_size=8, rng_seed=0, **kwargs)
    return Model([Affine(1, "glorot_uniform", bias=np.zeros((1, 1)))])


def test_numbers_as_targets(make_backend: Make) -> None:
    model = regression(make_backend)
    x = np.random.RandomState(0).rand(40, 3)
    y = x @ [1.0, 2.0, 3.0]
    cost = GeneralizedCost(MeanSquared())
    model.fit(x, y, cost, Adam(learning_rate=0.05), 60, progress_bar=False)
    found = model.evaluate(x, y, [RMSE(), R2()])
    assert found["R2"] > 0.95
    assert found["RMSE"] == pytest.approx(np.sqrt(2 * found["cost"]), rel=1e-3)
    assert model.predict(x).shape == (40, 1)


def test_weights_count_as_copies_do(make_backend: Make) -> None:
    """A sample of weight 2 and one of weight 0 train as the sample twice."""
    rng = np.random.RandomState(0)
    x, y = rng.rand(8, 3), rng.rand(8)
    twice = np.array([0, 0, 2, 3, 4, 5, 6, 7])
    weights = [2, 0, 1, 1, 1, 1, 1, 1]
    found = []
    for x_, y_, w in ((x, y, weights), (x[twice], y[twice], None)):
        model = regression(make_backend)
        cost, optimizer = GeneralizedCost(SumSquared()), GradientDescentMomentum(0.1, 0.9)
        kwargs = {"sample_weight": w, "shuffle": False, "progress_bar": False}
        history = model.fit(x_, y_, cost, optimizer, 3, **kwargs)
        found.append((history["cost"], model.layers.layers[0].W.get()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


@pytest.mark.parametrize("given", [{1: 3.0, 2: 0.5}, [1, 3, 0.5]])
def test_class_weights_are_those_of_the_samples(
    make_problem: Make, weights: Make, given: Any
) -> None:
    p = make_problem()
    own = np.linspace(0.5, 1.5, len(p.y))
    train(p, 2, p.x, p.y, class_weight=given, sample_weight=own, validation_data=(p.x, p.y))
    q = make_problem()
    each = np.array([1, 3, 0.5])[q.y] * own
    train(q, 2, q.x, q.y, sample_weight=each)
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, weights(q.model)[name])
    assert isinstance(p.model.cost, SampleWeightedCost)


class Steps(OpTreeLayer):
    """The same product in every step."""

    def forward(self, x: Any) -> Any:
        return self.be.dot(self.parameter("w", (2, x.shape[0]), "glorot_uniform"), x)


def test_sequences(make_backend: Make) -> None:
    make_backend(batch_size=4, rng_seed=0)
    x = np.random.RandomState(0).rand(10, 5, 3).astype("f4")
    w = np.array([[1, 2, 3], [-1, 0, 1]], "f4")
    y = x @ w.T
    model = Model([Steps()])
    cost = GeneralizedCost(SumSquared())
    model.fit(
        x, y, cost, Adam(learning_rate=0.05), 150, progress_bar=False, sample_weight=np.ones(10)
    )
    assert model.layers.in_shape == (3, 5)
    np.testing.assert_allclose(model.predict(x), y, atol=0.1)
    np.testing.assert_allclose(model.activations(x)["Steps_0"], y, atol=0.1)
    assert model.evaluate(x, y)["cost"] < 0.1
    labels = (y[..., 1] > 0).astype(int)
    classifier = Model([Affine(2, "glorot_uniform", activation=Softmax())])
    many = GeneralizedCost(CrossEntropyMulti())
    history = classifier.fit(x, labels, many, Adam(learning_rate=0.05), 40, progress_bar=False)
    assert history["cost"][-1] < 0.6 * history["cost"][0]
    with pytest.raises(ConfigurationError, match=r"labels must be whole numbers 0..1, found 0..2"):
        classifier.fit(x, labels * 2, many, Adam(), 50)
    with pytest.raises(ShapeError, match=r"X has 3 steps of 5 features.*made for 5 steps of 3"):
        model.predict(np.swapaxes(x, 1, 2))
    with pytest.raises(ShapeError, match=r"y has shape \(10,\), the model gives 5 steps of 2"):
        classifier.fit(x, labels[:, 0], many, Adam(), 50)


def test_activations(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    fit(p, 1)
    linear = p.model.layers.layers[0]
    found = p.model.activations(p.x)
    assert list(found) == [
        "Linear_0", "Linear_0_bnorm", "Linear_0_Rectlin",
        "Linear_1", "Linear_1_bias", "Linear_1_Softmax",
    ]  # fmt: skip
    np.testing.assert_allclose(found["Linear_0"], p.x @ linear.W.get().T, rtol=1e-4, atol=1e-5)
    # works in the buffer of the layer below
    assert (found["Linear_0_bnorm"] < 0).any()
    assert not (found["Linear_0_Rectlin"] < 0).any()
    np.testing.assert_array_equal(found["Linear_1_Softmax"], p.model.predict(p.x))
    (own,) = p.model.activations(p.x[:3], linear.name).values()
    np.testing.assert_array_equal(own, found["Linear_0"][:3])
    assert "fprop" not in vars(linear)
    with pytest.raises(ConfigurationError, match=r"no layer 'fc9'; there are Linear_0, .*Softmax"):
        p.model.activations(p.x, ["fc9"])


def test_activations_of_several_outputs(make_backend: Make) -> None:
    class Sides(OpTreeLayer):
        def forward(self, x: Any) -> Any:
            return 2 * x

        def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
            return [inputs, super().fprop(inputs, inference)]

    make_backend(batch_size=4)
    model = Model([Sides("sides")])
    model.initialize(3)
    with pytest.raises(ConfigurationError, match="layer sides has 2 outputs"):
        model.activations(np.ones((2, 3)))
    assert "fprop" not in vars(model.layers.layers[0])


def test_activations_of_images(make_backend: Make) -> None:
    class Twice(OpTreeLayer):
        def forward(self, x: Any) -> Any:
            return 2 * x

    make_backend(batch_size=4)
    model = Model([Twice("two")])
    model.initialize((3, 2, 2))
    x = np.random.RandomState(0).rand(6, 3, 2, 2).astype("f4")
    np.testing.assert_array_equal(model.activations(x, ["two"])["two"], 2 * x)


@pytest.mark.parametrize(
    ("data", "kwargs", "error", "words"),
    [
        (lambda p: (p.x, p.y[:5]), {}, ShapeError, "27 samples but 5 targets"),
        (lambda p: (p.x, p.y + 1), {}, ConfigurationError, r"whole numbers 0..2, found 1..3"),
        (lambda p: (p.x, np.ones((27, 2))), {}, ShapeError, "y has 2 numbers a sample.*3 outputs"),
        (lambda p: (p.x, p.y.astype(str)), {}, DtypeError, "y holds text"),
        (lambda p: (p.x[:, 0], p.y), {}, ShapeError, r"X has shape \(27,\)"),
        (lambda p: ([p.x, p.x[:3]], p.y), {}, ShapeError, r"have \[27, 3\] samples"),
        (lambda p: (p.x[:4], p.y[:4]), {}, ConfigurationError, "4 samples .* do not fill one"),
        (lambda p: (p.x, p.y), {"metrics": Accuracy()}, ConfigurationError, "held-out data"),
        (lambda p: (p.x, p.y), {"metrics": "acc"}, ConfigurationError, "metric is the text 'acc'"),
        (lambda p: (p.x, p.y), {"validation_data": (1, 2, 3)}, ConfigurationError, "3 parts"),
        (lambda p: (p.x, p.y), {"validation_data": 3}, ConfigurationError, "validation_data: the"),
        (lambda p: (p.x, p.y), {"class_weight": [1, 2]}, ConfigurationError, "2 entries.*label 2"),
        (lambda p: (p.x, p.y), {"class_weight": {0: -1}}, ConfigurationError, "from 0 on"),
        (lambda p: (p.x, p.y), {"sample_weight": [1, 2]}, ShapeError, "weights have shape"),
        (lambda p: (p.x, p.x[:, :3]), {"class_weight": [1]}, ShapeError, "one label a sample"),
        (lambda p: (p.data, p.y), {}, ConfigurationError, "cost is a ndarray"),
    ],
)
def test_mistakes_are_named(
    make_problem: Make, data: Any, kwargs: Any, error: Any, words: str
) -> None:
    p = make_problem()
    with pytest.raises(error, match=words):
        train(p, 1, *data(p), **kwargs)
    assert not p.model.initialized
    assert p.model.epoch_index == 0


def test_several_things_at_once_are_refused(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match=r"Callbacks\(model, eval_set"):
        train(p, 1, p.x, p.y, validation_data=(p.x, p.y), callbacks=Callbacks(p.model))
    with pytest.raises(ConfigurationError, match=r"evaluate: model .* is not trained"):
        p.model.evaluate(p.x, p.y)
    fit(p, 1)
    with pytest.raises(ConfigurationError, match="evaluate: the dataset is a ndarray"):
        p.model.evaluate(p.x)
    with pytest.raises(ConfigurationError, match="X holds 2 inputs, the model has 1"):
        p.model.predict([p.x, p.x])


def test_no_targets_are_the_inputs(make_backend: Make) -> None:
    make_backend(batch_size=4, rng_seed=0)
    x = np.random.RandomState(0).rand(10, 3)
    found = []
    for y in (None, x):
        make_backend(batch_size=4, rng_seed=0)
        model = Model([Affine(3, "glorot_uniform")])
        cost, optimizer = GeneralizedCost(SumSquared()), GradientDescentMomentum(0.1, 0.9)
        found.append(model.fit(x, y, cost, optimizer, 2, progress_bar=False)["cost"])
        weights = np.ones(10)
        more = model.fit(x, y, cost, optimizer, 3, progress_bar=False, sample_weight=weights)
        found[-1] += more["cost"]
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_gan_takes_arrays(make_backend: Make) -> None:
    make_backend(batch_size=4, rng_seed=0)
    x = np.random.RandomState(0).rand(10, 3)
    networks = [Affine(3, "he_normal")], [Affine(1, "he_normal", activation=Logistic())]
    model = GAN(GenerativeAdversarial(*map(Sequential, networks)), noise_dim=2)
    cost, optimizer = GeneralizedGANCost(GANCost(func="modified")), Adam(learning_rate=0.01)
    for epochs in (1, 2):
        model.fit(x, None, cost, optimizer, epochs, progress_bar=False)
    assert model.epoch_index == 2
    assert model.summary().parameters == 6 + 3


def two_tasks() -> Model:
    fork = BranchNode("fork")
    trunk = [Affine(6, "he_normal", activation=Rectlin(), name="trunk"), fork]
    digit = Affine(3, "glorot_uniform", activation=Softmax(), name="digit")
    number = Affine(1, "glorot_uniform", name="number")
    return Model(Tree([[*trunk, digit], [fork, number]]))


def test_several_targets(make_backend: Make, weights: Make) -> None:
    x, y = np.random.RandomState(0).rand(22, 4), np.arange(22) % 3
    targets = [y, x.sum(axis=1)]
    models = []
    for parts in ((3,), (1, 3)):
        make_backend(batch_size=4, rng_seed=0)
        model = two_tasks()
        cost = Multicost([GeneralizedCost(CrossEntropyMulti()), GeneralizedCost(SumSquared())])
        optimizer = Adam(learning_rate=0.01)
        for epochs in parts:
            history = model.fit(
                x,
                targets,
                cost,
                optimizer,
                epochs,
                validation_data=(x, targets),
                metrics=[MultiMetric(Accuracy(), 0), MultiMetric(R2(), 1)],
                progress_bar=False,
            )
        models.append(model)
    assert list(history) == ["epoch", "cost", "eval_cost", "Accuracy", "R2"]
    for name, value in weights(models[0]).items():
        np.testing.assert_array_equal(value, weights(models[1])[name])
    digit, number = models[1].predict(x)
    found = models[1].evaluate(x, targets, MultiMetric(Accuracy(), 0))
    assert found["Accuracy"] == pytest.approx((digit.argmax(axis=1) == y).mean())
    assert history["R2"][-1] == pytest.approx(
        1 - np.square(number[:, 0] - targets[1]).sum() / (22 * targets[1].var()), rel=1e-3
    )


def test_several_targets_that_do_not_fit(make_backend: Make) -> None:
    make_backend(batch_size=4, rng_seed=0)
    x, y = np.random.RandomState(0).rand(22, 4), np.arange(22) % 3
    model = two_tasks()
    cost = Multicost([GeneralizedCost(CrossEntropyMulti()), GeneralizedCost(SumSquared())])
    for targets, kwargs, words in (
        ([y], {}, "several outputs.*give a list"),
        ([y + 1, y], {}, "whole numbers 0..2, found 1..3"),
        ([y, y[:5]], {}, "22 samples but 5 targets"),
        ([y, y], {"sample_weight": np.ones(22)}, "need a GeneralizedCost, not a Multicost"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(x, targets, cost, Adam(), 1, **kwargs)
    assert not model.initialized
