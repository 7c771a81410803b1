"""PyTorch's recurrent layers, weights converted to our layout: same outputs, same gradients."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant
from neonport.layers import GRU, LSTM, BiBNRNN, BiLSTM, BiRNN, LookupTable, Recurrent
from neonport.models import Model

pytestmark = pytest.mark.interop
F, H, T, N = 5, 3, 7, 4
NAMES = {"Recurrent": "RNN", "LSTM": "LSTM", "GRU": "GRU", "BiRNN": "RNN", "BiLSTM": "LSTM"}


def theirs(torch, layer):
    """PyTorch's counterpart of a layer."""
    torch.manual_seed(1)
    kind = getattr(torch.nn, NAMES[type(layer).__name__])
    return kind(F, H, bidirectional=layer.directions == 2).double()


def apart(torch, values, steps):
    """A matrix (rows, steps * batch) as PyTorch has it, (steps, batch, rows)."""
    return torch.tensor(values.reshape(len(values), steps, N).transpose(1, 2, 0))


@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("kind", [Recurrent, LSTM, BiRNN, BiLSTM])
def test_outputs_and_gradients(be64, make, kind, steps):
    torch = pytest.importorskip("torch")
    layer, twin = (make(kind, (F, steps), reset_cells=True) for _ in range(2))
    net = theirs(torch, layer)
    Model([layer]).from_torch_state_dict(net.state_dict())
    rng = np.random.RandomState(0)
    x, error = rng.randn(F, steps * N), rng.randn(layer.directions * H, steps * N)
    y = layer.fprop(be64.array(x)).get()
    deltas = layer.bprop(be64.array(error)).get()

    inputs = apart(torch, x, steps).requires_grad_()
    outputs, _ = net(inputs)
    outputs.backward(apart(torch, error, steps))
    np.testing.assert_allclose(apart(torch, y, steps), outputs.detach(), atol=1e-12)
    np.testing.assert_allclose(apart(torch, deltas, steps), inputs.grad, atol=1e-12)
    # gradients lie as weights do; those of both biases are the same, and ours is one of them
    gradients = {
        name: parameter.grad * (0 if name.startswith("bias_hh") else 1)
        for name, parameter in net.named_parameters()
    }
    Model([twin]).from_torch_state_dict(gradients)
    np.testing.assert_allclose(layer.dW.get(), twin.W.get(), atol=1e-11)


def test_a_gru_whose_candidate_has_no_recurrent_weights(be64, make):
    """PyTorch's z multiplies the *old* state, and its r the product of the state."""
    torch = pytest.importorskip("torch")
    layer = make(GRU, (F, T), reset_cells=True)
    layer.Whcan_recur[:] = 0
    net = theirs(torch, layer)
    w_input, w_recur, b = (getattr(layer, name).get() for name in ("W_input", "W_recur", "b"))
    for part in (w_input, w_recur, b):
        part[H : 2 * H] *= -1  # 1 - logistic(a) = logistic(-a)
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.tensor(w_input))
        net.weight_hh_l0.copy_(torch.tensor(w_recur))
        net.bias_ih_l0.copy_(torch.tensor(b.ravel()))
        net.bias_hh_l0.zero_()
    x = np.random.RandomState(0).randn(F, T * N)
    y = layer.fprop(be64.array(x)).get()
    outputs, _ = net(apart(torch, x, T))
    np.testing.assert_allclose(apart(torch, y, T), outputs.detach(), atol=1e-12)


def test_a_table_and_what_does_not_correspond(be, make):
    torch = pytest.importorskip("torch")
    table = torch.nn.Embedding(7, 2)
    model = Model([LookupTable(7, 2, Constant(0))])
    model.initialize(3)
    model.from_torch_state_dict(table.state_dict())
    np.testing.assert_array_equal(model.layers.layers[0].W.get(), table.weight.detach())
    for kind, words in ((GRU, "after the recurrent product"), (BiBNRNN, "no batch norm")):
        layer = make(kind, (F, T))
        with pytest.raises(ConfigurationError, match=words):
            Model([layer]).from_torch_state_dict({"weight": torch.zeros(3)})
