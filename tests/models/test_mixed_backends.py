"""Models whose layers are on several backends do what models on one backend do."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import neonport
from neonport.backends import cleanup_backend, gen_backend
from neonport.base import NervanaObject
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.errors import ClosedBackendError, ConfigurationError, UnknownBackendError
from neonport.initializers import Gaussian
from neonport.layers import (
    LSTM,
    Activation,
    Affine,
    BatchNorm,
    BranchNode,
    Conv,
    Dropout,
    GeneralizedCost,
    Linear,
    MergeSum,
    Multicost,
    Pooling,
    RecurrentLast,
    Sequential,
    SkipNode,
    Tree,
)
from neonport.layers.crossing import COPIED, SHARED
from neonport.models import Model
from neonport.optimizers import Adam, GradientDescentMomentum, MultiOptimizer
from neonport.optimizers.base import get_param_list
from neonport.plugins.registry import create_backend
from neonport.transforms import Accuracy, CrossEntropyMulti, Logistic, Rectlin, Softmax, Tanh

BATCH = 8
SAMPLES = 24


@pytest.fixture(params=["inside", "outside"])
def places(request, make_backend):
    """Backend of the model, and of the layers in its middle: that under test, and a cpu."""
    tested = make_backend(batch_size=BATCH, dtype=np.float64, rng_seed=1)
    other = create_backend("cpu", default_dtype=np.float64, rng_seed=2)
    other.bsz = BATCH
    if request.param == "inside":
        NervanaObject.be = other
        yield other, tested
        NervanaObject.be = tested
    else:
        yield tested, other
    other.cleanup_backend()


def init():
    return Gaussian(scale=0.4)


def dense(middle):
    layers = [Affine(7, init(), bias=init(), activation=Rectlin())]
    with neonport.on(middle):
        layers += [
            Affine(5, init(), batch_norm=True, activation=Tanh()),
            Dropout(keep=1.0),
            Linear(6, init()),
        ]
    return [*layers, Affine(3, init(), activation=Softmax())], 6


def in_place(middle):
    """The first layer above, and the first below again, work in the buffer that crosses."""
    with neonport.on(middle):
        act = Activation(Tanh())
    return [
        Linear(7, init()),
        act,
        Activation(Rectlin()),
        Affine(3, init(), activation=Softmax()),
    ], 6


def last(middle):
    layers = [Affine(7, init(), activation=Tanh())]
    with neonport.on(middle):
        layers.append(Affine(3, init(), activation=Softmax()))
    return layers, 6


def first(middle):
    with neonport.on(middle):
        layers = [Affine(7, init(), activation=Tanh())]
    return [*layers, Affine(3, init(), activation=Softmax())], 6


def images(middle):
    with neonport.on(middle):
        conv = Conv((3, 3, 4), init(), activation=Rectlin(), padding=1)
    pool = Pooling(2, strides=2)
    return [conv, pool, Affine(3, init(), activation=Softmax())], (2, 4, 4)


def sequence(middle):
    with neonport.on(middle):
        lstm = LSTM(5, init(), activation=Tanh(), gate_activation=Logistic(), reset_cells=True)
    return [lstm, RecurrentLast(), Affine(3, init(), activation=Softmax())], (3, 4)


def residual(middle):
    with neonport.on(middle):
        inner = Affine(6, init(), activation=Tanh())
    block = MergeSum([SkipNode(), [SkipNode(), inner, SkipNode()]])
    return [Linear(6, init()), block, Affine(3, init(), activation=Softmax())], 6


def nested(middle):
    with neonport.on(middle):
        inner = Sequential([Affine(5, init(), activation=Tanh()), Linear(4, init())])
    return [Linear(6, init()), inner, Affine(3, init(), activation=Softmax())], 6


def sums(middle):
    """A BatchNorm finds the sums that the layer below has made only where it is itself."""
    with neonport.on(middle):
        norm = BatchNorm()
    return [Linear(7, init(), bsum=True), norm, Affine(3, init(), activation=Softmax())], 6


NETWORKS = [dense, in_place, last, first, images, sequence, residual, nested, sums]


def data(shape):
    rng = np.random.RandomState(0)
    size = int(np.prod(shape))
    return rng.randn(SAMPLES, size), np.arange(SAMPLES) % 3


def cost():
    return GeneralizedCost(costfunc=CrossEntropyMulti())


def pair(build, outer, middle):
    """The same network on one backend and on two, with the same weights."""
    models = []
    for place in (outer, middle):
        layers, shape = build(place)
        model = Model(layers)
        model.initialize(shape, cost())
        models.append(model)
    models[1].set_weights(models[0].get_weights())
    return *models, shape


def gradients(model, shape):
    X, y = data(shape)
    x = model.be.array(
        X[:BATCH].T if not isinstance(shape, tuple) or len(shape) > 2 else columns(X)
    )
    t = model.be.array(np.eye(3)[y[:BATCH]].T)
    out = model.fprop(x)
    assert out.backend is model.be
    model.bprop(model.cost.get_errors(out, t))
    found = [out.get()]
    for layer in model.layers_to_optimize:
        entry = layer.get_params()
        for (_, grad), _ in entry if isinstance(entry, list) else [entry]:
            assert grad.backend is layer.be
            found.append(grad.get())
    return found


def columns(X):
    """Sequences of 4 steps and 3 features as a buffer: features down, steps of samples across."""
    return X[:BATCH].reshape(BATCH, 3, 4).transpose(1, 2, 0).reshape(3, 4 * BATCH)


@pytest.mark.parametrize("build", NETWORKS)
def test_gradients_are_those_of_one_backend(places, build):
    one, mixed, shape = pair(build, *places)
    assert not one.layers.crossings
    for _ in range(2):  # buffers are made in the first pass
        for a, b in zip(gradients(one, shape), gradients(mixed, shape), strict=True):
            assert np.allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("build", [dense, images, sequence, residual])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_training_is_that_of_one_backend(places, build, clip):
    one, mixed, shape = pair(build, *places)
    X, y = data(shape)
    if build is sequence:
        X = X.reshape(SAMPLES, 3, 4).transpose(0, 2, 1)
    costs = []
    for model in (one, mixed):
        optimizer = Adam(learning_rate=0.01, gradient_clip_norm=clip)
        history = model.fit(
            X, y, cost=cost(), optimizer=optimizer, num_epochs=2, progress_bar=False, shuffle=False
        )
        costs.append(history["cost"])
    assert np.allclose(costs[0], costs[1], rtol=1e-10)
    assert np.allclose(one.predict(X[:5]), mixed.predict(X[:5]), rtol=1e-9)
    a, b = (m.evaluate(X, y, metrics=Accuracy()) for m in (one, mixed))
    assert a["Accuracy"] == b["Accuracy"]
    assert a["cost"] == pytest.approx(b["cost"], rel=1e-9)


def test_a_tree_whose_paths_have_other_backends_inside(places):
    outer, middle = places

    def build(place):
        fork = BranchNode("fork")
        with neonport.on(place):
            inner = [Affine(5, init(), activation=Tanh()) for _ in range(2)]
        trunk = [
            Linear(6, init()),
            fork,
            Linear(4, init()),
            inner[0],
            Affine(3, init(), activation=Softmax()),
        ]
        side = [fork, Linear(4, init()), inner[1], Affine(3, init(), activation=Softmax())]
        model = Model(Tree([trunk, side]))
        model.initialize(6, Multicost([cost(), cost()]))
        return model

    one, mixed = build(outer), build(middle)
    mixed.set_weights(one.get_weights())
    X, y = data(6)
    found = []
    for model in (one, mixed):
        x, t = model.be.array(X[:BATCH].T), model.be.array(np.eye(3)[y[:BATCH]].T)
        model.bprop(model.cost.get_errors(model.fprop(x), [t, t]))
        found.append([layer.dW.get() for layer in model.layers_to_optimize])
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, rtol=1e-11, atol=1e-13)


def test_checkpoints_go_from_mixed_to_one_backend_and_back(places, tmp_path):
    outer, middle = places
    _, mixed, shape = pair(dense, outer, middle)
    X, y = data(shape)
    mixed.fit(
        X, y, cost=cost(), optimizer=Adam(learning_rate=0.01), num_epochs=1, progress_bar=False
    )
    mixed.save_params(tmp_path / "mixed.prm")
    again = Model(tmp_path / "mixed.prm")  # a file does not say where layers were
    assert {layer.be for layer in again.layers.layers} == {outer}
    assert np.allclose(again.predict(X), mixed.predict(X), rtol=1e-11)
    layers, _ = dense(middle)
    back = Model(layers)
    back.load_params(tmp_path / "mixed.prm")
    assert np.allclose(back.predict(X), mixed.predict(X), rtol=1e-11)
    history = back.fit(
        X, y, cost=cost(), optimizer=Adam(learning_rate=0.01), num_epochs=2, progress_bar=False
    )
    assert len(history["cost"]) == 1  # states came along
    params = get_param_list(back.layers_to_optimize)
    assert {state.backend for _, states in params for state in states} == {outer, middle}


def test_a_training_goes_on_to_the_same_bits(places, tmp_path):
    """Each backend draws its own masks, and a checkpoint remembers where each was."""
    _, middle = places

    def network():
        with neonport.on(middle):
            inner = [Affine(9, init(), activation=Tanh()), Dropout(keep=0.5)]
        return Model([Linear(6, init()), *inner, Affine(3, init(), activation=Softmax())])

    X, y = data(6)
    how = {"cost": cost(), "optimizer": Adam(learning_rate=0.01), "progress_bar": False}
    whole = network()
    whole.fit(X, y, num_epochs=1, shuffle=False, **how)
    whole.save_params(tmp_path / "half.prm")
    whole.fit(X, y, num_epochs=2, shuffle=False, **how)
    for be in places:
        be.rng_reset()
    rest = network()
    rest.load_params(tmp_path / "half.prm")
    rest.fit(X, y, num_epochs=2, shuffle=False, **how)
    for name, weights in whole.get_weights().items():
        assert np.array_equal(weights, rest.get_weights()[name]), name
    again = Model(tmp_path / "half.prm")  # on one backend: the other state has no owner
    again.fit(X, y, num_epochs=2, shuffle=False, **how)


def test_the_summary_says_where_values_cross_and_how(places):
    outer, middle = places
    model = Model(dense(middle)[0])
    for _ in range(2):  # before and after it has buffers
        found = model.summary(6)
        assert [c.above for c in found.crossings] == ["Linear_1", "Linear_3"]
        assert {found.crossings[0].forwards, found.crossings[0].backwards} <= {SHARED, COPIED}
        assert f"({outer}) -> Linear_1 ({middle})" in str(found)
        model.initialize(6)
    if str(outer) == str(middle) == "cpu:0":
        assert found.crossings[0].forwards == SHARED


def test_an_optimizer_of_several_keeps_layers_where_they_are(places):
    outer, middle = places
    model = Model(dense(middle)[0])
    where = [layer.be for layer in model.layers.layers]
    X, y = data(6)
    optimizer = MultiOptimizer({"default": GradientDescentMomentum(0.1, 0.9), "Bias": Adam()})
    for epochs in (1, 2):
        model.fit(X, y, cost=cost(), optimizer=optimizer, num_epochs=epochs, progress_bar=False)
        assert [layer.be for layer in model.layers.layers] != [outer] * len(where)
        assert model.layers.layers[2].be is outer
        assert model.layers.layers[3].be is middle


def test_a_layer_is_put_on_a_backend_by_itself(places):
    outer, middle = places
    layer = Linear(5, init())
    layer.set_backend(middle)
    model = Model([Linear(6, init()), layer, Linear(3, init())])
    model.initialize(6)
    assert [x.be for x in model.layers.layers] == [outer, middle, outer]
    assert layer.W.backend is middle
    layer.set_backend(middle)  # it is there
    with pytest.raises(ConfigurationError, match=r"has its .* already"):
        layer.set_backend(outer)


def test_a_step_on_several_backends_is_not_recorded(places, caplog):
    model = Model(dense(places[1])[0])
    X, y = data(6)
    model.fit(
        X,
        y,
        cost=cost(),
        optimizer=Adam(learning_rate=0.01),
        num_epochs=2,
        progress_bar=False,
        record=True,
    )
    assert "not recorded" in caplog.text


def test_what_shares_buffers_must_be_on_one_backend(places):
    _, middle = places
    with neonport.on(middle):
        elsewhere = Linear(6, init())
        lone = BranchNode("lone")
    with pytest.raises(ConfigurationError, match=r"ends a path.*SkipNode"):
        Model([Linear(6, init()), MergeSum([SkipNode(), [SkipNode(), elsewhere]])]).initialize(6)
    fork = BranchNode("fork")
    with pytest.raises(ConfigurationError, match="BranchNode and its neighbours"):
        Model(Tree([[Linear(6, init()), fork, elsewhere], [fork, Linear(2, init())]])).initialize(6)
    with pytest.raises(ConfigurationError, match="BranchNode and its neighbours"):
        Model(
            Tree([[Linear(6, init()), lone, Linear(2, init())], [lone, Linear(2, init())]])
        ).initialize(6)


def test_backends_of_one_model_have_one_batch_size(make_backend):
    make_backend(batch_size=BATCH)
    other = create_backend("cpu")
    other.bsz = BATCH + 1
    with neonport.on(other):
        layer = Linear(3, init())
    with pytest.raises(ConfigurationError, match="one batch size"):
        Model([Linear(4, init()), layer]).initialize(6)
    other.bsz = 0  # not chosen yet: takes the model's
    Model([Linear(4, init()), layer]).initialize(6)
    assert other.bsz == BATCH
    with neonport.on(other):
        layer = Linear(3, init())
    with pytest.raises(ConfigurationError, match=r"several backends.*precision"):
        Model([Linear(4, init()), layer]).initialize(6, precision="bfloat16")
    other.cleanup_backend()


def test_data_are_on_the_backend_of_the_model(places):
    X, y = data(6)
    model = Model(first(places[1])[0])
    train = ArrayIterator(X, y, nclass=3)
    callbacks = Callbacks(model, eval_set=train, progress_bar=False)
    model.fit(
        train, cost=cost(), optimizer=Adam(learning_rate=0.01), num_epochs=1, callbacks=callbacks
    )
    assert model.eval(train, metric=Accuracy()).shape == (1,)
    assert set(model.activations(X[:3])) >= {"Linear_0", "Linear_1"}


# ---- the block ----------------------------------------------------------------------------------


@pytest.fixture
def default():
    yield gen_backend("cpu", batch_size=BATCH, rng_seed=3)
    cleanup_backend()


def made_here():
    return Linear(2, init()).be


def test_blocks_nest_and_end(default):
    others = [create_backend("cpu") for _ in range(2)]
    assert made_here() is default
    with neonport.on(others[0]) as given:
        assert given is others[0]
        with neonport.on(others[1]):
            assert made_here() is others[1]
        assert made_here() is others[0]
        with pytest.raises(ZeroDivisionError), neonport.on(others[1]):
            raise ZeroDivisionError
        assert made_here() is others[0]
    assert made_here() is default


def test_each_thread_has_its_own_block(default):
    others = [create_backend("cpu") for _ in range(2)]
    both, found = threading.Barrier(2), {}

    def run(i):
        with neonport.on(others[i]):
            both.wait()
            found[i] = made_here()
            both.wait()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    with neonport.on(create_backend("cpu")):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[i] for i in range(2)] == others


def test_a_named_backend_is_made_once(default):
    with neonport.on("cpu") as a, neonport.on("cpu:0") as b:
        assert a is b is default
    with neonport.on("null") as a:
        pass
    with neonport.on("null:0") as b:
        assert a is b
    assert a.bsz == BATCH
    assert a.rng_seed == 3
    gen_backend("cpu", batch_size=BATCH + 1)
    with neonport.on("null") as c:
        assert c is not a
    cleanup_backend()
    assert a.closed
    assert c.closed
    with pytest.raises(ClosedBackendError), neonport.on(a):
        pass


@pytest.mark.parametrize("wrong", ["cpu:x", "cpu:", 3, None, Linear])
def test_what_is_no_backend_is_refused(default, wrong):
    with pytest.raises(ConfigurationError, match="on: backend is"), neonport.on(wrong):
        pass
    assert made_here() is default


def test_an_unknown_name_says_what_there_is(default):
    with pytest.raises(UnknownBackendError, match="nowhere"), neonport.on("nowhere"):
        pass


def test_layers_and_models_are_put_on_a_backend_by_its_name(default):
    stack, layer = Affine(2, init(), activation=Rectlin()), Linear(2, init())
    stack.set_backend("null")
    layer.set_backend("null:0")
    assert str(layer.be) == "null:0"
    assert all(part.be is layer.be for part in stack)
    model = Model([Linear(2, init())])
    model.set_backend("null")
    assert model.be is layer.be
    for wrong in ("null:x", 3, None):
        for thing in (layer, stack, model):
            with pytest.raises(ConfigurationError, match="set_backend: backend is"):
                thing.set_backend(wrong)
    with pytest.raises(UnknownBackendError, match="nowhere"):
        layer.set_backend("nowhere")
    with pytest.raises(ConfigurationError, match=r"ArrayIterator\.set_backend: .* text 'cpu'"):
        ArrayIterator(np.zeros((BATCH, 2)), be="cpu")
    assert layer.be is model.be
