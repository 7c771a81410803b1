from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers.recurrent import (
    BiSum,
    RecurrentLast,
    RecurrentMean,
    RecurrentOutput,
    RecurrentSum,
)

F, T, N = 3, 5, 4
REDUCTIONS = {
    RecurrentSum: lambda x: x.sum(1),
    RecurrentMean: lambda x: x.mean(1),
    RecurrentLast: lambda x: x[:, -1],
}


@pytest.fixture
def be(make_backend):
    return make_backend(batch_size=N, rng_seed=0)


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize("used", [T, 2])
@pytest.mark.parametrize("make", REDUCTIONS)
def test_steps_are_reduced_and_the_error_is_spread(be, tools, make, used):
    layer = tools.drive(make(), (F, T))
    layer.set_seq_len(used)
    x, error = randn(F, T * N), randn(F, N, seed=1)
    y = layer.fprop(be.array(x))
    assert layer.out_shape == (F, 1)
    steps = x.reshape(F, T, N)[:, :used]
    np.testing.assert_allclose(y.get(), REDUCTIONS[make](steps), rtol=1e-5, atol=1e-6)

    before = randn(F, T * N, seed=2)
    layer.deltas_buffer.set(before)
    wanted = np.zeros((F, T, N))
    if make is RecurrentLast:
        wanted[:, used - 1] = error
    else:
        wanted[:, :used] = (error / (used if make is RecurrentMean else 1))[:, None]
    deltas = layer.bprop(be.array(error), alpha=2.0, beta=0.5)
    wanted = wanted.reshape(F, -1)
    np.testing.assert_allclose(deltas.get(), 2 * wanted + 0.5 * before, rtol=1e-5, atol=1e-5)
    deltas = layer.bprop(be.array(error))
    assert deltas is layer.deltas_buffer
    np.testing.assert_allclose(deltas.get(), wanted, rtol=1e-6)
    assert [d.shape for d in layer.deltas] == [(F, N)] * T
    assert (layer.deltas[1].get() == deltas.get()[:, N : 2 * N]).all()


@pytest.mark.parametrize("make", REDUCTIONS)
def test_zeros_and_ones_are_exact(be, tools, make):
    layer = tools.drive(make(), (F, T))
    for value in (0.0, 1.0):
        y = layer.fprop(be.iobuf((F, T)).fill(value)).get()
        assert (y == value * (T if make is RecurrentSum else 1)).all()


def test_an_image_is_a_sequence_of_its_columns(be, tools):
    layer = tools.drive(RecurrentSum(), (2, 3, T))
    x = randn(2 * 3 * T, N)
    y = layer.fprop(be.array(x))
    np.testing.assert_allclose(y.get(), x.reshape(6, T, N).sum(1), rtol=1e-5, atol=1e-6)
    assert layer.bprop(be.array(randn(6, N))).shape == (2 * 3 * T, N)


def test_a_first_layer_has_no_deltas(be, tools):
    layer = tools.drive(RecurrentLast(), (F, T), first=True)
    layer.fprop(be.iobuf((F, T)))
    assert layer.deltas == []
    assert layer.bprop(be.iobuf(F)) is None


def test_names_and_too_long_sequences(be, tools):
    assert RecurrentSum().name == "RecurrentSum"
    assert RecurrentSum("total").name == "total"
    layer = tools.drive(RecurrentSum(), (F, T))
    assert str(layer) == "RecurrentSum Layer 'RecurrentSum': 3 inputs, 5 steps"
    layer.set_seq_len(T + 1)
    with pytest.raises(ConfigurationError, match="sequences of 1 to 5 steps"):
        layer.fprop(be.iobuf((F, T)))
    plain = tools.drive(RecurrentOutput(), (F, T))
    with pytest.raises(NotImplementedError, match="must implement _reduced"):
        plain.fprop(be.iobuf((F, T)))


def test_both_directions_are_added(be, tools):
    layer = tools.drive(BiSum(), (2 * F, T))
    x, error = randn(2 * F, T * N), randn(F, T * N, seed=1)
    y = layer.fprop(be.array(x))
    np.testing.assert_allclose(y.get(), x[:F] + x[F:], rtol=1e-5, atol=1e-6)
    deltas = layer.bprop(be.array(error)).get()
    np.testing.assert_allclose(deltas, np.concatenate([error, error]), rtol=1e-6)
    deltas = layer.bprop(be.array(error), alpha=0.5, beta=2.0).get()
    np.testing.assert_allclose(deltas, 2.5 * np.concatenate([error, error]), rtol=1e-5)
    with pytest.raises(ConfigurationError, match="3 features are no two directions"):
        BiSum().configure((3, T))


@pytest.mark.parametrize("make", [*REDUCTIONS, BiSum])
def test_gradients(be64, tools, make):
    layer = tools.drive(make(), (2, 3))
    assert tools.check_gradients(be64, layer, randn(2, 12)) < 1e-7
