"""Training in 16 bits on float32 weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.errors import CheckpointError, ConfigurationError
from neonport.layers import Affine, BatchNorm, Dropout, LayerNorm, MultiHeadAttention, Reshape
from neonport.models import Model
from neonport.models.loss_scale import FIRST, GROWTH_INTERVAL, LossScale
from neonport.transforms import Accuracy, Softmax

Make = Callable[..., Any]
SHORT = ["bfloat16", "float16"]


def train(problem: Any, epochs: int, precision: str | None, callback: Any = None, **kw: Any) -> Any:
    callbacks = Callbacks(problem.model, progress_bar=False)
    if callback is not None:
        callbacks.add_callback(callback)
    return problem.model.fit(
        problem.data, problem.cost, problem.optimizer, epochs, callbacks, precision=precision, **kw
    )


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert list(a) == list(b)
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.parametrize("precision", SHORT)
def test_the_accuracy_is_that_of_float32(make_problem: Make, precision: str) -> None:
    found = {}
    for kind in (None, precision):
        problem = make_problem("adam", ndata=64, dropout=True)
        train(problem, 12, kind)
        found[kind] = problem.model.eval(problem.data, Accuracy()).item(), problem.model.total_cost
    assert found[None][0] >= 0.95
    assert found[precision][0] >= found[None][0] - 0.05
    np.testing.assert_allclose(found[precision][1], found[None][1], rtol=0.1)
    assert found[precision][1] != found[None][1]  # it was not float32 all the same


@pytest.mark.parametrize("precision", SHORT)
def test_buffers_are_short_and_weights_are_not(make_problem: Make, precision: str) -> None:
    problem = make_problem("momentum")
    train(problem, 1, precision)
    linear, norm, _, last, bias, _ = problem.model.layers.layers
    for layer in (linear, norm, last):
        assert layer.outputs.dtype.name == precision
    assert norm.deltas.dtype.name == precision
    for tensor in (linear.W, linear.dW, linear.states[0], norm.gamma, norm.gmean, bias.W):
        assert tensor.dtype.name == "float32"
    assert problem.cost.deltas.dtype.name == "float32"
    assert problem.model.get_outputs(problem.data).dtype == np.float32


def test_attention_computes_in_16_bits(make_problem: Make) -> None:
    from neonport.initializers import Gaussian

    init = Gaussian(scale=0.3)
    layers = [
        Affine(8, init),
        Reshape((4, 2)),
        MultiHeadAttention(2, init, causal=True),
        LayerNorm(),
        Reshape((8,)),
        Affine(3, init, activation=Softmax()),
    ]
    problem = make_problem("adam", layers=layers)
    history = train(problem, 3, "bfloat16")
    assert history["cost"][-1] < history["cost"][0]
    assert layers[2]._buffers.scores.dtype.name == "bfloat16"


def sequences() -> tuple[Any, list[Any]]:
    """A recurrent layer, which computes in float32, above an embedding of 16 bits."""
    from neonport.initializers import Gaussian
    from neonport.layers import LSTM, LookupTable, RecurrentSum
    from neonport.transforms import Logistic, Tanh

    init = Gaussian(scale=0.3)
    lstm = LSTM(4, init, activation=Tanh(), gate_activation=Logistic())
    layers = [LookupTable(300, 3, init), lstm, RecurrentSum()]
    return 6, [*layers, Affine(3, init, activation=Softmax())]


def pictures() -> tuple[Any, list[Any]]:
    """Windows of 16 bits with filters of float32."""
    from neonport.initializers import Gaussian
    from neonport.layers import Conv, Pooling

    init = Gaussian(scale=0.3)
    layers = [Conv((2, 2, 3), init, padding=1, batch_norm=True), Pooling(2)]
    return (1, 3, 2), [*layers, Affine(3, init, activation=Softmax())]


@pytest.mark.parametrize("network", [sequences, pictures])
def test_layers_of_all_kinds_stand_above_each_other(make_problem: Make, network: Make) -> None:
    from neonport.data import ArrayIterator

    found = {}
    for precision in (None, "bfloat16"):
        shape, layers = network()
        problem = make_problem("adam", ndata=24, layers=layers)
        x = np.abs(np.rint(problem.x * 100)) if shape == 6 else problem.x  # ids, or pixels
        problem.data = ArrayIterator(x, problem.y, nclass=3, lshape=shape)
        found[precision] = train(problem, 2, precision)["cost"]
        outputs = problem.model.layers.layers[0].outputs
        assert outputs.dtype.name == (precision or "float32")
    np.testing.assert_allclose(found["bfloat16"], found[None], rtol=0.02)


@pytest.mark.parametrize("precision", SHORT)
@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_training_gives_the_same_bits(
    make_problem: Make, weights: Make, tmp_path: Path, precision: str, stop: int
) -> None:
    straight = make_problem("adam", dropout=True)
    train(straight, 4, precision)
    first = make_problem("adam", dropout=True)
    train(first, stop, precision)
    first.model.save_params(tmp_path / "m.prm")
    second = make_problem("adam", dropout=True, seed=123)
    second.model.load_params(tmp_path / "m.prm")
    train(second, 4, None)  # the checkpoint says which
    assert second.model.state.precision == precision
    same(weights(second.model), weights(straight.model))
    if precision == "float16":
        state = second.model.state.loss_scale.get_state()
        assert state == straight.model.state.loss_scale.get_state()
        assert state["finite_steps"] > 0


def test_a_recorded_step_gives_the_same_bits(make_problem: Make, weights: Make) -> None:
    found = []
    for record in (False, True):
        problem = make_problem("adam", ndata=24)
        train(problem, 3, "float16", record=record)
        found.append((weights(problem.model), problem.model.state.loss_scale.get_state()))
    same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


class TooLarge(Callback):
    """Asks for a scale with which the errors overflow, before the given minibatch."""

    def __init__(self, weights: Make, at: int) -> None:
        super().__init__()
        self.weights, self.at, self.before = weights, at, {}

    def on_minibatch_begin(self, data: Any, model: Any, epoch: int, minibatch: int) -> None:
        if (epoch, minibatch) == (1, self.at):
            model.state.loss_scale.set_state({"scale": 2.0**24, "finite_steps": 7, "skipped": 0})
            self.before = self.weights(model)

    def on_minibatch_end(self, data: Any, model: Any, epoch: int, minibatch: int) -> None:
        if (epoch, minibatch) == (1, self.at):
            self.after = self.weights(model)
            self.state = model.state.loss_scale.get_state()


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "multi", "shiftadamax", "lion"])
def test_a_step_without_finite_gradients_changes_nothing(
    make_problem: Make, weights: Make, optimizer: str
) -> None:
    problem = make_problem(optimizer, batch_norm=False)
    spoiler = TooLarge(weights, at=1)
    train(problem, 2, "float16", spoiler)
    same(spoiler.after, spoiler.before)
    assert spoiler.state == {"scale": 2.0**23, "finite_steps": 0, "skipped": 1}
    after = weights(problem.model)
    assert all(np.isfinite(array).all() for array in after.values())


def test_a_frozen_model_and_arrays_as_data(make_problem: Make, weights: Make) -> None:
    problem = make_problem("momentum", batch_norm=False)
    problem.model.layers.freeze()
    callbacks = Callbacks(problem.model, progress_bar=False)
    problem.model.fit(
        problem.x, problem.y, problem.cost, problem.optimizer, 1, callbacks, precision="float16"
    )
    assert problem.model.state.loss_scale.get_state()["finite_steps"] == 0
    assert problem.model.layers.layers[0].outputs.dtype == np.float16


def test_an_optimizer_without_guards_gets_gradients_of_0(make_problem: Make, weights: Make) -> None:
    from neonport.optimizers import Optimizer
    from neonport.optimizers.base import get_param_list

    class Descent(Optimizer):
        def optimize(self, layer_list: Any, epoch: int) -> None:
            for (param, grad), _ in get_param_list(layer_list):
                param[:] = param - 0.1 * grad / self.be.bsz

    problem = make_problem(batch_norm=False)
    problem.optimizer = Descent()
    spoiler = TooLarge(weights, at=1)
    train(problem, 2, "float16", spoiler)
    same(spoiler.after, spoiler.before)
    assert spoiler.state["skipped"] == 1


def test_the_scale_grows_and_shrinks(make_backend: Make) -> None:
    be = make_backend(batch_size=4)
    scale = LossScale(be)
    assert scale.get_state() == {"scale": FIRST, "finite_steps": 0, "skipped": 0}
    gradients = [be.ones((2, 3)), be.ones((4, 1))]
    errors = [be.ones((2, 4)), [be.ones((1, 4)), None]]
    scale.scale(errors)
    assert errors[0].get()[0, 0] == errors[1][0].get()[0, 0] == FIRST
    scale.unscale(gradients)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient.get(), 1 / FIRST)
    assert scale.finite.get() == 1
    assert scale.get_state()["finite_steps"] == 1
    scale.set_state({"scale": FIRST, "finite_steps": GROWTH_INTERVAL - 1, "skipped": 3})
    scale.unscale(gradients)
    assert scale.get_state() == {"scale": 2 * FIRST, "finite_steps": 0, "skipped": 3}
    for bad in (np.inf, -np.inf, np.nan):
        values = np.ones((4, 1))
        values[3] = bad
        gradients[1].set(values)
        before = scale.get_state()["scale"]
        scale.unscale(gradients)
        assert scale.finite.get() == 0
        assert scale.get_state()["scale"] == before / 2
        assert all((gradient.get() == 0).all() for gradient in gradients)
    scale.set_state({"scale": 1.0, "finite_steps": 0, "skipped": 0})
    gradients[0].fill(np.nan)
    scale.unscale(gradients)
    assert scale.get_state() == {"scale": 1.0, "finite_steps": 0, "skipped": 1}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"scale": 1.0, "finite_steps": 1},
        {"scale": float("nan"), "finite_steps": 1, "skipped": 0},
        {"scale": 0.0, "finite_steps": 1, "skipped": 0},
        {"scale": 1e300, "finite_steps": 1, "skipped": 0},
        {"scale": "2", "finite_steps": 1, "skipped": 0},
    ],
)
def test_states_of_something_else(make_backend: Make, state: Any) -> None:
    scale = LossScale(make_backend(batch_size=4))
    with pytest.raises(CheckpointError, match="loss scale"):
        scale.set_state(state)
    assert scale.get_state()["scale"] == FIRST


def test_mistakes(make_problem: Make) -> None:
    problem = make_problem()
    with pytest.raises(ConfigurationError, match="must be one of 'float32', 'bfloat16'"):
        train(problem, 1, "half")
    assert not problem.model.initialized
    train(problem, 1, None)
    with pytest.raises(ConfigurationError, match="made already, in float32"):
        train(problem, 2, "float16")
    train(problem, 2, "float32")
    with pytest.raises(ConfigurationError, match="keeps float32 weights"):
        train(make_problem(dtype=np.float16), 1, "float16")


def test_a_checkpoint_with_another_precision_is_refused(make_problem: Make) -> None:
    problem = make_problem()
    train(problem, 1, "bfloat16")
    description = problem.model.serialize()
    description["resume"]["precision"] = "int4"
    with pytest.raises(CheckpointError, match="precision"):
        Model(description)


def test_float32_weights_make_a_float32_model(make_problem: Make, weights: Make) -> None:
    problem = make_problem(
        layers=[BatchNorm(), Affine(3, "he_normal", activation=Softmax()), Dropout()]
    )
    train(problem, 1, "bfloat16")
    description = problem.model.serialize(keep_states=False)
    description["resume"].pop("precision")
    again = Model(description)
    again.initialize(problem.data)
    assert again.layers.layers[1].outputs.dtype == np.float32
    same(weights(again), {k: v for k, v in weights(problem.model).items() if k in weights(again)})
