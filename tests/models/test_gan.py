"""GAN: steps as defined, Wasserstein clipping and schedule, resume to the same bits."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.data import ArrayIterator
from neonport.errors import CheckpointError, ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    Affine,
    BatchNorm,
    Dropout,
    GeneralizedCost,
    GeneralizedGANCost,
    Layer,
    Linear,
    Sequential,
)
from neonport.layers.container import GenerativeAdversarial
from neonport.models import Model
from neonport.models.gan import GAN as Same
from neonport.models.model import GAN
from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.transforms import GANCost, Logistic, Rectlin, SumSquared, Tanh

N, FEATURES, NOISE = 8, 3, 2


def pair(wide: int = 5) -> GenerativeAdversarial:
    init, zero = Gaussian(scale=0.5), Constant(0.1)
    generator = [
        Affine(wide, init, batch_norm=True, activation=Rectlin()),
        Affine(FEATURES, init, bias=zero, activation=Tanh()),
    ]
    discriminator = [
        Affine(6, init, bias=zero, activation=Tanh()),
        Dropout(0.8),
        Affine(1, init, bias=zero, activation=Logistic()),
    ]
    return GenerativeAdversarial(generator, discriminator)


@pytest.fixture
def problem(make_backend: Any) -> Any:
    def make(seed: int = 3, layers: Any = None, func: str = "modified", **kwargs: Any) -> Any:
        be = make_backend(batch_size=N, rng_seed=seed)
        x = np.random.RandomState(1).randn(5 * N, FEATURES).astype("f4")
        model = GAN(pair() if layers is None else layers, noise_dim=NOISE, **kwargs)
        return SimpleNamespace(
            be=be,
            model=model,
            data=ArrayIterator(x, name="train"),
            cost=GeneralizedGANCost(GANCost(func=func)),
            optimizer=Adam(learning_rate=0.01),
        )

    return make


def fit(p: Any, epochs: int, *callbacks: Any, record: bool = False) -> Any:
    told = Callbacks(p.model, progress_bar=False)
    for callback in callbacks:
        told.add_callback(callback)
    return p.model.fit(p.data, p.cost, p.optimizer, epochs, told, record=record)


def test_names() -> None:
    assert GAN is Same


class Steps(Callback):
    """Notes after each minibatch whether the generator was trained, and what clipping left."""

    def __init__(self) -> None:
        super().__init__(minibatch_freq=1)
        self.trained: list[bool] = []
        self.seen = 0
        self.costs: list[float] = []

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        self.trained.append(model.gen_iter > self.seen)
        self.seen = model.gen_iter
        if self.trained[-1]:
            self.costs.append(float(model.cost_dis.item()))


@pytest.mark.parametrize(("k", "turns"), [(1, range(1, 10)), (2, range(2, 10, 2)), (4, (4, 8))])
def test_when_the_generator_is_trained(problem: Any, k: int, turns: Any) -> None:
    steps = Steps()
    p = problem(k=k)
    history = fit(p, 2, steps)
    assert [i for i, trained in enumerate(steps.trained) if trained] == list(turns)
    assert p.model.current_batch == 10
    assert p.model.gen_iter == len(turns)
    first = sum(steps.trained[:5])
    assert history["cost"][0] == pytest.approx(np.mean(steps.costs[:first]), rel=1e-5)
    assert history["cost"][1] == pytest.approx(np.mean(steps.costs[first:]), rel=1e-5)


def test_an_epoch_without_a_step_of_the_generator(problem: Any, caplog: Any) -> None:
    history = fit(problem(k=7), 2)
    assert np.isnan(history["cost"][0])
    assert not np.isnan(history["cost"][1])
    assert "generator was not trained in epoch 0" in caplog.text


def test_schedule_of_wasserstein_networks(problem: Any) -> None:
    model = problem(k=3, wgan_train_sched=True).model
    assert [model.get_k(i) for i in (0, 24, 25, 499, 500, 501)] == [100, 100, 3, 3, 100, 3]
    assert problem(k=3).model.get_k(0) == 3


def test_parameters_of_the_discriminator_are_clipped(problem: Any) -> None:
    p = problem(func="wasserstein", wgan_param_clamp=0.25)
    p.model.initialize(p.data, p.cost)
    p.model.optimizer = GradientDescentMomentum(0.0, 0.0)
    x, _ = next(iter(p.data))
    for part in p.model.step_parts(x, None, 0, lambda cost: None):
        part.run()
    for layer in p.model.discriminator.layers_to_optimize:
        assert abs(layer.W.get()).max() <= 0.25
    assert max(abs(x.W.get()).max() for x in p.model.generator.layers if hasattr(x, "W")) > 0.25


def test_a_step_is_that_of_the_definition(make_backend: Any) -> None:
    """Generator and discriminator of one Linear each, against NumPy."""
    be = make_backend(batch_size=N, rng_seed=0, dtype=np.float64)
    layers = GenerativeAdversarial(
        [Linear(FEATURES, Gaussian())], [Affine(1, Gaussian(), activation=Logistic())]
    )
    model = GAN(layers, noise_dim=NOISE)
    cost = GeneralizedGANCost(GANCost(func="modified"))
    x = be.array(np.random.RandomState(1).randn(FEATURES, N))
    model.initialize(FEATURES, cost)
    rate = 0.5
    model.optimizer = GradientDescentMomentum(rate, 0.0)
    model.current_batch = 1  # the generator's turn
    g, d = layers.layers[0].W.get(), layers.layers[1].W.get()
    noise: list[np.ndarray] = []
    fill = model.fill_noise
    model.fill_noise = lambda z: (fill(z), noise.append(z.get()))  # type: ignore[assignment]
    costs: list[Any] = []
    for part in model.step_parts(x, None, 0, costs.append):
        part.run()
        if part.then is not None:
            part.then()

    def sig(v: Any) -> Any:
        return 1 / (1 + np.exp(-v))

    made = g @ noise[0]
    yn, yd = sig(d @ made), sig(d @ x.get())
    gradient = yn @ made.T - (1 - yd) @ x.get().T
    d = d - rate * gradient / N
    np.testing.assert_allclose(layers.layers[1].W.get(), d, rtol=1e-9)
    yn = sig(d @ g @ noise[1])
    g = g - rate * (d.T @ -(1 - yn)) @ noise[1].T / N
    np.testing.assert_allclose(layers.layers[0].W.get(), g, rtol=1e-9)
    assert len(noise) == 2
    wanted = np.mean(-np.log(yd) - np.log(1 - yn))
    assert float(costs[0]) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_recorded_steps_have_the_same_bits(problem: Any, weights: Any, k: int, caplog: Any) -> None:
    p = problem(k=k)
    costs, wanted = fit(p, 3)["cost"], weights(p.model)
    p = problem(k=k)
    assert fit(p, 3, record=True)["cost"] == costs
    assert "not recorded" not in caplog.text
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(wanted[name], value, err_msg=name)


class SaveInside(Callback):
    """Saves in the middle of an epoch."""

    def __init__(self, path: Any) -> None:
        super().__init__(minibatch_freq=1)
        self.path = path

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        if (epoch, minibatch) == (1, 2):
            model.save_params(self.path)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("built", [False, True])
def test_resumes_to_the_same_bits(
    problem: Any, weights: Any, tmp_path: Any, inside: bool, built: bool
) -> None:
    path = tmp_path / "gan.safetensors"
    p = problem(k=2)
    if inside:
        history = fit(p, 3, SaveInside(path))
    else:
        fit(p, 1)
        p.model.save_params(path)
        history = fit(p, 3)
    wanted, z0, made = weights(p.model), p.model.z0.get(), p.model.noise_batch.get()
    last = history["cost"][-1]
    counters = p.model.current_batch, p.model.gen_iter, p.model.last_gen_batch
    p = problem(seed=99, layers=path if built else None, k=2)
    if not built:
        p.model.load_params(path)
    history = fit(p, 3)
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(wanted[name], value, err_msg=name)
    assert counters == (p.model.current_batch, p.model.gen_iter, p.model.last_gen_batch)
    np.testing.assert_array_equal(p.model.z0.get(), z0)
    np.testing.assert_array_equal(p.model.noise_batch.get(), made)
    assert history["cost"][-1] == last


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_train_nearly_the_same(problem: Any, precision: str) -> None:
    found = []
    for name in (None, precision):
        p = problem()
        if name is not None and name not in p.be.default_dtypes:
            pytest.skip(f"the device does not store {name}")
        callbacks = Callbacks(p.model, progress_bar=False)
        history = p.model.fit(p.data, p.cost, p.optimizer, 2, callbacks, precision=name)
        found.append(history["cost"][-1])
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_weights_alone_start_afresh(problem: Any, tmp_path: Any) -> None:
    p = problem()
    fit(p, 1)
    p.model.save_params(tmp_path / "gan")
    p = problem(layers=tmp_path / "gan", weights_only=True)
    assert p.model.current_batch == 0


@pytest.mark.parametrize(
    "state",
    [
        {"current_batch": -1, "gen_iter": 0, "last_gen_batch": 0},
        {"current_batch": "many", "gen_iter": 0, "last_gen_batch": 0},
        {"gen_iter": 0, "last_gen_batch": 0},
        {"current_batch": 0, "gen_iter": 0, "last_gen_batch": 0, "z0": np.zeros((1, 3))},
        {"current_batch": 0, "gen_iter": 0, "last_gen_batch": 0, "z0": [1]},
    ],
)
def test_a_hostile_state_is_refused(problem: Any, weights: Any, state: Any) -> None:
    p = problem()
    fit(p, 1)
    description = p.model.serialize()
    description["resume"]["model"] = state
    before = copy.deepcopy(weights(p.model))
    with pytest.raises(CheckpointError, match="resume/model"):
        p.model.deserialize(description)
    np.testing.assert_equal(weights(p.model), before)


def test_samples(problem: Any) -> None:
    p = problem()
    with pytest.raises(ConfigurationError, match="before generate"):
        p.model.generate(3)
    fit(p, 1)
    assert p.model.generate(1).shape == (1, FEATURES)
    made = p.model.generate(2 * N + 3)
    assert made.shape == (2 * N + 3, FEATURES)
    assert len(np.unique(made[:, 0])) == len(made)
    assert p.model.data_batch is not None
    assert p.model.noise_batch.shape == (FEATURES, N)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise(problem: Any, kind: str) -> None:
    p = problem(noise_type=kind)
    z = p.be.empty((200, 50))
    p.model.fill_noise(z)
    values = z.get()
    assert abs(values.mean()) < 0.05
    assert values.std() == pytest.approx(1 if kind == "normal" else 3**-0.5, abs=0.03)
    assert (values.min() >= -1 and values.max() < 1) == (kind == "uniform")


class NoAccumulation(Layer):
    """A layer with a parameter, of three methods."""

    def __init__(self) -> None:
        super().__init__()
        self.has_params = True

    def configure(self, in_obj: Any) -> Any:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        return inputs

    def bprop(self, error: Any) -> Any:
        return error


def test_mistakes(problem: Any) -> None:
    with pytest.raises(ConfigurationError, match="GenerativeAdversarial"):
        problem(layers=[Linear(1, Gaussian())])
    for argument, value in (
        ("noise_type", "pink"),
        ("k", 0),
        ("wgan_param_clamp", -1),
        ("wgan_param_clamp", "much"),
    ):
        with pytest.raises(ConfigurationError, match=argument):
            problem(**{argument: value})
    p = problem()
    p.cost = GeneralizedCost(SumSquared())
    with pytest.raises(ConfigurationError, match="GeneralizedGANCost"):
        fit(p, 1)
    with pytest.raises(ConfigurationError, match="3 numbers instead of 4"):
        problem().model.initialize(4)
    layers = GenerativeAdversarial(
        [Linear(3, Gaussian())], [Linear(1, Gaussian()), NoAccumulation()]
    )
    with pytest.raises(ConfigurationError, match="NoAccumulation"):
        problem(layers=layers).model.initialize(3)
    with pytest.raises(ConfigurationError, match="needs a GANCost"):
        GeneralizedGANCost(SumSquared())


def test_the_container_is_a_chain_that_can_be_rebuilt(problem: Any) -> None:
    p = problem()
    fit(p, 1)
    container = p.model.layers
    entry = container.get_description(get_weights=True, keep_states=True)
    assert entry["type"] == "neon.layers.container.GenerativeAdversarial"
    assert len(entry["config"]["layers"]) == len(container.layers)
    before = copy.deepcopy(entry)
    twin = GenerativeAdversarial.gen_class(entry["config"])
    np.testing.assert_equal(entry, before)
    halves = [
        [type(layer) for layer in half.layers] for half in (twin.generator, twin.discriminator)
    ]
    assert halves == [
        [type(layer) for layer in half.layers]
        for half in (container.generator, container.discriminator)
    ]
    assert twin.layers == [*twin.generator.layers, *twin.discriminator.layers]
    twin.load_weights(entry)
    model = Model(twin)  # also a model of its own
    model.initialize(NOISE)
    z = p.be.array(np.random.RandomState(5).randn(NOISE, N))
    np.testing.assert_array_equal(
        model.fprop(z, inference=True).get(), container.fprop(z, inference=True).get()
    )
    entry["config"]["layers"].pop()
    with pytest.raises(ConfigurationError, match="lists"):
        GenerativeAdversarial.gen_class(entry["config"])


def test_halves_are_wired_as_one_chain(be: Any) -> None:
    first = Sequential([Linear(4, Gaussian()), BatchNorm()])
    second = Sequential([Linear(5, Gaussian()), Linear(1, Gaussian())])
    layers = GenerativeAdversarial(first, second).configure(2)
    assert layers.generator is first
    assert second.layers[0].prev_layer is first.layers[-1]
    assert first.layers[-1].next_layer is second.layers[0]
    layers.allocate()
    layers.allocate_deltas()
    assert first.layers[0].deltas is None
    assert second.layers[0].deltas.shape == (4, 32)
    assert first.layers[0].accumulate_updates is False
    assert second.layers[0].accumulate_updates is True


def test_times_of_its_steps(problem: Any) -> None:
    from neonport.benchmark import Benchmark

    p = problem(k=2)
    watch = Benchmark(p.model)
    with pytest.raises(RuntimeError, match="has no cost before a fit"):
        watch.time_gan(p.data)
    with pytest.raises(ConfigurationError, match="the model is no GAN"):
        Benchmark(Model([Affine(1, Gaussian())])).time_gan(p.data)
    p.model.initialize(p.data, p.cost)
    p.model.optimizer = Adam()
    times = watch.time_gan(p.data, niterations=5)
    assert list(times)[:4] == ["discriminator", "generator", "iteration", "data_loading"]
    assert times["generator"][[0, 1, 3]].tolist() == [0, 0, 0]  # not trained there
    assert p.model.gen_iter == 2
    assert {f"fprop {layer.name}" for layer in p.model.layers.layers} < set(times)
    with pytest.raises(ConfigurationError, match="timed by Benchmark"):
        watch.time(p.data)


def test_callbacks_record_and_draw(problem: Any, tmp_path: Any) -> None:
    from neonport.callbacks.callbacks import GANCostCallback
    from neonport.callbacks.plotting_callbacks import GANPlotCallback

    p = problem(k=2, layers=image_pair(), func="wasserstein")
    data = ArrayIterator(np.random.RandomState(1).rand(5 * N, 9), name="train")
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(GANCostCallback())
    callbacks.add_callback(GANPlotCallback(str(tmp_path / "x"), hw=3, num_samples=4))
    costs = []

    class Watch(Callback):
        def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
            costs.append(float(model.cost_dis[0]))

    callbacks.add_callback(Watch())
    p.model.fit(data, p.cost, Adam(), 2, callbacks)
    trained = [2, 4, 6, 8]
    wanted = np.zeros(10)
    wanted[trained] = 1, 2, 3, 4
    assert callbacks.callback_data["gan/gen_iter"][:].tolist() == wanted.tolist()
    wanted[trained] = np.array(costs)[trained]
    np.testing.assert_allclose(callbacks.callback_data["gan/cost_dis"][:], wanted, rtol=1e-6)
    names = {"x_training.png", *(f"x_{k}_00{e}.png" for k in ("data", "noise") for e in (0, 1))}
    assert {path.name for path in tmp_path.iterdir()} == names


def image_pair() -> GenerativeAdversarial:
    init = Gaussian(scale=0.5)
    return GenerativeAdversarial([Affine(9, init, activation=Tanh())], [Affine(1, init)])
