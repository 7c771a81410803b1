from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Linear, OpTreeLayer, Sequential


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


class Scale(OpTreeLayer):
    """Tanh(gain * x + shift)."""

    def __init__(self, init=None, name=None):
        super().__init__(name)
        self.init = init or Gaussian()
        self.built = 0

    def forward(self, x):
        self.built += 1
        gain = self.parameter("gain", (x.shape[0], 1), self.init)
        shift = self.parameter("shift", (x.shape[0], 1), Constant(0.5))
        return self.be.tanh(x * gain + shift)


class Dense(OpTreeLayer):
    def forward(self, x):
        return self.be.dot(self.parameter("w", (2, x.shape[0]), Gaussian()), x)


class PerMap(OpTreeLayer):
    """One factor a map of an image."""

    def forward(self, x):
        maps = self.in_shape[0]
        gain = self.parameter("gain", (maps, 1), Gaussian())
        return self.be.square(x.reshape((maps, -1)) * gain)


class Transposing(PerMap):
    """The same, declared as time steps."""

    def infer_out_shape(self, shape):
        return self.in_shape[0], self.in_shape[1] * self.in_shape[2]


class Noisy(OpTreeLayer):
    """Dropout of scaled inputs, and noise."""

    def forward(self, x):
        gain = self.parameter("gain", (x.shape[0], 1), Gaussian())
        return self.be.tanh(x * gain * (self.be.rand() < 0.5) + self.be.rand(shape=x.shape))


class Drop(OpTreeLayer):
    def forward(self, x):
        return x * (self.be.rand(shape=x.shape) < 0.5)


def test_forward_and_gradients_without_a_bprop(be, tools):
    layer = tools.drive(Scale(), (3, 2))
    assert layer.out_shape == (3, 2)
    x, error = randn(3, 64), randn(3, 64, seed=1)
    y = layer.fprop(be.array(x))
    gain = layer.parameters["gain"].value.get()
    expected = np.tanh(x * gain + 0.5)
    np.testing.assert_allclose(y.get(), expected, atol=1e-5)
    deltas = layer.bprop(be.array(error))
    assert deltas is layer.deltas
    inner = error * (1 - expected**2)
    np.testing.assert_allclose(deltas.get(), inner * gain, atol=1e-4)
    (_, d_gain), (_, d_shift) = tools.parameters(layer)
    np.testing.assert_allclose(d_gain.get(), (inner * x).sum(1, keepdims=True), atol=1e-3)
    np.testing.assert_allclose(d_shift.get(), inner.sum(1, keepdims=True), atol=1e-3)


@pytest.mark.parametrize(
    ("make", "in_shape"),
    [
        (Scale, (2, 2)),
        (Dense, 3),
        (Dense, (3, 2)),
        (PerMap, (2, 3, 2)),
        (Transposing, (2, 3, 2)),
        (Noisy, (3, 2)),
    ],
)
def test_gradients(be64, tools, make, in_shape):
    layer = tools.drive(make(), in_shape)
    assert tools.check_gradients(be64, layer, randn(*be64.iobuf(in_shape).shape)) < 1e-7


@pytest.mark.parametrize("recorded", [False, True])
def test_dropout_trains_what_it_let_through(make_backend, tools, recorded, pytestconfig):
    be = make_backend(batch_size=8, rng_seed=1)
    layer = tools.drive(Drop(), 5)
    x, error = be.array(randn(5, 8) + 9), be.array(randn(5, 8, seed=1))

    def step():
        layer.fprop(x)
        layer.bprop(error)

    run, masks = be.record(step) if recorded else step, set()
    for _ in range(5):
        run()
        mask = layer.outputs.get() / x.get()
        masks.add(mask.tobytes())
        np.testing.assert_array_equal(layer.deltas.get(), error.get() * mask)
    assert len(masks) == 5
    if recorded and not pytestconfig.getoption("--cuda-texts"):  # which runs nothing compiled
        assert run.replays >= 3


@pytest.mark.parametrize(
    ("in_shape", "expected"), [(3, 2), ((3, 5), (2, 5)), ((3, 1), (2, 1)), ((3, 2, 2), 2)]
)
def test_the_output_shape_is_inferred(be, in_shape, expected):
    assert Dense().configure(in_shape).out_shape == expected


def test_an_image_keeps_its_shape(be):
    class Relu(OpTreeLayer):
        def forward(self, x):
            return self.be.maximum(x, 0)

    assert Relu().configure((3, 4, 5)).out_shape == (3, 4, 5)
    assert PerMap().configure((3, 4, 5)).out_shape == (3, 4, 5)
    assert Transposing().configure((3, 4, 5)).out_shape == (3, 20)


def test_a_first_layer_may_read_integers(be, tools):
    class Scaled(OpTreeLayer):
        def forward(self, x):
            return x / 255 * self.parameter("gain", (1, 1), Constant(2))

    layer = tools.drive(Scaled(), 3, first=True)
    x = be.array(np.full((3, 32), 51), dtype=np.uint8)
    np.testing.assert_allclose(layer.fprop(x).get(), 0.4, rtol=1e-6)
    assert layer.bprop(be.iobuf(3).fill(1.0)) is None
    np.testing.assert_allclose(layer.parameters["gain"].gradient.get(), 0.2 * 96, rtol=1e-5)


def test_views_of_a_wider_buffer(be, tools):
    layer = tools.drive(Scale(), 3)
    wide, values = be.zeros((7, 32)), randn(7, 32)
    wide.set(values)
    gain = layer.parameters["gain"].value.get()
    y = np.tanh(values[2:5] * gain + 0.5)
    np.testing.assert_allclose(layer.fprop(wide[2:5]).get(), y, atol=1e-5)
    error = randn(3, 32, seed=1)
    deltas = layer.bprop(be.array(error)).get()
    np.testing.assert_allclose(deltas, error * (1 - y**2) * gain, atol=1e-4)


def test_it_works_in_a_chain_with_accumulation(be64, tools):
    net = tools.drive(Sequential([Linear(3, Gaussian()), Scale(), Dense(), Scale()]), 4)
    assert tools.check_gradients(be64, net, randn(4, 4)) < 1e-7
    net = tools.drive(Sequential([Scale()]), 4, accumulate_updates=True)
    net.fprop(be64.array(randn(4, 4)))
    error = be64.array(randn(4, 4, seed=1))
    net.bprop(error)
    once = [g.get() for _, g in tools.parameters(net)]
    net.set_acc_on(True)
    net.bprop(error)
    for (_, gradient), single in zip(tools.parameters(net), once, strict=True):
        np.testing.assert_allclose(gradient.get(), 2 * single, rtol=1e-10)


def test_the_tree_is_built_once_for_each_buffer(be, tools):
    layer = tools.drive(Scale(), 3)
    x, other = be.iobuf(3), be.iobuf(3).fill(1.0)
    before = layer.built
    for _ in range(3):
        layer.fprop(x)
    assert layer.built == before + 1
    y = layer.fprop(other).get()
    assert layer.built == before + 2
    np.testing.assert_allclose(y, np.tanh(layer.parameters["gain"].value.get() + 0.5) + 0 * y)
    layer.rebuild()
    layer.fprop(other)
    assert layer.built == before + 3


def test_configuring_and_allocating_anew(be, tools):
    layer = tools.drive(Scale(), 3)
    x = be.iobuf(3)
    old = layer.fprop(x)
    layer.configure(3)
    layer.outputs = None
    layer.allocate()
    assert layer.fprop(x) is not old
    np.testing.assert_allclose(layer.outputs.get(), np.tanh(0.5), rtol=1e-5)


def test_other_errors_are_noticed(be, tools):
    layer = tools.drive(Dense(), 3)
    x = randn(3, 32)
    layer.fprop(be.array(x))
    for seed in (1, 2):
        error = randn(2, 32, seed=seed)
        layer.bprop(be.array(error))
        np.testing.assert_allclose(
            layer.parameters["w"].gradient.get(), error @ x.T, rtol=1e-4, atol=1e-4
        )


def test_alpha_and_beta(be, tools):
    layer = tools.drive(Dense(), 3)
    x = be.array(randn(3, 32))
    plain = layer.fprop(x).get()
    np.testing.assert_allclose(layer.fprop(x, beta=2.0).get(), 3 * plain, rtol=1e-5, atol=1e-5)
    error = be.array(randn(2, 32, seed=1))
    once = layer.bprop(error).get()
    np.testing.assert_allclose(
        layer.bprop(error, alpha=0.5, beta=2.0).get(), 2.5 * once, rtol=1e-5, atol=1e-5
    )


def test_a_first_layer_computes_parameter_gradients_only(be, tools):
    layer = tools.drive(Dense(), 3, first=True)
    layer.fprop(be.iobuf(3).fill(1.0))
    assert layer.bprop(be.iobuf(2).fill(1.0)) is None
    assert (layer.parameters["w"].gradient.get() == 32).all()


def test_parameters_are_drawn_in_allocate_in_the_order_asked_for(make_backend):
    be = make_backend(batch_size=4, rng_seed=3)
    layer = Scale().configure(2)
    state = be.rng_get_state()
    layer.configure(2)
    np.testing.assert_equal(be.rng_get_state(), state)
    layer.allocate()
    layer.allocate()
    expected = np.random.RandomState(3).normal(0, 1, (2, 1))
    np.testing.assert_allclose(layer.parameters["gain"].value.get(), expected, rtol=1e-6)
    assert [p for (p, _), _ in layer.get_params()] == [p.value for p in layer.parameters.values()]


@pytest.mark.parametrize("early", [False, True])
def test_saving_and_loading(be, tools, early):
    source = tools.drive(Scale(), 3)
    source.parameters["gain"].states.append(be.ones((3, 1)).fill(4.0))
    entry = source.get_description(get_weights=True)
    assert list(entry["params"]) == ["gain", "shift"]
    target = Scale(Constant(9)) if early else tools.drive(Scale(Constant(9)), 3)
    target.load_weights(entry)
    if early:
        np.testing.assert_equal(target.get_description(True)["params"], entry["params"])
        assert target.has_params
        tools.drive(target, 3)
    x = be.array(randn(3, 32))
    np.testing.assert_array_equal(source.fprop(x).get(), target.fprop(x).get())
    assert target.parameters["gain"].states[0].get()[0, 0] == 4
    assert target.parameters["shift"].states == []
    target.load_weights({"params": entry["params"]})
    assert target.parameters["gain"].states == []


def test_entries_that_do_not_fit(be, tools):
    layer = tools.drive(Scale(), 3)
    good = layer.get_description(True)["params"]
    for params in ({"gain": good["gain"]}, {**good, "shift": np.zeros((4, 1))}):
        with pytest.raises(CheckpointError):
            layer.load_weights({"params": params})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entry: entry.pop("params"), "lacks gain, shift"),
        (lambda entry: entry["params"].pop("shift"), "lacks shift"),
        (lambda entry: entry["params"].update(more=np.ones(3)), "has more, which"),
    ],
)
def test_other_parameters_than_those_loaded_early_are_not_drawn(be, tools, change, words):
    entry = tools.drive(Scale(), 3).get_description(get_weights=True, keep_states=False)
    change(entry)
    target = Scale()
    target.load_weights(entry)
    with pytest.raises(CheckpointError, match=words):
        tools.drive(target, 3)


def test_a_layer_without_parameters_is_not_optimised(be):
    class Double(OpTreeLayer):
        def forward(self, x):
            return 2 * x

    net = Sequential(Double()).configure(3)
    net.allocate()
    assert net.layers_to_optimize == []
    net.load_weights(net.get_description(get_weights=True))


def test_mistakes(be):
    class Nothing(OpTreeLayer):
        def forward(self, x):
            return None

    class Evaluated(OpTreeLayer):
        def forward(self, x):
            x[:] = x * 2
            return x

    class Rowless(OpTreeLayer):
        def forward(self, x):
            return self.be.sum(x, axis=1)

    class TwoShapes(OpTreeLayer):
        def forward(self, x):
            self.parameter("w", (1, 1), Constant(1))
            return x * self.parameter("w", (2, 1), Constant(1))

    class WrongShape(PerMap):
        def infer_out_shape(self, shape):
            return 7

    class BadInit(OpTreeLayer):
        def forward(self, x):
            return x * self.parameter("w", (1, 1), "glorot")

    for layer, words in [
        (Nothing(), "NoneType"),
        (Evaluated(), "assign nothing"),
        (Rowless(), "multiple of the batch size"),
        (TwoShapes(), "shape"),
        (BadInit(), "no initializer"),
        (WrongShape(), "infer_out_shape"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            layer.configure((2, 3, 1))
    with pytest.raises(NotImplementedError):
        OpTreeLayer().configure(2)


def test_a_parameter_that_only_some_calls_ask_for(be, tools):
    class Late(OpTreeLayer):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.parameter("w", (1, 1), Constant(1)) if self.calls > 1 else x * 2

    layer = tools.drive(Late(), 3)
    with pytest.raises(ConfigurationError, match="only now"):
        layer.fprop(be.iobuf(3))
