"""The gradient checker finds wrong gradients of either order and says where."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff.vjps import ROWS
from neonport.errors import DtypeError
from neonport.testing import check_grads


@pytest.fixture
def be64(make_backend, monkeypatch):
    be = make_backend(dtype=np.float64, rng_seed=0)
    if be.device.capabilities.host_memory:  # many trees, each run once
        monkeypatch.setattr(be.executor, "run", be.executor.interpret)
    return be


@pytest.fixture
def x(be64):
    return be64.array(np.array([[0.3, 0.8], [1.2, 0.5]]), name="x")


def test_right_gradients_pass(be64, x):
    check_grads(lambda a: be64.exp(a) * a, [x], be64, order=3)
    check_grads(be64.exp(x) * x, [x], be64, order=1)


def test_a_wrong_row_is_found(be64, x, monkeypatch):
    monkeypatch.setitem(ROWS, "exp", lambda ans, g, x: (g * ans * 1.001,))
    with pytest.raises(AssertionError) as info:
        check_grads(be64.exp(x) + 1, [be64.ones((1, 1)), x], be64)
    text = str(info.value)
    for part in ("order 1", "tensor 1 (x)", "(2, 2)", "index (0, 0)", "autodiff gives", "exp(x)"):
        assert part in text
    found, expected = (
        float(text.split(w)[1].split()[0].strip(",")) for w in ("gives", "differences")
    )
    assert found == pytest.approx(expected * 1.001, rel=1e-5)


def test_a_wrong_second_derivative_is_found(be64, x, monkeypatch):
    # the slope of a square is a product, whose own row is broken
    monkeypatch.setitem(ROWS, "mul", lambda ans, g, x, y: (g * y, g * x * 1.01))
    check_grads(be64.square(x), [x], be64, order=1)
    with pytest.raises(AssertionError, match="gradient of order 2 is wrong for tensor 0"):
        check_grads(be64.square(x), [x], be64)


def test_the_second_order_covers_the_error_from_above(be64, x, monkeypatch):
    monkeypatch.setitem(ROWS, "mul", lambda ans, g, x, y: (g * y * 1.01, g * x))
    check_grads(be64.square(x), [x], be64, order=1)
    with pytest.raises(AssertionError, match="gradient of order 2 is wrong for tensor 1"):
        check_grads(be64.square(x), [x], be64)


def test_a_nan_is_wrong(be64, x, monkeypatch):
    monkeypatch.setitem(ROWS, "exp", lambda ans, g, x: (g * float("nan"),))
    with pytest.raises(AssertionError, match="gives nan"):
        check_grads(be64.exp(x), [x], be64)


def test_one_wrong_element_of_a_large_tensor_is_found(be64, monkeypatch):
    x = be64.array(np.random.RandomState(0).rand(20, 30))
    check_grads(be64.exp(x), [x], be64, order=1)
    spoilt = np.ones((20, 30))
    spoilt[7, 3] = 1.1
    factor = be64.array(spoilt)
    monkeypatch.setitem(ROWS, "exp", lambda ans, g, x: (g * ans * factor,))
    with pytest.raises(AssertionError, match="random direction"):
        check_grads(be64.exp(x), [x], be64, order=1)


def test_values_come_back(be64, x, monkeypatch):
    before = x.get()
    check_grads(be64.exp(x), [x], be64)
    np.testing.assert_array_equal(x.get(), before)
    monkeypatch.setitem(ROWS, "exp", lambda ans, g, x: (g,))
    with pytest.raises(AssertionError):
        check_grads(be64.exp(x), [x], be64)
    np.testing.assert_array_equal(x.get(), before)


def test_single_precision_is_refused(be64):
    with pytest.raises(DtypeError, match="float32; differences need float64"):
        check_grads(lambda a: a * 2, [be64.ones((2, 2), dtype=np.float32)], be64)
