"""Whole trainings against the same arithmetic in NumPy, and the order of what fit calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.base import NervanaObject
from neonport.callbacks import Callback, Callbacks
from neonport.errors import ConfigurationError

Make = Callable[..., Any]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


class Reference:
    """Two affine layers, ReLU, softmax, cross entropy, momentum: the textbook formulas."""

    def __init__(self, w1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> None:
        self.parameters = [w1, w2, b2]
        self.velocity = [np.zeros_like(p) for p in self.parameters]

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w1, w2, b2 = self.parameters
        hidden = np.maximum(w1 @ x, 0)
        return hidden, softmax(w2 @ hidden + b2)

    def step(self, x: np.ndarray, t: np.ndarray, rate: float, momentum: float) -> float:
        hidden, y = self.forward(x)
        error = y - t
        back = (self.parameters[1].T @ error) * (hidden > 0)
        gradients = [back @ x.T, error @ hidden.T, error.sum(axis=1, keepdims=True)]
        for i, gradient in enumerate(gradients):
            self.velocity[i] = momentum * self.velocity[i] - rate * gradient / x.shape[1]
            self.parameters[i] = self.parameters[i] + self.velocity[i]
        return float(np.mean(-np.sum(t * np.log(y), axis=0)))


def test_training_follows_the_formulas(make_problem: Make, fit: Make) -> None:
    from neonport.optimizers import GradientDescentMomentum

    p = make_problem(ndata=24, batch_norm=False, dtype=np.float64)
    p.optimizer = GradientDescentMomentum(0.1, 0.9)
    p.model.initialize(p.data, p.cost)
    linears = p.model.layers_to_optimize
    reference = Reference(*(layer.W.get() for layer in linears))
    t = np.eye(3)[p.y]
    for _ in range(3):
        costs = []
        for start in range(0, 24, 8):
            rows = slice(start, start + 8)
            costs.append(reference.step(p.x[rows].T.astype(float), t[rows].T, 0.1, 0.9))
    fit(p, 3)
    for layer, wanted in zip(linears, reference.parameters, strict=True):
        np.testing.assert_allclose(layer.W.get(), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(p.model.total_cost, [[np.mean(costs)]], rtol=1e-9)
    np.testing.assert_allclose(
        p.model.get_outputs(p.data), reference.forward(p.x.T.astype(float))[1].T, rtol=1e-9
    )


def test_training_learns(make_problem: Make, fit: Make) -> None:
    from neonport.transforms import Misclassification

    p = make_problem(ndata=90)
    before = float(p.model.eval(p.data, Misclassification()))
    fit(p, 10)
    after = float(p.model.eval(p.data, Misclassification()))
    assert before > 0.3
    assert after < 0.05


class Recorder(Callback):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        self.calls.append(("train_begin", epochs))

    def on_train_end(self, callback_data: Any, model: Any) -> None:
        self.calls.append(("train_end", model.epoch_index))

    def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
        self.calls.append(("epoch_begin", epoch, model.nbatches))

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        self.calls.append(("epoch_end", epoch, model.epoch_index, model.completed_epochs))

    def on_minibatch_begin(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        self.calls.append(("begin", epoch, mb))

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        self.calls.append(("end", epoch, mb))


def test_order_of_calls_and_varying_number_of_batches(make_problem: Make) -> None:
    p = make_problem(ndata=18, strict_wrap=False)
    callbacks = Callbacks(p.model, progress_bar=False)
    recorder = Recorder()
    callbacks.add_callback(recorder)
    p.model.fit(p.data, p.cost, p.optimizer, 2, callbacks)
    assert recorder.calls == [
        ("train_begin", 2),
        ("epoch_begin", 0, 3),
        *[(when, 0, mb) for mb in range(3) for when in ("begin", "end")],
        ("epoch_end", 0, 0, 1),
        ("epoch_begin", 1, 2),
        *[(when, 1, mb) for mb in range(2) for when in ("begin", "end")],
        ("epoch_end", 1, 1, 2),
        ("train_end", 2),
    ]


def test_number_of_epochs_is_a_total(make_problem: Make, fit: Make, weights: Make) -> None:
    p = make_problem()
    fit(p, 3)
    kept = weights(p.model)
    fit(p, 3)
    fit(p, 2)
    assert p.model.epoch_index == 3
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, kept[name])
    fit(p, 4)
    assert p.model.epoch_index == 4


def test_fit_makes_its_own_callbacks(make_problem: Make) -> None:
    p = make_problem()
    p.model.fit(p.data, p.cost, p.optimizer, 1)
    assert p.model.epoch_index == 1


def test_a_failing_callback_keeps_the_count(make_problem: Make) -> None:
    class Fails(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            raise RuntimeError("no more")

    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Fails())
    with pytest.raises(RuntimeError, match="no more"):
        p.model.fit(p.data, p.cost, p.optimizer, 3, callbacks)
    assert (p.model.epoch_index, p.model.completed_epochs) == (1, 1)


def test_a_cost_may_come_after_initialize(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    p.model.initialize(p.data)
    assert p.model.cost is None
    fit(p, 1)
    assert p.model.cost is p.cost


def test_initialize_takes_shapes(make_problem: Make) -> None:
    for shape in (6, (6,), (6, 1)):
        p = make_problem()
        p.model.initialize(shape)
        x = p.be.array(p.x[:8].T)
        assert p.model.fprop(x, inference=True).shape == (3, 8)


def test_two_models_on_two_backends(make_backend: Make, make_problem: Make, fit: Make) -> None:
    from neonport.data import ArrayIterator
    from neonport.layers import GeneralizedCost
    from neonport.models import Model
    from neonport.plugins import registry
    from neonport.transforms import CrossEntropyMulti, Misclassification

    p = make_problem(ndata=24)
    own = registry.create_backend("cpu", rng_seed=3, default_dtype=np.float64)
    own.bsz = 4
    layers = p.model.layers.get_description()
    other = Model(layers=Model(p.model.layers).layers.gen_class(layers["config"]), be=own)
    data = ArrayIterator(p.x, p.y, nclass=3, be=own)
    cost = GeneralizedCost(CrossEntropyMulti())
    callbacks = Callbacks(other, progress_bar=False)
    from neonport.optimizers import Adam

    other.fit(data, cost, Adam(), 1, callbacks)
    fit(p, 1)
    assert NervanaObject.be is p.be
    for model, be in ((other, own), (p.model, p.be)):
        for layer in model.layers_to_optimize:
            assert layer.get_params()[0] is not None
            tensor = layer.gamma if hasattr(layer, "gamma") else layer.W
            assert tensor.backend is be
    assert other.get_outputs(data).dtype == np.float64
    assert other.get_outputs(data).shape == p.model.get_outputs(p.data).shape
    metric = Misclassification()
    metric.set_backend(own)
    own.cleanup_backend()


def test_text_names_the_layers(make_problem: Make) -> None:
    p = make_problem()
    p.model.initialize(p.data)
    lines = str(p.model).splitlines()
    assert lines[0] == "Network Layers:"
    assert "Linear Layer" in str(p.model)


def test_dataset_argument_is_deprecated(make_problem: Make) -> None:
    from neonport.models import Model

    p = make_problem()
    with pytest.warns(DeprecationWarning, match="dataset"):
        Model(p.model.layers, dataset=p.data)


class TestShortcut:
    def model(self, transform: Any, make_problem: Make) -> tuple[Any, Any, Any]:
        from neonport.initializers import Gaussian
        from neonport.layers import Affine, GeneralizedCost
        from neonport.transforms import CrossEntropyBinary

        p = make_problem(layers=[Affine(3, Gaussian(), activation=transform)])
        return p.model, p.data, GeneralizedCost(CrossEntropyBinary())

    def test_missing_shortcut_warns_once(self, make_problem: Make) -> None:
        from neonport.transforms import Logistic

        model, data, cost = self.model(Logistic(), make_problem)
        with pytest.warns(UserWarning, match=r"Logistic\(shortcut=True\)") as caught:
            model.initialize(data, cost)
        assert len(caught) == 1
        model.initialize(data, cost)

    def test_set_shortcut(self, make_problem: Make) -> None:
        from neonport.transforms import Logistic

        transform = Logistic()
        model, data, cost = self.model(transform, make_problem)
        with pytest.raises(ConfigurationError, match="needs a cost"):
            model.set_shortcut()
        with pytest.warns(UserWarning, match="shortcut"):
            model.initialize(data, cost)
        model.set_shortcut()
        assert transform.shortcut

    def test_the_right_pair_is_silent(self, make_problem: Make) -> None:
        from neonport.transforms import Logistic

        model, data, cost = self.model(Logistic(shortcut=True), make_problem)
        model.initialize(data, cost)

    def test_each_output_of_a_multicost_is_checked(self) -> None:
        from types import SimpleNamespace

        from neonport.models import output_checks as shortcut
        from neonport.transforms import CrossEntropyBinary, CrossEntropyMulti, Logistic, Softmax

        outputs = [SimpleNamespace(transform=t) for t in (Softmax(), Logistic())]
        costs = [SimpleNamespace(costfunc=c) for c in (CrossEntropyMulti(), CrossEntropyBinary())]
        layers = SimpleNamespace(get_terminal=lambda: outputs)
        with pytest.warns(UserWarning, match="shortcut=True"):
            shortcut.warn_mismatch(layers, SimpleNamespace(costs=costs))
        shortcut.apply(layers, SimpleNamespace(costs=costs))
        assert outputs[1].transform.shortcut
        shortcut.warn_mismatch(layers, SimpleNamespace(costs=costs))
