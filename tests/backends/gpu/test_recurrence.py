"""Recurrences step by step on a device, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.ops.op import OPS
from neonport.optree.node import apply
from tests.backends.gpu.conftest import laid
from tests.ops.test_recurrence import FAMILIES, operands, parameters

CASES = {
    "one of everything": ((1, 1, 1), "plain", {}),
    "reversed, in larger tensors": ((3, 3, 5), "offset", {"reverse": True}),
    "turned, other functions": (
        (4, 2, 9),
        "turned",
        {"activation": "rectlin", "gate_activation": "tanh"},
    ),
}


def check(dev, family, arrays, layout, params, blocks):
    want = OPS[family].numpy(*arrays, **params)
    tensors = [laid(dev, a.astype("f"), layout if a.size > 1 else "plain") for a in arrays]
    s = laid(dev, np.zeros(want.shape, "f"), layout)
    forward = apply(family, *tensors, **params)
    last = {"rnn": [], "lstm": arrays[4:], "gru": arrays[3:]}[family]
    rows = len(want) if blocks else arrays[1].shape[1]
    e = np.random.RandomState(1).normal(size=(rows, want.shape[1]))
    adjoint = apply(
        f"{family}_backward",
        laid(dev, e.astype("f"), layout),
        s,
        tensors[1],
        *tensors[len(arrays) - len(last) :],
        **params,
    )
    found = laid(dev, np.zeros(adjoint.shape, "f"), layout)
    for _ in range(2):  # what passes from step to step begins anew
        s[:] = forward
        found[:] = adjoint
    np.testing.assert_allclose(s.get(), want, rtol=2e-5, atol=2e-5)
    wanted = OPS[f"{family}_backward"].numpy(e, want, arrays[1], *last, **params)
    np.testing.assert_allclose(found.get(), wanted, rtol=5e-5, atol=5e-5)


@pytest.mark.parametrize("blocks", [False, True], ids=["errors of h", "errors of all"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_both_directions(dev, family, case, blocks):
    (units, steps, samples), layout, more = CASES[case]
    if family == "rnn":
        more = {k: v for k, v in more.items() if k != "gate_activation"}
    arrays = operands(family, units, steps, samples)
    check(dev, family, arrays, layout, {**parameters(family, steps), **more}, blocks)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_for_bias_and_states(dev, family):
    z, w, *rest = operands(family, 3, 2, 5)
    arrays = [z, w, *(np.full((1, 1), 0.5 * i) for i in range(len(rest)))]
    check(dev, family, arrays, "plain", parameters(family, 2), False)


def test_the_launches_are_bound_once(dev):
    """A second run of a statement only launches."""
    z, w, b, h0 = (dev.array(a) for a in operands("rnn", 3, 4, 5))
    out = dev.empty((3, 20))
    launches, bind_launch = [], dev.device.bind_launch
    dev.device.bind_launch = lambda program, name, *rest: (
        launches.append(name) or bind_launch(program, name, *rest)
    )
    for _ in range(2):
        out[:] = dev.rnn(z, w, b, h0, steps=4)
    assert launches.count("neo_rnn") == 4
