"""Values of element-wise ops at the edges, against NumPy and the standard library."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neonport.ops.op import OPS

INF, NAN = math.inf, math.nan
EDGES = np.array([[0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3.0, -3.0, INF, -INF, NAN, 1e-7, 1e30, -1e30]])
UNARY = (
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "log1p", "expm1"),
    *("floor", "ceil", "trunc", "rint", "isnan", "isfinite", "logical_not"),
)
BINARY = ("mod", "arctan2", "logaddexp", "logical_and", "logical_or", "logical_xor")


def _run(be, method, *operands):
    tensors = [be.array(a) for a in operands]
    shape = np.broadcast_shapes(*(a.shape for a in operands))
    out = be.empty(shape)
    out[:] = getattr(be, method)(*tensors)
    return out.get()


def _same(got, want, sign=True):
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-37)
    if sign:
        numbers = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


@pytest.mark.parametrize("name", UNARY)
def test_edges_as_numpy(be, name):
    x = EDGES.astype(np.float32)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x.astype(np.float64)).astype(np.float32)
    _same(_run(be, name, x), want)


@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_edges_as_numpy(be, name):
    x = EDGES.astype(np.float32)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x.astype(np.float64), x.T.astype(np.float64)).astype(np.float32)
    _same(_run(be, name, x, x.T.copy()), want)


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [(7, 3, 1), (-7, 3, 2), (7, -3, -2), (-7, -3, -1), (5.5, 2, 1.5), (-1e-9, 3, 3), (1, INF, 1)],
)
def test_mod_has_the_sign_of_the_divisor(be, a, b, want):
    got = _run(be, "mod", np.array([[a]], np.float32), np.array([[b]], np.float32))
    assert got[0, 0] == np.float32(want)


def test_erf(be):
    x = np.linspace(-6, 6, 301, dtype=np.float32).reshape(1, -1)
    want = [[math.erf(float(v)) for v in x[0]]]
    np.testing.assert_allclose(_run(be, "erf", x), want, rtol=1e-6)
    ends = np.array([[0.0, -0.0, INF, -INF, NAN]], np.float32)
    _same(_run(be, "erf", ends), np.array([[0.0, -0.0, 1.0, -1.0, NAN]]))


def test_softplus_does_not_overflow(be):
    x = np.array([[-INF, -1e4, -20.0, 0.0, 20.0, 1e4, 3e38, INF, NAN]], np.float32)
    want = [[0.0, 0.0, math.log1p(math.exp(-20)), math.log(2), 20 + math.exp(-20)]]
    want[0] += [1e4, 3e38, INF, NAN]
    np.testing.assert_allclose(_run(be, "softplus", x), want, rtol=1e-6)


def test_small_arguments_keep_their_digits(be):
    x = np.array([[1e-10, -1e-10, 3e-20]], np.float32)
    for name in ("log1p", "expm1", "sin", "tan", "arcsin", "arctan", "sinh"):
        np.testing.assert_allclose(_run(be, name, x), x, rtol=1e-6)


def test_rsqrt(be):
    x = np.array([[4.0, 0.25, 0.0, -1.0, INF, NAN]], np.float32)
    np.testing.assert_allclose(_run(be, "rsqrt", x), [[0.5, 2.0, INF, NAN, 0.0, NAN]], rtol=1e-6)


def test_round_and_isfinite_are_other_names(be):
    x = np.array([[0.5, 1.5, -2.5, INF, NAN]], np.float32)
    np.testing.assert_array_equal(_run(be, "round", x), np.round(x))
    np.testing.assert_array_equal(_run(be, "isfinite", x), np.isfinite(x))


def test_definitions_keep_the_dtype_and_take_no_elements():
    for name in ("erf", "softplus", "rsqrt", "isnan", "logical_not"):
        for dtype in (np.float32, np.float64):
            result = OPS[name].numpy(np.zeros((0, 3), dtype))
            assert result.dtype == dtype
            assert result.shape == (0, 3)
