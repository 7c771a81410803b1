"""A tree of one element is true or false as its value is; one of several elements is neither."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ShapeError


def test_a_comparison_of_one_element_has_its_value(be):
    x = be.array([[3.0]])
    assert bool(x < 5)
    assert not bool(x > 5)
    assert not 9 < x < 8
    assert 2 < x < 8
    assert not be.sum(x - x)


def test_a_loop_ends_when_its_condition_is_false(be):
    loss, runs = be.array([[1.0]]), 0
    while loss > 1e-3:
        loss[:] = loss * 0.1
        runs += 1
    assert runs in (3, 4)


def test_membership_compares_values(be):
    x, same, other = be.array([[3.0]]), be.array([[3.0]]), be.array([[4.0]])
    assert x in [other, x]
    assert x in [same]
    assert x not in [other]
    with pytest.raises(ShapeError, match=r"be\.max"):
        be.ones((2, 2)) in [be.ones((2, 2))]  # noqa: B015


@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (2, 3, 4), (0, 3)])
def test_other_sizes_are_neither(be, shape):
    tree = be.zeros(shape) < 5
    for read in (bool, float, int, type(tree).item):
        with pytest.raises(ValueError, match=r"not one number.*be\.max \(any\)"):
            read(tree)


def test_a_size_that_only_the_target_knows(be):
    with pytest.raises(ValueError, match="not one number"):
        bool(be.rand() < 0.5)


def test_numbers_of_a_tree(be):
    x = be.array([[2.5]])
    assert float(x * 2) == 5.0
    assert int(x * 2) == 5
    assert (x * 2).item() == 5.0
    assert float(be.log(1.0)) == 0.0
    assert not be.log(1.0)


def test_a_small_number_is_not_rounded_to_a_short_default_dtype(make_backend):
    be = make_backend(dtype=np.float16)
    assert bool(be.array([[1.0]]) * 1e-30)


def test_a_tensor_is_true_whatever_is_in_it(be):
    assert be.zeros((2, 2))
    assert be.zeros((1, 1))
