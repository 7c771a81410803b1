"""Sign: in place, straight-through, and safe to share between layers."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.transforms import Sign

X = np.array([[-2.0, -1.0, -0.3], [0.0, 1.0, 1.5]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sign_overwrites_and_keeps_the_input(make_backend: Any, dtype: str) -> None:
    be = make_backend(dtype=dtype)
    sign, x = Sign(), be.array(X)
    assert sign(x) is x
    np.testing.assert_array_equal(x.get(), [[-1, -1, -1], [1, 1, 1]])
    np.testing.assert_array_equal(sign.inputs.get(), X.astype(dtype))  # type: ignore[union-attr]


def test_the_derivative_is_one_for_inputs_in_the_unit_interval(be: Any) -> None:
    sign, x, out = Sign(), be.array(X), be.empty((2, 3))
    sign(x)
    out[:] = sign.bprop(x)
    np.testing.assert_array_equal(out.get(), [[0, 1, 1], [1, 1, 0]])


def test_one_sign_may_serve_two_layers(be: Any) -> None:
    sign, a, b = Sign(), be.array(X), be.array(10 * X)
    sign(a)
    sign(b)
    out = be.empty((2, 3))
    out[:] = sign.bprop(a)
    np.testing.assert_array_equal(out.get(), np.abs(X) <= 1)
    out[:] = sign.bprop(b)
    np.testing.assert_array_equal(out.get(), np.abs(10 * X) <= 1)


def test_new_views_of_the_same_memory_find_their_copy(be: Any) -> None:
    sign, buffer, out = Sign(), be.array(np.hstack([X, 10 * X])), be.empty((2, 3))
    sign(buffer[:, 0:3])
    sign(buffer[:, 3:6])
    out[:] = sign.bprop(buffer[:, 0:3])
    np.testing.assert_array_equal(out.get(), np.abs(X) <= 1)
    out[:] = sign.bprop(buffer[:, 3:6])
    np.testing.assert_array_equal(out.get(), np.abs(10 * X) <= 1)


def test_copies_die_with_the_memory(be: Any) -> None:
    sign, x = Sign(), be.array(X)
    sign(x)
    assert len(sign._kept) == 1
    del x
    gc.collect()
    assert len(sign._kept) == 0


def test_the_copy_is_allocated_once(be: Any) -> None:
    sign, x = Sign(), be.array(X)
    sign(x)
    first = sign.inputs
    x[:] = be.array(-X)
    sign(x)
    assert sign.inputs is first
    np.testing.assert_array_equal(sign.inputs.get(), -X.astype(np.float32))  # type: ignore[union-attr]


def test_mistakes_are_named(be: Any) -> None:
    x = be.array(X)
    with pytest.raises(ConfigurationError, match="call the transform first"):
        Sign().bprop(x)
    with pytest.raises(DtypeError, match="OpTreeNode"):
        Sign()(x + 1)
    sign = Sign()
    sign(x)
    with pytest.raises(ShapeError, match=r"\(5, 5\)"):
        sign.bprop(be.ones((5, 5)))
