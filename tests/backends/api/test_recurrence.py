"""Recurrences on a device: against the definitions, gradients, and PyTorch's modules."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from neonport import Autodiff
from neonport.errors import ConfigurationError, NotDifferentiableError, ShapeError
from neonport.ops.op import OPS
from neonport.ops.recurrence import GATES
from neonport.testing import check_grads
from tests.ops.test_recurrence import FAMILIES, backward, operands, parameters

# units, steps, samples: below, at and above the widths of vectors
SIZES = ((1, 1, 1), (5, 1, 33), (3, 4, 1), (17, 3, 7), (16, 2, 64))


def ours(be, family):
    """The function that gives all blocks."""
    return be.rnn if family == "rnn" else partial(getattr(be, family), all_blocks=True)


def close(got, want, scale=1e-5):
    np.testing.assert_allclose(got, want, rtol=scale, atol=scale)


def run(be, family, arrays, params, e):
    """Results and gradients of z and the initial states."""
    tensors = [be.array(a, dtype=np.float32) for a in arrays]
    forward = ours(be, family)(*tensors, **params)
    result = be.empty(forward.shape)
    result[:] = forward
    last = {"rnn": [], "lstm": tensors[4:], "gru": tensors[3:]}[family]
    adjoint = getattr(be, f"{family}_backward")(
        be.array(e, dtype=np.float32), result, tensors[1], *last, **params
    )
    found = be.empty(adjoint.shape)
    found[:] = adjoint
    return result.get(), found.get()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_recurrence_and_its_adjoint(be, family, sizes, reverse):
    units, steps, samples = sizes
    arrays = operands(family, units, steps, samples)
    arrays[1] /= units
    params = parameters(family, steps, reverse)
    want = OPS[family].numpy(*arrays, **params)
    e = np.random.RandomState(1).normal(size=(units, steps * samples))
    result, found = run(be, family, arrays, params, e)
    close(result, want)
    z, *states = backward(family, e, want, arrays[1], arrays[3:], params)
    columns = steps * samples
    close(found[:, :columns], z)
    for k, state in enumerate(states):
        close(found[k * units : (k + 1) * units, columns:], state)
    assert not np.any(found[len(states) * units :, columns:])


@pytest.mark.parametrize(
    "names",
    [("tanh", "tanh"), ("logistic", "identity"), ("rectlin", "logistic"), ("identity", "rectlin")],
    ids=str,
)
@pytest.mark.parametrize("family", FAMILIES)
def test_activations_and_errors_of_all_blocks(be, family, names):
    units, steps, samples = 5, 2, 33
    arrays = [a * 0.3 for a in operands(family, units, steps, samples)]
    params = parameters(family, steps, activation=names[0])
    if family != "rnn":
        params["gate_activation"] = names[1]
    want = OPS[family].numpy(*arrays, **params)
    e = np.random.RandomState(1).normal(size=want.shape)
    result, found = run(be, family, arrays, params, e)
    close(result, want)
    close(found[:, : steps * samples], backward(family, e, want, arrays[1], arrays[3:], params)[0])


def test_views_and_values_that_change(be):
    """Operands and targets inside of larger tensors; a second run reads new values."""
    arrays = operands("lstm", 3, 2, 4)
    params = parameters("lstm", 2)
    room, out = be.zeros((14, 20)), be.zeros((23, 11))
    room[1:13, 5:13] = be.array(arrays[0])
    tensors = [room[1:13, 5:13], *map(be.array, arrays[1:])]
    for factor in (1.0, 0.5):
        tensors[0][:] = be.array(arrays[0] * factor)
        out[1:22, 2:10] = be.lstm(*tensors, **params, all_blocks=True)
        want = OPS["lstm"].numpy(arrays[0] * factor, *arrays[1:], **params)
        got = out.get()
        close(got[1:22, 2:10], want)
        got[1:22, 2:10] = 0
        assert not got.any()


def test_infinities_and_nan_stay_where_they_are(be):
    """They are results of their sample, and of no other one."""
    arrays = operands("lstm", 3, 2, 5)
    arrays[0][0, 1], arrays[0][4, 2], arrays[0][10, 3] = np.nan, np.inf, -np.inf
    params = parameters("lstm", 2)
    with np.errstate(all="ignore"):
        want = OPS["lstm"].numpy(*arrays, **params)
    result, _ = run(be, "lstm", arrays, params, np.ones((3, 10)))
    close(result, want)


def test_large_numbers_saturate(be):
    arrays = operands("gru", 4, 2, 5)
    arrays[0] *= 1e4
    params = parameters("gru", 2)
    with np.errstate(all="ignore"):
        want = OPS["gru"].numpy(*arrays, **params)
    close(run(be, "gru", arrays, params, np.ones((4, 10)))[0], want)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_differences(be, family, steps, reverse):
    if "float64" not in be.device.capabilities.dtypes:
        pytest.skip("the device has no float64")
    arrays = operands(family, 2, steps, 3)
    tensors = [be.array(a, dtype=np.float64) for a in arrays]
    params = parameters(family, steps, reverse)
    check_grads(lambda *t: ours(be, family)(*t, **params), tensors, be, order=1)
    check_grads(lambda *t: getattr(be, family)(*t, **params) * 2.0, tensors, be, order=1)


def test_gradients_without_bias_and_states(be):
    if "float64" not in be.device.capabilities.dtypes:
        pytest.skip("the device has no float64")
    z, w, *_ = (be.array(a, dtype=np.float64) for a in operands("gru", 2, 1, 3))
    check_grads(lambda z, w: be.gru(z, w, steps=1), [z, w], be, order=1)
    check_grads(lambda z, w: be.gru(z, w, h0=0.5, steps=1), [z, w], be, order=1)


def test_a_gradient_of_a_gradient_says_what_to_do(be):
    z, w, *_ = map(be.array, operands("rnn", 2, 2, 3))
    (slope,) = Autodiff(be.rnn(z, w, steps=2), be).get_grad_op_tree([z])
    with pytest.raises(NotDifferentiableError, match="write the steps as op-trees"):
        Autodiff(slope, be).get_grad_op_tree([z])


def test_mistakes_are_reported_before_anything_is_written(be):
    z, w, *_ = map(be.array, operands("lstm", 2, 3, 4))
    with pytest.raises(ConfigurationError, match="lstm: activation 'softmax' must be one of tanh"):
        be.lstm(z, w, steps=3, activation="softmax")
    with pytest.raises(ConfigurationError, match="gru_backward: gate_activation 'exp'"):
        be.gru_backward(z, z, w, steps=3, gate_activation="exp")
    with pytest.raises(ConfigurationError, match="lstm: steps=0"):
        be.lstm(z, w, steps=0)
    with pytest.raises(ShapeError, match=r"lstm: z of shape \(8, 12\) must be \(8, 5 steps"):
        be.lstm(z, w, steps=5)


def test_half_precision_is_computed_in_float32(be):
    if "float16" not in be.device.capabilities.dtypes:
        pytest.skip("the device has no float16")
    arrays = [a.astype(np.float16) for a in operands("lstm", 3, 2, 4)]
    params = parameters("lstm", 2)
    out = be.empty((21, 8), dtype=np.float16)
    tensors = [be.array(a, dtype=np.float16) for a in arrays]
    out[:] = be.lstm(*tensors, **params, all_blocks=True)
    want = OPS["lstm"].numpy(*(a.astype(np.float64) for a in arrays), **params)
    close(out.get().astype(np.float64), want, 2e-3)


# ---- PyTorch -------------------------------------------------------------------------------------

TORCH = {
    "rnn": ("RNN", [0], [1.0]),
    "lstm": ("LSTM", [0, 1, 3, 2], [1.0] * 4),  # i, f, g, o there
    "gru": ("GRU", [0, 1, 2], [1.0, -1.0, 1.0]),  # h = z * h' + (1 - z) * g there
}


@pytest.mark.interop
@pytest.mark.parametrize("family", FAMILIES)
def test_as_pytorch(be, family):
    """Outputs and all gradients of PyTorch's module, gates in our order."""
    torch = pytest.importorskip("torch")
    units, steps, samples, features = 5, 4, 3, 2
    module, order, signs = TORCH[family]
    net = getattr(torch.nn, module)(features, units).double()
    if family == "gru":  # PyTorch has r outside of the product with h
        net.weight_hh_l0.data[2 * units :] = torch.eye(units)
    rng = np.random.RandomState(0)
    x = torch.tensor(rng.normal(size=(steps, samples, features)), requires_grad=True)
    states = [
        torch.tensor(rng.normal(size=(1, samples, units)), requires_grad=True)
        for _ in range(2 if family == "lstm" else 1)
    ]
    net.bias_hh_l0.data.zero_()
    y, _ = net(x, tuple(states) if family == "lstm" else states[0])
    e = rng.normal(size=y.shape)
    y.backward(torch.tensor(e))

    def turned(matrix):
        """Blocks in our order, signs of ours."""
        blocks = matrix.detach().numpy().reshape(GATES[family], units, -1)
        return np.concatenate([blocks[k] * sign for k, sign in zip(order, signs, strict=True)])

    dtype = np.float64 if "float64" in be.device.capabilities.dtypes else np.float32
    arrays = [
        x.detach().numpy().reshape(-1, features).T,
        *(turned(p) for p in (net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0)),
        *(state.detach().numpy()[0].T for state in states),
    ]
    tensors = [be.array(a, dtype=dtype) for a in arrays]
    inputs, w_input, w, b, *initial = tensors
    params = parameters(family, steps)
    h = getattr(be, family)(be.dot(w_input, inputs), w, b, *initial, **params)
    out = be.empty(h.shape, dtype=dtype)
    out[:] = h
    close(out.get(), y.detach().numpy().reshape(-1, units).T)
    wanted = [
        x.grad.numpy().reshape(-1, features).T,
        *(turned(p.grad) for p in (net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0)),
        *(state.grad.numpy()[0].T for state in states),
    ]
    autodiff = Autodiff(h, be, next_error=be.array(e.reshape(-1, units).T, dtype=dtype))
    for number, (tree, want) in enumerate(
        zip(autodiff.get_grad_op_tree(tensors), wanted, strict=True)
    ):
        rows = len(want)
        if family == "gru" and number == 2:  # another place of r
            rows = 2 * units
        grad = be.empty(tree.shape, dtype=dtype)
        grad[:] = tree
        close(grad.get()[:rows], want[:rows])
