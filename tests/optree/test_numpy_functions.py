"""NumPy meets tensors and trees: numbers of its types are numbers, its functions name ours."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DtypeError

VALUES = np.array([[0.5, 1.0], [2.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    "form",
    [
        lambda n, x: n + x,
        lambda n, x: n - x,
        lambda n, x: n * x,
        lambda n, x: n / x,
        lambda n, x: n**x,
        lambda n, x: n % x,
        lambda n, x: x**n,
        lambda n, x: (n < x) + (n <= x) * 2 + (n == x) * 4,
    ],
)
@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int64(2), np.array(2.0)])
def test_numbers_of_numpys_types(be, form, number):
    x = be.array(VALUES)
    expected = np.asarray(form(np.float32(2), VALUES), np.float32)
    np.testing.assert_allclose(np.asarray(form(number, x).get()), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["exp", "log1p", "arctan2", "maximum", "sqrt", "isnan"])
def test_functions_name_the_backends_own(be, name):
    x = be.array(VALUES)
    for operand in (x, x * 2):
        function = getattr(np, name)
        with pytest.raises(DtypeError, match=rf"np\.{name}.*be\.{name} builds"):
            function(*[operand] * function.nin)


def test_functions_without_a_counterpart_name_the_host(be):
    with pytest.raises(TypeError, match=r"np\.cbrt\(t\.get\(\)\)"):
        np.cbrt(be.array(VALUES))


@pytest.mark.parametrize(
    "use",
    [
        lambda a, x: a + x,
        lambda a, x: x + a,
        lambda a, x: a @ x,
        lambda a, x: a < x,
        lambda a, x: np.exp(x, out=a),
        lambda a, x: np.add.outer(a, x),
    ],
)
def test_arrays_are_refused_with_the_way_out(be, use):
    a, x = VALUES.copy(), be.array(VALUES)
    with pytest.raises(DtypeError, match=r"be\.array\(x\)|be\.exp"):
        use(a, x)
    assert (a == VALUES).all()


def test_an_array_is_still_read(be):
    x = be.array(VALUES)
    assert (np.asarray(x) == VALUES).all()
    assert (np.asarray(x * 2, dtype=np.float64) == VALUES * 2).all()
    assert np.allclose(x, VALUES)
