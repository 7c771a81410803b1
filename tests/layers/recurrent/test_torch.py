"""PyTorch's recurrent layers, weights converted to our layout: same outputs, same gradients."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.layers import GRU, LSTM, BiLSTM, BiRNN, Recurrent

pytestmark = pytest.mark.interop
F, H, T, N = 5, 3, 7, 4


def theirs(torch, layer):
    """PyTorch's counterpart with the weights of a layer, and how its gates lie: ours of theirs."""
    name = {"BiRNN": "RNN", "BiLSTM": "LSTM", "Recurrent": "RNN"}.get(type(layer).__name__)
    name = name or type(layer).__name__
    net = getattr(torch.nn, name)(F, H, bidirectional=layer.directions == 2).double()
    # theirs are i, f, g, o and r, z, n
    order = {"RNN": [0], "LSTM": [0, 1, 3, 2], "GRU": [0, 1, 2]}[name]
    rows = np.concatenate([np.arange(k * H, (k + 1) * H) for k in order])
    return net, rows


def named(layer, suffix, prefix=""):
    return [getattr(layer, f"{prefix}{n}{suffix}") for n in ("W_input", "W_recur", "b")]


@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("kind", [Recurrent, LSTM, BiRNN, BiLSTM])
def test_outputs_and_gradients(be64, make, kind, steps):
    torch = pytest.importorskip("torch")
    kwargs = {"reset_cells": True}
    layer = make(kind, (F, steps), **kwargs)
    net, rows = theirs(torch, layer)
    with torch.no_grad():
        for suffix, direction in zip(layer.suffixes, ("", "_reverse"), strict=False):
            w_input, w_recur, b = (x.get()[rows] for x in named(layer, suffix))
            getattr(net, f"weight_ih_l0{direction}").copy_(torch.tensor(w_input))
            getattr(net, f"weight_hh_l0{direction}").copy_(torch.tensor(w_recur))
            getattr(net, f"bias_ih_l0{direction}").copy_(torch.tensor(b.ravel()))
            getattr(net, f"bias_hh_l0{direction}").zero_()
    rng = np.random.RandomState(0)
    x = rng.randn(F, steps * N)
    error = rng.randn(layer.directions * H, steps * N)
    y = layer.fprop(be64.array(x)).get()
    deltas = layer.bprop(be64.array(error)).get()

    def apart(values):  # (rows, steps * batch) as PyTorch's (steps, batch, rows)
        return torch.tensor(values.reshape(len(values), steps, N).transpose(1, 2, 0))

    inputs = apart(x).requires_grad_()
    outputs, _ = net(inputs)
    outputs.backward(apart(error))
    np.testing.assert_allclose(apart(y), outputs.detach(), atol=1e-12)
    np.testing.assert_allclose(apart(deltas), inputs.grad, atol=1e-12)
    for suffix, direction in zip(layer.suffixes, ("", "_reverse"), strict=False):
        found = [x.get()[rows] for x in named(layer, suffix, "d")]
        wanted = [
            getattr(net, f"{n}_l0{direction}").grad for n in ("weight_ih", "weight_hh", "bias_ih")
        ]
        for mine, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine.reshape(other.shape), other, atol=1e-11)


def test_a_gru_of_one_step_from_zero(be64, make):
    """PyTorch's GRU keeps z of the *old* state and resets behind the product: z turned, r = 1."""
    torch = pytest.importorskip("torch")
    layer = make(GRU, (F, T), reset_cells=True)
    layer.Whcan_recur[:] = 0  # where the reset gate stands plays no part then
    net, rows = theirs(torch, layer)
    w_input, w_recur, b = (x.get()[rows].copy() for x in named(layer, ""))
    for part in (w_input, w_recur, b):
        part[H : 2 * H] *= -1  # 1 - logistic(a) = logistic(-a)
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.tensor(w_input))
        net.weight_hh_l0.copy_(torch.tensor(w_recur))
        net.bias_ih_l0.copy_(torch.tensor(b.ravel()))
        net.bias_hh_l0.zero_()
    x = np.random.RandomState(0).randn(F, T * N)
    y = layer.fprop(be64.array(x)).get()
    turned = torch.tensor(x.reshape(F, T, N).transpose(1, 2, 0))
    outputs, _ = net(turned)
    np.testing.assert_allclose(y.reshape(H, T, N).transpose(1, 2, 0), outputs.detach(), atol=1e-12)
