"""Arguments of fit, eval and their kin that make no sense are refused with a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.backends import cleanup_backend
from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import TrainCostCallback
from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import Adam, MultiOptimizer
from neonport.transforms import Accuracy, CrossEntropyMulti, Softmax

Make = Callable[..., Any]


def fit(p: Any, **changed: Any) -> None:
    arguments = {"dataset": p.data, "cost": p.cost, "optimizer": p.optimizer, "num_epochs": 1}
    p.model.fit(**{**arguments, **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda p: {"dataset": p.x}, r"dataset is a ndarray of shape \(27, 6\).*ArrayIterator"),
        (
            lambda p: {"dataset": (p.x, p.y)},
            r"a tuple, .*: fit\(X, y, cost, optimizer, num_epochs\); or wrap .*ArrayIterator",
        ),
        (lambda p: {"dataset": "data.csv"}, "dataset is the text 'data.csv'"),
        (lambda p: {"dataset": ArrayIterator}, "the class ArrayIterator"),
        (lambda p: {"dataset": None}, "None, is no data iterator: it has no __iter__, nbatches"),
        (lambda p: {"cost": "mse"}, "cost is the text 'mse'.*GeneralizedCost"),
        (lambda p: {"cost": CrossEntropyMulti}, "cost is the class CrossEntropyMulti"),
        (lambda p: {"cost": CrossEntropyMulti()}, r"costfunc=CrossEntropyMulti\(...\)"),
        (lambda p: {"cost": None}, "cost is None; give GeneralizedCost"),
        (lambda p: {"optimizer": "adam"}, "optimizer is the text 'adam'"),
        (lambda p: {"optimizer": Adam}, "optimizer is the class Adam"),
        (lambda p: {"optimizer": 0.1}, "optimizer is 0.1; give"),
        (lambda p: {"num_epochs": -1}, "num_epochs=-1 must be a whole number, 0 or more"),
        (lambda p: {"num_epochs": 2.5}, "num_epochs=2.5"),
        (lambda p: {"num_epochs": "3"}, "num_epochs='3'"),
        (lambda p: {"num_epochs": True}, "num_epochs=True"),
        (lambda p: {"callbacks": []}, r"callbacks is a list.*Callbacks\(model\)"),
        (lambda p: {"callbacks": Callbacks}, "the class Callbacks"),
        (lambda p: {"callbacks": Callback()}, "one Callbacks object.*add_callback"),
        (lambda p: {"callbacks": Callbacks(p.other)}, "made for another model, 'other'"),
        (
            lambda p: {"dataset": ArrayIterator(p.x[:5], p.y[:5], nclass=3)},
            "5 samples .* do not fill one batch of 8",
        ),
    ],
)
def test_fit(make_problem: Make, changed: Any, words: str) -> None:
    p = make_problem()
    p.other = Model([Affine(2, Gaussian())], name="other")
    with pytest.raises(ConfigurationError, match=words):
        fit(p, **changed(p))
    assert p.model.epoch_index == 0
    assert p.model.optimizer is None


def test_fit_without_its_parts_says_what_to_give(make_problem: Make) -> None:
    p = make_problem()
    for given in ((p.x, p.y), (p.data,)):
        with pytest.raises(ConfigurationError, match=r"cost is None; give GeneralizedCost\("):
            p.model.fit(*given)
        with pytest.raises(ConfigurationError, match="optimizer is None; give "):
            p.model.fit(*given, p.cost)
        with pytest.raises(ConfigurationError, match="num_epochs=None must be a whole number"):
            p.model.fit(*given, p.cost, p.optimizer)


@pytest.mark.parametrize(
    ("dataset", "metric", "words"),
    [
        (lambda p: p.x, Accuracy(), "eval: the dataset is a ndarray"),
        (lambda p: p.data, Accuracy, "eval: metric is the class Accuracy"),
        (lambda p: p.data, "accuracy", "eval: metric is the text 'accuracy'"),
        (lambda p: p.data, np.mean, "eval: metric is a .*, not a metric"),
        (lambda p: p.data, None, "eval: metric is None"),
    ],
)
def test_eval(make_problem: Make, dataset: Any, metric: Any, words: str) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match=words):
        p.model.eval(dataset(p), metric)


def test_get_outputs(make_problem: Make) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match="get_outputs: the dataset is a ndarray"):
        p.model.get_outputs(p.x)


def test_no_batch_size_and_no_backend(make_problem: Make) -> None:
    p = make_problem()
    p.be.bsz = 0
    with pytest.raises(ConfigurationError, match=r"fit: the backend .* has no batch size"):
        fit(p)
    cleanup_backend()
    for call in (lambda: fit(p), lambda: p.model.eval(p.data, Accuracy())):
        with pytest.raises(ConfigurationError, match="no backend; call gen_backend"):
            call()


@pytest.mark.parametrize("value", ["a", 0, -1, 9, 2.0, None])
def test_sizes_in_use(make_problem: Make, value: Any) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match=r"set_batch_size: N=.* from 1 to 8"):
        p.model.set_batch_size(value)
    if value != 9:
        with pytest.raises(ConfigurationError, match=r"set_seq_len: S=.* from 1"):
            p.model.set_seq_len(value)


@pytest.mark.parametrize(
    ("costfunc", "words"),
    [
        ("mse", "text 'mse'"),
        (CrossEntropyMulti, "class CrossEntropyMulti"),
        (Accuracy(), "a Accuracy, a metric, which has no gradient"),
        (Softmax(), "a Softmax, an activation"),
        (abs, "no cost function"),
        (None, "None, no cost function"),
    ],
)
def test_generalized_cost(costfunc: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        GeneralizedCost(costfunc)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: Model(p.model.layers, be="cpu"), "be is the text 'cpu', not a backend"),
        (lambda p: p.model.initialize(p.x), "neither a data iterator nor the shape"),
        (lambda p: p.model.save_params(None), "save_params: the path is None"),
        (lambda p: p.model.save_params(""), "save_params: the path is the text ''"),
        (lambda p: p.model.save_params(3), "save_params: the path is 3"),
        (lambda p: p.model.save_params("a\0b"), "save_params: the path is the text"),
        (lambda p: p.model.benchmark(p.x), "benchmark: the dataset is a ndarray"),
        (lambda p: p.model.benchmark(p.data, cost="a"), "benchmark: cost is the text"),
        (lambda p: p.model.benchmark(p.data, optimizer=Adam), "optimizer is the class Adam"),
        (lambda p: p.model.benchmark(p.data, True, niterations="a"), "niterations='a'"),
        (lambda p: p.model.benchmark(p.data, True, nskip=-1), "nskip=-1"),
        (lambda p: Callbacks(p.model, save_path=3), "save_path is 3"),
        (lambda p: Callbacks(p.model, save_path="m.prm", history="a"), "history='a'"),
        (lambda p: MultiOptimizer(Adam()), "a Adam is no mapping"),
        (lambda p: TrainCostCallback("a"), "wsz must be 1 or more"),
    ],
)
def test_other_calls(make_problem: Make, call: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        call(make_problem())
