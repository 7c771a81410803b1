from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Uniform
from neonport.layers import BiBNRNN, BiLSTM, BiRNN, DeepBiLSTM, DeepBiRNN, Sequential
from neonport.layers.recurrent import BiSum
from neonport.transforms import Explin, Logistic, Tanh
from tests.layers.recurrent.reference import Runner, blocks

KINDS = [BiRNN, BiLSTM, BiBNRNN]
F, H, T, N = 4, 3, 3, 4


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def turned(x, steps=T):
    """A sequence with its steps in reverse order."""
    return x.reshape(len(x), steps, -1)[:, ::-1].reshape(x.shape)


def runners(layer):
    """The forward and the backward direction; the second one wants its sequence turned."""
    kind = "LSTM" if isinstance(layer, BiLSTM) else "Recurrent"
    w = layer.W.get().astype(np.float64)
    parts = blocks(w, layer.inputs_each, layer.nout, layer.gates, 2)
    found = [Runner(kind, part) for part in parts]
    for one in found:
        one.reset(N)
    return found


def expected(layer, directions, x, steps=T):
    forward, backward = directions
    half = x[: F // 2], x[F // 2 :]
    upper, lower = half if layer.split_inputs else (x, x)
    return np.concatenate(
        [forward(upper, steps), turned(backward(turned(lower, steps), steps), steps)]
    )


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", [BiRNN, BiLSTM])
def test_outputs_against_the_formulas(be, make, kind, split):
    layer = make(kind, (F, T), split_inputs=split)
    assert layer.out_shape == (2 * H, T)
    assert layer.W.shape == (2 * (F // (1 + split) + H + 1), layer.gates * H)
    buffer = be.iobuf((F, T))
    for seed in range(2):  # each sequence starts at zero, also in the same tensor
        x = randn(F, T * N, seed=seed)
        buffer.set(x)
        y = layer.fprop(buffer).get()
        np.testing.assert_allclose(y, expected(layer, runners(layer), x), atol=1.5e-5)


@pytest.mark.parametrize("kind", [BiRNN, BiLSTM])
def test_a_strict_layer_goes_on_in_both_directions(be, make, kind):
    layer = make(kind, (F, T), strict=True)
    directions = runners(layer)
    for seed in range(3):
        x = randn(F, T * N, seed=seed)
        y = layer.fprop(be.array(x)).get()
        np.testing.assert_allclose(y, expected(layer, directions, x), atol=1.5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_sequence_swaps_the_halves(be, make, kind):
    layer = make(kind, (F, T))
    w_input, w_recur, b = (
        [getattr(layer, f"{n}_{d}") for d in "fb"] for n in ("W_input", "W_recur", "b")
    )
    for pair in (w_input, w_recur, b):
        pair[1][:] = pair[0]
    x, error = randn(F, T * N), randn(2 * H, T * N, seed=1)
    y = layer.fprop(be.array(x)).get()
    deltas = layer.bprop(be.array(error)).get()
    gradients = [layer.dW_recur_f.get(), layer.dW_recur_b.get()]
    swapped = layer.fprop(be.array(turned(x))).get()
    np.testing.assert_allclose(y, np.roll(turned(swapped), H, axis=0), atol=1e-5)
    error = np.roll(turned(error), H, axis=0)
    np.testing.assert_allclose(turned(layer.bprop(be.array(error)).get()), deltas, atol=1e-5)
    np.testing.assert_allclose(layer.dW_recur_b.get(), gradients[0], atol=1e-5)
    np.testing.assert_allclose(layer.dW_recur_f.get(), gradients[1], atol=1e-5)


@pytest.mark.parametrize("act", [Tanh(), Explin()], ids=["op", "steps"])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(be64, tools, make, kind, split, act):
    layer = make(kind, (F, T), 2, split_inputs=split, activation=act)
    layer.fprop(be64.array(randn(F, T * N, seed=8)))
    layer.bprop(be64.array(randn(4, T * N, seed=9)))  # nothing of it is left in the next ones
    assert tools.check_gradients(be64, layer, randn(F, T * N)) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_and_shorter_sequences(be, make, kind):
    layer, short = make(kind, (F, T)), make(kind, (F, 1))
    short.W[:] = layer.W
    x, error = randn(F, T * N), randn(2 * H, T * N, seed=1)
    layer.set_seq_len(1)
    y, wanted = layer.fprop(be.array(x)).get(), short.fprop(be.array(x[:, :N])).get()
    np.testing.assert_allclose(y[:, :N], wanted, rtol=1e-5, atol=1e-6)
    layer.deltas.fill(3.0)
    deltas, wanted = layer.bprop(be.array(error)).get(), short.bprop(be.array(error[:, :N])).get()
    np.testing.assert_allclose(deltas[:, :N], wanted, rtol=1e-4, atol=1e-5)
    assert not deltas[:, N:].any()
    np.testing.assert_allclose(layer.dW.get(), short.dW.get(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_layer_and_an_image(be, make, kind):
    layer = make(kind, (2, 2, T), first=True)
    plain = make(kind, (F, T))
    plain.W[:] = layer.W
    x, error = randn(F * T, N), be.array(randn(2 * H, T * N, seed=1))
    y = layer.fprop(be.array(x)).get()
    assert (y == plain.fprop(be.array(x.reshape(F, -1))).get()).all()
    assert layer.bprop(error) is None
    plain.bprop(error)
    assert (layer.dW.get() == plain.dW.get()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_alpha_beta_and_accumulation(be, make, kind):
    layer = make(kind, (F, T), accumulate_updates=True)
    error = be.array(randn(2 * H, T * N, seed=1))
    layer.fprop(be.array(randn(F, T * N)))
    once = layer.bprop(error).get()
    pairs = layer.get_params()
    gradients = [pair[1] for pair, _ in (pairs if isinstance(pairs, list) else [pairs])]
    alone = [gradient.get() for gradient in gradients]
    layer.deltas.fill(1.0)
    layer.set_acc_on(True)
    twice = layer.bprop(error, alpha=2.0, beta=0.5).get()
    np.testing.assert_allclose(twice, 2 * once + 0.5, rtol=1e-4, atol=1e-5)
    for gradient, before in zip(gradients, alone, strict=True):
        np.testing.assert_allclose(gradient.get(), 2 * before, rtol=1e-4, atol=1e-5)


def test_batch_norm_over_samples_and_steps(be, make):
    layer, plain = make(BiBNRNN, (F, T)), make(BiRNN, (F, T))
    gamma, beta = randn(2 * H, 1, seed=2), randn(2 * H, 1, seed=3)
    layer.gamma.set(gamma)
    layer.beta.set(beta)
    x = randn(F, T * N)
    w = np.concatenate([layer.W_input_f.get(), layer.W_input_b.get()])
    a = w @ x
    mean, var = a.mean(1, keepdims=True), a.var(1, keepdims=True)

    def wanted(mean, var):
        """What a plain layer makes of normalised products: its input weights pick rows."""
        normed = (a - mean) / np.sqrt(var + 1e-3) * gamma + beta
        parts = [(np.eye(2 * H)[k * H : (k + 1) * H], *p[1:]) for k, p in enumerate(own)]
        forward, backward = (Runner("Recurrent", part) for part in parts)
        return np.concatenate([forward(normed, T), turned(backward(turned(normed), T))])

    own = blocks(layer.W.get(), F, H, 1, 2)
    np.testing.assert_allclose(layer.fprop(be.array(x)).get(), wanted(mean, var), atol=1e-5)
    np.testing.assert_allclose(layer.gmean.get(), 0.1 * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.gvar.get(), 0.1 * var, rtol=1e-4, atol=1e-6)
    y = layer.fprop(be.array(x), inference=True).get()
    np.testing.assert_allclose(y, wanted(0.1 * mean, 0.1 * var), atol=2.5e-5)
    assert plain.W.shape == layer.W.shape


def test_stacks(be, tools):
    deep = DeepBiRNN(H, Uniform(-0.5, 0.5), activation=Tanh(), depth=3)
    assert [layer.split_inputs for layer in deep] == [False, True, True]
    summed = DeepBiRNN(H, Uniform(), activation=Tanh(), depth=2, batch_norm=True, bi_sum=True)
    assert [type(layer) for layer in summed] == [BiBNRNN, BiSum, BiBNRNN, BiSum]
    assert not any(layer.split_inputs for layer in summed[::2])
    lstm = DeepBiLSTM(H, Uniform(), None, Tanh(), Logistic(), True, depth=2)
    assert [(type(x), x.split_inputs, x.reset_cells) for x in lstm] == [
        (BiLSTM, False, True),
        (BiLSTM, True, True),
    ]
    for stack in (deep, summed, lstm):
        chain = tools.drive(Sequential(stack), (F, T))
        y = chain.fprop(be.array(randn(F, T * N)))
        assert y.shape == ((H if stack is summed else 2 * H), T * N)
        assert chain.bprop(be.array(randn(*y.shape))).shape == (F, T * N)
    with pytest.raises(ConfigurationError, match="depth=0 must be an integer >= 1"):
        DeepBiRNN(H, Uniform(), activation=Tanh(), depth=0)


def test_gradients_of_a_stack(be64, tools):
    for kwargs in ({}, {"bi_sum": True}):
        stack = DeepBiRNN(2, Uniform(-0.8, 0.8), activation=Tanh(), depth=2, **kwargs)
        chain = tools.drive(Sequential(stack), (2, 2))
        assert tools.check_gradients(be64, chain, randn(2, 2 * N)) < 1e-7


def test_text_and_mistakes(be, make):
    layer = make(BiLSTM, (F, T), name="both")
    assert str(layer) == "BiLSTM Layer 'both': 4 inputs, 3 * 2 outputs, 3 steps"
    with pytest.raises(ConfigurationError, match="half of the 3 input rows"):
        BiRNN(H, Uniform(), activation=Tanh(), split_inputs=True).configure((3, T))
    with pytest.raises(ConfigurationError, match="gate_activation is missing"):
        BiLSTM(H, Uniform(), activation=Tanh())
