from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.initializers import Constant, Gaussian
from neonport.layers import Embedding, LookupTable
from neonport.optimizers import GradientDescentMomentum

N = 5
IDS = np.array([[1, 0, 6, 2, 2], [2, 2, 2, 0, 6], [5, 1, 6, 3, 4]])  # three steps, five samples


@pytest.fixture
def be(make_backend):
    return make_backend(batch_size=N, rng_seed=0)


def errors(*shape):
    return np.random.RandomState(3).randn(*shape)


def sums_by_id(error, ids, rows, pad=None):
    """The definition of the gradient: the sum of the error columns of each id."""
    wanted = np.zeros((rows, error.shape[0]))
    for column, word in enumerate(ids.reshape(-1)):
        if word != pad and 0 <= word < rows:
            wanted[word] += error[:, column]
    return wanted


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("pad", [None, 2])
def test_rows_of_the_table_and_sums_of_errors(be, tools, pad, dtype):
    layer = tools.drive(LookupTable(7, 4, Gaussian(), pad_idx=pad), (3, 1), first=True)
    assert layer.weight_shape == (7, 4)
    assert layer.out_shape == (4, 3)
    y = layer.fprop(be.array(IDS, dtype=dtype))
    table = layer.W.get()
    assert pad is None or not table[pad].any()
    assert (y.get() == table[IDS.reshape(-1)].T).all()
    ones = np.ones((4, 3 * N))
    assert layer.bprop(be.array(ones)) is None
    assert (layer.dW.get() == sums_by_id(ones, IDS, 7, pad)).all()
    error = errors(4, 3 * N)
    layer.bprop(be.array(error))
    np.testing.assert_allclose(layer.dW.get(), sums_by_id(error, IDS, 7, pad), rtol=1e-4, atol=1e-5)


def test_ids_outside_read_zeros_and_get_no_gradient(be, tools):
    layer = tools.drive(LookupTable(3, 2, Constant(1)), 1, first=True)
    y = layer.fprop(be.array([[0, 3, -1, 2, 99]]))
    assert y.get().tolist() == [[1, 0, 0, 1, 0]] * 2
    layer.bprop(be.ones((2, N)))
    assert layer.dW.get().tolist() == [[1, 1], [0, 0], [1, 1]]


def test_a_frozen_table_has_no_gradient_and_ids_never_have_one(be, tools):
    layer = tools.drive(LookupTable(7, 2, Gaussian(), update=False), 3)
    layer.deltas.fill(7.0)
    layer.fprop(be.array(IDS))
    assert not layer.bprop(be.ones((2, 3 * N))).get().any()
    assert not layer.dW.get().any()


def test_gradients_add_up(be, tools):
    layer = tools.drive(LookupTable(7, 2, Gaussian()), 3, first=True, accumulate_updates=True)
    layer.fprop(be.array(IDS))
    layer.bprop(be.ones((2, 3 * N)))
    once = layer.dW.get()
    layer.set_acc_on(True)
    layer.bprop(be.ones((2, 3 * N)))
    assert (layer.dW.get() == 2 * once).all()


def test_padding_stays_zero_after_loading(be, tools):
    layer = LookupTable(7, 2, None, pad_idx=0)
    layer.set_params({"params": {"W": np.ones((7, 2))}})
    tools.drive(layer, 3, first=True)
    assert layer.W.get().tolist() == [[0, 0]] + [[1, 1]] * 6


def test_a_table_each_for_several_ids(be, tools):
    layer = tools.drive(Embedding([2, 3], 4, Gaussian()), (2, 3), first=True)
    assert layer.out_shape == (8, 3)
    a, b = np.random.RandomState(0).randint(-1, 3, (2, 3 * N))
    a[0], b[0] = 2, -1  # of another table, of none
    y = layer.fprop(be.array(np.stack([a, b]))).get()
    table, zero = layer.W.get(), np.zeros((1, 4), np.float32)
    first, second = np.concatenate([table[:2], zero]), np.concatenate([table[2:], zero])
    assert (y == np.concatenate([first[a].T, second[b].T])).all()
    error = errors(8, 3 * N)
    layer.bprop(be.array(error))
    wanted = np.concatenate([sums_by_id(error[:4], a, 2), sums_by_id(error[4:], b, 3)])
    np.testing.assert_allclose(layer.dW.get(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_a_shared_table_for_several_ids(be, tools, combine):
    layer = tools.drive(Embedding(7, 2, Gaussian(), combine, pad_idx=6), 3, first=True)
    rows = layer.W.get()[IDS].transpose(0, 2, 1)  # ids, embedding, samples
    wanted = rows.sum(0) if combine == "sum" else rows.reshape(6, N)
    assert layer.out_shape == len(wanted)
    np.testing.assert_allclose(layer.fprop(be.array(IDS)).get(), wanted, rtol=1e-6)
    error = errors(*wanted.shape)
    layer.bprop(be.array(error))
    apart = np.broadcast_to(error, (3, 2, N)) if combine == "sum" else error.reshape(3, 2, N)
    wanted = sums_by_id(apart.transpose(1, 0, 2).reshape(2, -1), IDS, 7, pad=6)
    np.testing.assert_allclose(layer.dW.get(), wanted, rtol=1e-4, atol=1e-5)


def test_mistakes(be):
    with pytest.raises(ConfigurationError, match=r"pad_idx=7 .* 0 to 6"):
        LookupTable(7, 2, Gaussian(), pad_idx=7)
    with pytest.raises(ConfigurationError, match="several ids a step use Embedding"):
        LookupTable(7, 2, Gaussian()).configure((3, 4))
    with pytest.raises(ConfigurationError, match="2 tables, but inputs of shape 3 have 3 ids"):
        Embedding([7, 7], 2, Gaussian()).configure(3)
    with pytest.raises(ConfigurationError, match="says not of which"):
        Embedding([7, 7], 2, Gaussian(), pad_idx=0)
    with pytest.raises(ConfigurationError, match="must be 'concat' or 'sum'"):
        Embedding(7, 2, Gaussian(), combine="mean")


@pytest.mark.parametrize("make", [LookupTable, Embedding])
def test_weights_and_states_are_saved_and_loaded(be, tools, make):
    layer = tools.drive(make(7, 3, Gaussian(), pad_idx=0, name="words"), 3, first=True)
    optimizer = GradientDescentMomentum(0.05, 0.9)

    def step(some):
        some.fprop(be.array(IDS))
        some.bprop(be.ones(some.outputs.shape))
        optimizer.optimize([some], epoch=0)

    step(layer)
    entry = layer.get_description(get_weights=True)
    module = "neon.layers.layer" if make is LookupTable else "neonport.layers.lookup"
    assert entry["type"] == f"{module}.{make.__name__}"
    assert set(entry["params"]) == {"W"}
    other = Builder().build("layer", entry)
    other.load_weights(entry)
    tools.drive(other, 3, first=True)
    step(layer)
    step(other)
    assert (layer.W.get() == other.W.get()).all()
