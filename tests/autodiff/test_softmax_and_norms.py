"""Gradients of `std`, norms and the softmax family; values: tests/backends/api."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.testing import check_grads

FUNCTIONS = {
    "std": lambda be, x, axis: be.std(x, axis),
    "norm 1": lambda be, x, axis: be.norm(x, 1, axis),
    "norm 2": lambda be, x, axis: be.norm(x, 2, axis),
    "norm inf": lambda be, x, axis: be.norm(x, float("inf"), axis),
    "logsumexp": lambda be, x, axis: be.logsumexp(x, axis),
    "softmax": lambda be, x, axis: be.softmax(x, axis),
    "log_softmax": lambda be, x, axis: be.log_softmax(x, axis),
}


@pytest.mark.parametrize("axis", [0, 1, None], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_both_orders(be64, name, axis):
    function = FUNCTIONS[name]
    x = be64.array(np.random.RandomState(3).normal(size=(3, 4)))
    check_grads(lambda x: function(be64, x, axis), [x], be64)
    check_grads(lambda x: function(be64, be64.sig(x) * x, axis) * x, [x], be64)
