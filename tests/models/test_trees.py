"""Models with several outputs or inputs: training, evaluation, checkpoints, recorded steps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.data import ArrayIterator, NervanaDataIterator
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    Activation,
    Affine,
    BranchNode,
    Dropout,
    GeneralizedCost,
    Linear,
    MergeBroadcast,
    MergeMultistream,
    MergeSum,
    Multicost,
    Reshape,
    Residual,
    Sequential,
    SingleOutputTree,
    SkipNode,
    Tree,
)
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import (
    Accuracy,
    CrossEntropyMulti,
    Misclassification,
    MultiMetric,
    Rectlin,
    Softmax,
    SumSquared,
)

N, F, CLASSES = 8, 4, 3


def act(n: int) -> Any:
    return Affine(n, Gaussian(scale=0.5), bias=Constant(0.1), activation=Rectlin())


def softmax() -> Any:
    return Affine(CLASSES, Gaussian(scale=0.5), bias=Constant(0), activation=Softmax())


def tree(kind: Any = Tree) -> Any:
    node = BranchNode("node")
    trunk = [act(6), Dropout(0.9), SkipNode(), BranchNode("node"), act(5), softmax()]
    return kind([trunk, [node, Linear(2, Gaussian())]], alphas=[1, 0.5])


class TwoTargets(NervanaDataIterator):
    """A class of each sample, and two numbers of which every second minibatch has none."""

    def __init__(self, samples: int = 5 * N) -> None:
        super().__init__(name="train")
        rng = np.random.RandomState(0)
        self.ndata, self.shape = samples, F
        self.x = rng.randn(samples, F)
        self.t = rng.randn(samples, 2)
        self.y = np.argmax(self.x[:, :CLASSES], axis=1)
        self.buffers = self.be.empty((F, N)), self.be.empty((CLASSES, N)), self.be.empty((2, N))

    @property
    def nbatches(self) -> int:
        return self.ndata // N

    def reset(self) -> None:
        pass

    def __iter__(self) -> Any:
        x, y, t = self.buffers
        for i in range(0, self.ndata, N):
            x.set(self.x[i : i + N].T)
            y.set(np.eye(CLASSES)[self.y[i : i + N]].T)
            t.set(self.t[i : i + N].T)
            yield x, [y, t if i % (2 * N) == 0 else None]


@pytest.fixture
def problem(make_backend: Any) -> Any:
    def make(layers: Any = None, seed: int = 3) -> Any:
        be = make_backend(batch_size=N, rng_seed=seed)
        return SimpleNamespace(
            be=be,
            model=Model(tree() if layers is None else layers),
            data=TwoTargets(),
            cost=Multicost(
                [GeneralizedCost(CrossEntropyMulti()), GeneralizedCost(SumSquared())], [1, 0.1]
            ),
            optimizer=Adam(learning_rate=0.02),
        )

    return make


def fit(p: Any, epochs: int, record: bool = False, **kwargs: Any) -> Any:
    told = Callbacks(p.model, progress_bar=False, **kwargs)
    return p.model.fit(p.data, p.cost, p.optimizer, epochs, told, record=record)


@pytest.mark.parametrize("kind", [Tree, SingleOutputTree])
def test_training_and_evaluation(problem: Any, kind: Any) -> None:
    p = problem(tree(kind))
    history = fit(p, 12, multicost=True)
    assert history["cost"][-1] < 0.6 * history["cost"][0]
    if kind is Tree:
        metric: Any = MultiMetric(Accuracy(), index=0)
    else:
        metric = First(Accuracy())
    (accuracy,) = p.model.eval(p.data, metric=metric)
    assert accuracy > 0.7
    outputs = p.model.get_outputs(p.data)
    assert (kind is Tree) == isinstance(outputs, list)
    first = outputs[0] if kind is Tree else outputs
    assert (first.argmax(axis=1) == p.data.y).mean() == pytest.approx(accuracy)
    if kind is Tree:
        assert [found.shape for found in outputs] == [(5 * N, CLASSES), (5 * N, 2)]
    predicted = p.model.predict(p.data.x[:3])
    np.testing.assert_allclose((predicted[0] if kind is Tree else predicted), first[:3], rtol=1e-5)


class First(Accuracy):
    """A metric of targets in a list, as data for several costs have them."""

    def __init__(self, metric: Any) -> None:
        super().__init__()

    def __call__(self, y: Any, t: Any, calcrange: slice = slice(None)) -> Any:
        return super().__call__(y, t[0], calcrange=calcrange)


class Costs(Callback):
    """Notes the costs of the branches of each minibatch."""

    def __init__(self) -> None:
        super().__init__(minibatch_freq=1)
        self.seen: list[list[float]] = []

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        self.seen.append([cost.cost.item() for cost in model.cost.costs])


def test_costs_of_each_branch_are_recorded(problem: Any) -> None:
    p, costs = problem(), Costs()
    told = Callbacks(p.model, progress_bar=False, multicost=True)
    told.callbacks[0].wsz = 1
    told.add_callback(costs)
    history = p.model.fit(p.data, p.cost, p.optimizer, 1, told)
    for name in ("train", "train_allbranches"):
        np.testing.assert_allclose(told.callback_data[f"multicost/{name}"][:], costs.seen)
    seen = np.array(costs.seen)
    assert (seen[1::2, 1] == 0).all()  # no target
    assert history["cost"][0] == pytest.approx((seen @ [1, 0.1]).mean())


def test_a_script_of_neon_with_a_branch(make_backend: Any) -> None:
    """As in neon's mnist_branch: one target for all, held-out cost and error of the trunk."""
    make_backend(batch_size=N, rng_seed=1)
    data = TwoTargets(N)
    train = ArrayIterator(data.x, data.y, nclass=CLASSES)
    node = BranchNode(name="branch")
    trunk = [act(6), node, softmax()]
    model = Model(layers=SingleOutputTree([trunk, [node, act(4), softmax()]], alphas=[1, 0.25]))
    parts = [GeneralizedCost(costfunc=CrossEntropyMulti()) for _ in range(2)]
    told = Callbacks(
        model, eval_set=train, eval_freq=1, metric=Misclassification(), multicost=True,
        progress_bar=False,
    )  # fmt: skip
    cost = Multicost(costs=parts, weights=[1, 0.25])
    history = model.fit(
        train, optimizer=Adam(learning_rate=0.01), num_epochs=2, cost=cost, callbacks=told
    )
    (error,) = model.eval(train, metric=Misclassification())
    assert history["Top1Misclass"][-1] == pytest.approx(error)
    y = model.get_outputs(train)
    wanted = -np.log(y[np.arange(N), data.y]).mean()
    assert history["eval_cost"][-1] == pytest.approx(wanted, rel=1e-4)


def test_recorded_steps_have_the_same_bits(problem: Any, weights: Any, caplog: Any) -> None:
    p = problem()
    costs, wanted = fit(p, 3)["cost"], weights(p.model)
    p = problem()
    assert fit(p, 3, record=True)["cost"] == costs
    assert "not recorded" not in caplog.text
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(wanted[name], value, err_msg=name)


def containers() -> dict[str, Any]:
    steps = [[act(4), Reshape((2, 2))], [Linear(4, Gaussian()), Reshape((2, 2))]]
    return {
        "tree": tree(),
        "single output": tree(SingleOutputTree),
        "sum": MergeSum([[act(5), Linear(4, Gaussian())], SkipNode()]),
        "broadcast": MergeBroadcast(
            [act(3), [act(2), Linear(2, Gaussian())]], "depth", alphas=[1, 2]
        ),
        "recurrent": [MergeBroadcast(steps, "recurrent"), Linear(2, Gaussian()), Reshape(-1)],
        "residual": [Residual(act(F)), Residual(act(3), projection=Linear(3, Gaussian()))],
        "nested": Sequential([act(3), Residual([act(3), Activation(Rectlin())])]),
    }


@pytest.mark.parametrize("name", containers())
def test_every_container_resumes_to_the_same_bits(
    problem: Any, weights: Any, tmp_path: Any, name: str, caplog: Any
) -> None:
    path = tmp_path / "model.safetensors"

    def made(layers: Any, seed: int = 3) -> Any:
        p = problem(layers, seed)
        if not isinstance(p.model.layers, Tree):
            p.data = ArrayIterator(p.data.x, p.data.y, nclass=CLASSES)
            p.cost = GeneralizedCost(CrossEntropyMulti())
        return p

    layers = containers()[name]
    p = made(layers if isinstance(layers, Tree) else [layers, softmax()])
    fit(p, 1)
    p.model.save_params(path)
    before = p.model.get_outputs(p.data)
    fit(p, 2)
    wanted = weights(p.model)
    p = made(path, seed=99)
    after = p.model.get_outputs(p.data)
    for a, b in zip(*(x if isinstance(x, list) else [x] for x in (before, after)), strict=True):
        np.testing.assert_array_equal(a, b)
    fit(p, 2, record=True)  # which would tell of a step that allocates or waits
    assert "not recorded" not in caplog.text
    for key, value in weights(p.model).items():
        np.testing.assert_array_equal(wanted[key], value, err_msg=key)


def test_several_inputs(problem: Any, weights: Any, tmp_path: Any) -> None:
    def streams() -> Any:
        return [MergeMultistream([act(5), [act(4), act(3)]], "stack"), softmax()]

    def made(layers: Any, seed: int = 3) -> Any:
        p = problem(layers, seed)
        p.x = [p.data.x, p.data.x[:, :2]]
        p.data = ArrayIterator(p.x, p.data.y, nclass=CLASSES)
        p.cost = GeneralizedCost(CrossEntropyMulti())
        return p

    p = made(streams())
    fit(p, 1)
    p.model.save_params(tmp_path / "model")
    history = fit(p, 12)
    assert history["cost"][-1] < history["cost"][0]
    (accuracy,) = p.model.eval(p.data, metric=Accuracy())
    assert accuracy > 0.7
    predicted = p.model.predict([x[:5] for x in p.x])
    np.testing.assert_allclose(predicted, p.model.get_outputs(p.data)[:5], rtol=1e-5)
    wanted = weights(p.model)
    for built in (False, True):
        again = made(tmp_path / "model" if built else streams(), seed=9)
        if not built:
            again.model.load_params(tmp_path / "model")
        fit(again, 12, record=True)
        for key, value in weights(again.model).items():
            np.testing.assert_array_equal(wanted[key], value, err_msg=key)


def test_a_frozen_trunk_stays_and_resumes(problem: Any, weights: Any, tmp_path: Any) -> None:
    p = problem()
    fit(p, 1)
    trunk = p.model.layers.layers[0]
    for layer in trunk.layers[:-4]:
        layer.freeze()
    kept = trunk.layers[0].W.get()
    p.model.save_params(tmp_path / "model")
    fit(p, 3)
    np.testing.assert_array_equal(trunk.layers[0].W.get(), kept)
    wanted = weights(p.model)
    p = problem(tmp_path / "model", seed=9)
    assert p.model.layers.layers[0].layers[0].frozen
    fit(p, 3)
    for key, value in weights(p.model).items():
        np.testing.assert_array_equal(wanted[key], value, err_msg=key)
    p = problem()
    p.model.load_params(tmp_path / "model")  # weights, but not what is frozen
    assert not p.model.layers.layers[0].layers[0].frozen


@pytest.mark.parametrize("kind", [Tree, SingleOutputTree])
def test_text_summary_and_outputs_of_layers(problem: Any, kind: Any) -> None:
    p = problem(tree(kind))
    p.model.initialize(F)
    lines = str(p.model).split("\n")
    assert lines[1] == kind.__name__
    assert lines[2] == "  Sequential"
    assert "Linear_2" in str(p.model.summary())
    found = p.model.activations(p.data.x[:3])
    assert found["Linear_0"].shape == (3, 6)
    assert ("Linear_3" in found) == (kind is Tree)  # the other path does not run at inference
