"""Products, running values, orders and concatenation, against finite differences, twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neonport import Autodiff
from neonport.optree.node import apply
from neonport.testing import check_grads

FACTORS = {
    "no zero": [[1.5, -0.5, 2.0, 0.7], [0.3, 1.1, -1.0, 0.9], [-0.4, 0.8, 1.2, 1.0]],
    "one zero": [[1.5, 0.0, 2.0, 0.7], [0.0, 1.1, -1.0, 0.9], [-0.4, 0.8, 1.2, 0.0]],
    "two zeros": [[0.0, 0.5, 0.0, 0.7], [0.3, 0.0, 0.0, 0.9], [0.0, 0.8, 1.2, 0.0]],
    "zeros only": [[0.0] * 4] * 3,
}


@pytest.fixture(params=FACTORS)
def factors(request, be64):
    return be64.array(FACTORS[request.param])


@pytest.mark.parametrize("axis", [0, 1, None, (0, 1)], ids=str)
def test_a_product_with_zeros(be64, factors, axis):
    check_grads(be64.prod(factors, axis=axis), [factors], be64, order=3)
    check_grads(be64.exp(be64.prod(factors, axis=axis)) * factors, [factors], be64)


def test_the_gradient_of_a_product_is_that_of_the_other_factors(be64):
    x = be64.array([[2.0, 0.0, 5.0], [0.0, 3.0, 0.0], [2.0, 3.0, 4.0]])
    (found,) = Autodiff(be64.prod(x, axis=1), be64).get_grad_asnumpyarray([x])
    np.testing.assert_array_equal(found, [[0, 10, 0], [0, 0, 0], [12, 8, 6]])


@pytest.mark.parametrize("axes", [(0, 2), (1, 2), (0, 1, 2), (2,)], ids=str)
def test_a_product_over_axes_of_three(be64, values, axes):
    x = values(2, 3, 2)
    host = x.get()
    host[0, 1, 0] = host[1, 1, 1] = 0.0
    x.set(host)
    check_grads(be64.prod(x, axis=axes) * x, [x], be64)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (0, 3)], ids=str)
def test_lines_of_one_entry_and_of_none(be64, shape):
    x = be64.array(np.linspace(0.3, 1.7, int(np.prod(shape))).reshape(shape))
    for axis in (0, 1):
        for tree in (
            be64.prod(x, axis=axis),
            be64.cumsum(x, axis),
            be64.cumprod(x, axis),
            be64.cumprod(x, axis, exclusive=True),
            be64.sort(x, axis),
        ):
            check_grads(tree * 1.5, [x], be64)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_running_product_with_zeros(be64, factors, axis, reverse, exclusive):
    tree = be64.cumprod(factors, axis, reverse, exclusive)
    check_grads(tree, [factors], be64, order=2)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_running_sum_and_recurrence(be64, values, axis, reverse):
    x, y = values(3, 4), values(3, 4)
    check_grads(be64.exp(be64.cumsum(x * y, axis, reverse) * 0.1), [x, y], be64)
    tree = apply("linear_recurrence", x, y * x, axis=axis, reverse=reverse)
    check_grads(tree, [x, y], be64, order=3)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_sort_and_the_largest(be64, values, axis, descending):
    x, y = values(3, 4), values(3, 4)
    check_grads(be64.sort(x * x, axis, descending) * y, [x, y], be64)
    largest, _ = be64.topk(x * x, 2, axis, largest=descending)
    check_grads(be64.exp(largest), [x], be64)


def test_entries_picked_along_an_axis(be64, values):
    x, y = values(3, 4), values(2, 4)
    index = be64.array([[2, 0, 5, 1], [2, -1, 0, 1]], dtype=np.int32)
    picked = be64.take_along_axis(x * x, index, 0)
    check_grads(picked * y, [x, y], be64)
    added = apply("scatter_add_along_axis", y * y, index, axis=0, size=3)
    check_grads(added * x, [x, y], be64)


def test_parts_of_a_concatenation(be64, values):
    x, y, z = values(3, 4), values(2, 4), values(1, 4)
    whole = be64.concat([x, be64.sqrt(y), z, x * 2.0])
    check_grads(whole * whole, [x, y, z], be64)
    check_grads(be64.exp(be64.stack([x, x * x], axis=1)), [x], be64)
    check_grads(be64.sum(be64.concat([x, x], axis=1), axis=1), [x], be64)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from([-1.3, -0.4, 0.0, 0.0, 0.6, 1.7]), min_size=6, max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_any_zeros_anywhere(be64, entries, reverse, exclusive):
    x = be64.array(np.array(entries).reshape(2, 3))
    tree = be64.cumprod(x * 1.1, 1, reverse, exclusive) + be64.prod(x, axis=1)
    check_grads(tree, [x], be64)
