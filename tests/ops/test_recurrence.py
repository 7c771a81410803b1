"""The NumPy definitions against recurrences of one sample, and against differences."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ShapeError
from neonport.ops.inference import infer_shape
from neonport.ops.op import OPS
from neonport.ops.recurrence import BLOCKS, GATES, STATES

FAMILIES = ("rnn", "lstm", "gru")
SIZES = {"one of everything": (1, 1, 1), "one step": (3, 1, 2), "several": (2, 4, 3)}


def _gate(x):
    return 1 / (1 + np.exp(-x))


def one_sample(family, z, w, b, states):
    """The states (and gates) of one sample, step after step; z is (steps, gates, units)."""
    found = []
    h, *c = states
    for inputs in z:
        parts = inputs + b
        if family == "rnn":
            h = np.tanh(parts[0] + w[0] @ h)
            found.append([h])
        elif family == "lstm":
            i, f, o = (_gate(parts[k] + w[k] @ h) for k in range(3))
            g = np.tanh(parts[3] + w[3] @ h)
            c = [f * c[0] + i * g]
            h = o * np.tanh(c[0])
            found.append([h, c[0], np.tanh(c[0]), i, f, o, g])
        else:
            r, update = (_gate(parts[k] + w[k] @ h) for k in range(2))
            kept = r * h
            g = np.tanh(parts[2] + w[2] @ kept)
            h = (1 - update) * h + update * g
            found.append([h, r, update, g, kept])
    return np.array(found)


def operands(family, units, steps, samples, seed=0):
    """z, w, b and the initial states."""
    rng, gates = np.random.RandomState(seed), GATES[family]
    shapes = [(gates * units, steps * samples), (gates * units, units), (gates * units, 1)]
    shapes += [(units, samples)] * STATES[family]
    return [rng.normal(size=shape) for shape in shapes]


def parameters(family, steps, reverse=False, **more):
    gate = {} if family == "rnn" else {"gate_activation": "logistic"}
    return {"activation": "tanh", **gate, "steps": steps, "reverse": reverse, **more}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_recurrence_is_that_of_each_sample(family, sizes, reverse):
    units, steps, samples = SIZES[sizes]
    z, w, b, *states = operands(family, units, steps, samples)
    got = OPS[family].numpy(z, w, b, *states, **parameters(family, steps, reverse))
    got = got.reshape(BLOCKS[family], units, steps, samples)
    inputs = z.reshape(GATES[family], units, steps, samples)
    order = slice(None, None, -1 if reverse else 1)
    for n in range(samples):
        want = one_sample(
            family,
            inputs[:, :, order, n].transpose(2, 0, 1),
            w.reshape(GATES[family], units, units),
            b.reshape(GATES[family], units),
            [state[:, n] for state in states],
        )
        np.testing.assert_allclose(got[:, :, order, n].transpose(2, 0, 1), want, rtol=1e-12)


def backward(family, e, result, w, states, params):
    """Gradients of z and of the initial states, by the adjoint op."""
    last = {"rnn": [], "lstm": states[1:], "gru": states[:1]}[family]
    found = OPS[f"{family}_backward"].numpy(e, result, w, *last, **params)
    columns, units = result.shape[1], w.shape[1]
    blocks = [found[k * units : (k + 1) * units, columns:] for k in range(STATES[family])]
    assert not np.any(found[STATES[family] * units :, columns:])
    return [found[:, :columns], *blocks]


@pytest.mark.parametrize("activation", ["tanh", "logistic", "rectlin", "identity"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("blocks", ["h", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_adjoint_is_that_of_differences(family, blocks, reverse, activation):
    units, steps, samples = 2, 3, 2
    z, w, b, *states = operands(family, units, steps, samples, seed=3)
    params = parameters(family, steps, reverse, activation=activation)
    forward = OPS[family].numpy
    result = forward(z, w, b, *states, **params)
    rows = units if blocks == "h" else len(result)
    e = np.random.RandomState(4).normal(size=(rows, result.shape[1]))
    found = backward(family, e, result, w, states, params)
    for got, x in zip(found, [z, *states], strict=True):
        want = np.empty_like(x)
        for at in np.ndindex(*x.shape):
            sides = []
            for step in (1e-6, -1e-6):
                x[at] += step
                sides.append(np.sum(e * forward(z, w, b, *states, **params)[:rows]))
                x[at] -= step
            want[at] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-8)


def test_numbers_stand_for_bias_and_states():
    z, w, *_ = operands("lstm", 2, 3, 4)
    params = parameters("lstm", 3)
    zero = np.zeros((1, 1))
    got = OPS["lstm"].numpy(z, w, zero, zero, zero, **params)
    want = OPS["lstm"].numpy(z, w, np.zeros((8, 1)), *[np.zeros((2, 4))] * 2, **params)
    np.testing.assert_array_equal(got, want)


BAD = {
    "rows of z": ({"z": (7, 6)}, r"z of shape \(7, 6\) must be \(8, 3 steps \* samples\)"),
    "columns of z": ({"z": (8, 7)}, r"z of shape \(8, 7\)"),
    "no samples": ({"z": (8, 0)}, "no samples"),
    "no units": ({"w": (0, 0)}, "1 unit or more"),
    "weights": ({"w": (8, 3)}, r"weights of shape \(8, 3\) must be \(4 \* units, units\)"),
    "bias": ({"b": (2, 1)}, r"b of shape \(2, 1\) must be \(8, 1\)"),
    "state": ({"h0": (2, 3)}, r"h0 of shape \(2, 3\) must be \(2, 2\), or a number"),
    "cell": ({"c0": (8, 2)}, r"c0 of shape \(8, 2\)"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_shapes_that_do_not_belong_together_are_named(mistake):
    shapes = {"z": (8, 6), "w": (8, 2), "b": (8, 1), "h0": (2, 2), "c0": (2, 2)}
    changed, message = BAD[mistake]
    with pytest.raises(ShapeError, match=f"^lstm: .*{message}"):
        infer_shape(OPS["lstm"], list({**shapes, **changed}.values()), parameters("lstm", 3))


def test_an_adjoint_wants_whole_blocks():
    shapes = [(3, 6), (14, 6), (8, 2), (2, 2)]
    with pytest.raises(
        ShapeError, match=r"^lstm_backward: e of shape \(3, 6\) must be \(2 or 4 or"
    ):
        infer_shape(OPS["lstm_backward"], shapes, parameters("lstm", 3))
    shapes[0] = (2, 9)
    with pytest.raises(ShapeError, match="samples of e and the result differ: 3 and 2"):
        infer_shape(OPS["lstm_backward"], shapes, parameters("lstm", 3))
