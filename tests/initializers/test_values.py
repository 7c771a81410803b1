"""Constant and Array: numbers, arrays, tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.foundation.descriptions import Builder
from neonport.initializers import Array, Constant


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("val", [0.0, -2.5, 3, np.float64(0.1), True])
def test_a_number_fills_every_element(make_backend: Any, dtype: str, val: Any) -> None:
    be = make_backend(dtype=dtype)
    param = be.empty((5, 7))
    Constant(val).fill(param)
    np.testing.assert_array_equal(param.get(), np.full((5, 7), val, dtype))


@pytest.mark.parametrize("cls", [Constant, Array])
def test_an_array_is_copied(be: Any, cls: Any) -> None:
    values = np.arange(12.0).reshape(3, 4)
    param = be.empty((3, 4))
    cls(val=values).fill(param)
    np.testing.assert_array_equal(param.get(), values)


def test_an_array_of_another_rank_is_reshaped_in_row_major_order(be: Any) -> None:
    filters = np.arange(24.0).reshape(2, 3, 2, 2)
    param = be.empty((12, 2))
    Array(filters).fill(param)
    np.testing.assert_array_equal(param.get(), filters.reshape(12, 2))


def test_a_list_works_like_an_array(be: Any) -> None:
    param = be.empty((3, 1))
    Constant([1, 2, 3]).fill(param)
    np.testing.assert_array_equal(param.get(), [[1], [2], [3]])


@pytest.mark.parametrize("shape", [(4, 3), (2, 4), (13,), (3, 4, 2)])
def test_an_array_that_does_not_fit_is_refused_before_writing(be: Any, shape: Any) -> None:
    param = be.ones((3, 4))
    with pytest.raises(ShapeError, match=r"values of shape .* parameter of shape \(3, 4\)"):
        Constant(np.zeros(shape)).fill(param)
    np.testing.assert_array_equal(param.get(), np.ones((3, 4)))


def test_a_tensor_is_copied_and_must_have_the_same_shape(be: Any) -> None:
    values = np.arange(6.0).reshape(2, 3)
    param = be.empty((2, 3))
    Array(be.array(values)).fill(param)
    np.testing.assert_array_equal(param.get(), values)
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        Array(be.array(values)).fill(be.empty((3, 2)))


@pytest.mark.parametrize("val", ["one", None, [1, "a"], 1j, {}])
def test_what_holds_no_numbers_is_refused(val: Any) -> None:
    with pytest.raises(ConfigurationError, match="val"):
        Constant(val)


def test_an_op_tree_is_refused(be: Any) -> None:
    with pytest.raises(ConfigurationError, match="OpTreeNode"):
        Constant(be.ones((2, 2)) + 1)


def test_the_description_of_a_tensor_holds_its_values(be: Any) -> None:
    values = np.arange(6.0).reshape(2, 3)
    desc = Array(be.array(values)).get_description()
    assert desc["type"] == "neon.initializers.initializer.Array"
    assert isinstance(desc["config"]["val"], np.ndarray)
    param = be.empty((2, 3))
    Builder().build(None, desc).fill(param)
    np.testing.assert_array_equal(param.get(), values)
