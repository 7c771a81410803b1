"""`be.compound_dots`: several products at once, whatever they share."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import AliasError, DtypeError, ShapeError


def rand(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(products, arrays):
    for (*_, c), (x, y) in zip(products, arrays, strict=True):
        np.testing.assert_allclose(c.get(), x @ y, rtol=1e-4, atol=1e-4)


def gradients(be, rows=30, terms=1100, first=12):
    """Errors times what they met: one factor of all terms, one of some, and their sum."""
    e, x, h = rand(rows, terms), rand(7, terms, seed=1), rand(40, terms, seed=2)
    errors, inputs, states = be.array(e), be.array(x), be.array(h)
    products = [
        (errors, inputs.T, be.empty((rows, 7))),
        (errors[:, first:], states[:, :-first].T, be.empty((rows, 40))),
        (errors, be.ones((terms, 1)), be.empty((rows, 1))),
    ]
    return products, [(e, x.T), (e[:, first:], h[:, :-first].T), (e, np.ones((terms, 1)))]


def test_products_of_the_same_rows(be):
    products, arrays = gradients(be)
    for _ in range(2):  # bound by the first
        for *_, c in products:
            c.fill(np.nan)
        be.compound_dots(*products)
        check(products, arrays)


def test_they_are_bound_once(be, monkeypatch):
    products, _ = gradients(be)
    calls = []
    bind = be.device.matmuls
    monkeypatch.setattr(be.device, "matmuls", lambda p: calls.append(p) or bind(p))
    for _ in range(3):
        be.compound_dots(*products)
    assert len(calls) == 1


def test_products_of_some_rows_and_of_others(be):
    """As of a gated recurrent unit: gates and candidate met other states."""
    e, x = rand(90, 1200), rand(33, 1200, seed=1)
    h, kept = rand(30, 1200, seed=2), rand(30, 1200, seed=3)
    errors = be.array(e)
    products = [
        (errors, be.array(x).T, be.empty((90, 33))),
        (errors[:60, 20:], be.array(h)[:, :-20].T, be.empty((90, 30))[:60]),
        (errors[60:], be.array(kept).T, be.empty((30, 30))),
    ]
    be.compound_dots(*products)
    check(products, [(e, x.T), (e[:60, 20:], h[:, :-20].T), (e[60:], kept.T)])


def test_products_that_share_nothing(be):
    x, y, z = rand(3, 5), rand(5, 4, seed=1), rand(5, 2, seed=2)
    a, b = be.array(x), be.array(y)
    products = [(a, b, be.empty((3, 4))), (b.T, be.array(z), be.empty((4, 2)))]
    be.compound_dots(*products)
    check(products, [(x, y), (y.T, z)])
    be.compound_dots(products[0])
    be.compound_dots()


def test_products_of_several_dtypes(be):
    x, y = rand(6, 8), rand(8, 3, seed=1)
    short = be.array(y, dtype=np.float16)
    products = [
        (be.array(x), short, be.empty((6, 3))),
        (be.array(x), be.array(y), be.empty((6, 3))),
    ]
    be.compound_dots(*products)
    check(products, [(x, short.get().astype(np.float32)), (x, y)])


def test_products_over_nothing(be):
    c, d = be.ones((3, 2)), be.empty((2, 2))
    be.compound_dots((be.empty((3, 0)), be.empty((0, 2)), c), (be.ones((2, 1)), be.ones((1, 2)), d))
    assert not c.get().any()
    assert d.get().all()


def test_it_can_be_recorded(be):
    products, arrays = gradients(be)
    step = be.record(lambda: be.compound_dots(*products))
    for _ in range(3):
        for *_, c in products:
            c.fill(np.nan)
        step()
        check(products, arrays)


@pytest.mark.parametrize("other", ["operand", "output"])
def test_an_output_that_another_product_uses_is_refused(be, other):
    a, b, c = be.ones((3, 3)), be.ones((3, 3)), be.zeros((3, 3))
    second = (a, c, be.empty((3, 3))) if other == "operand" else (a, a, c[:, :])
    with pytest.raises(AliasError, match="another product"):
        be.compound_dots((a, b, c), second)
    assert not c.get().any()


def test_mistakes_are_named_before_anything_is_written(be):
    a, b, c = be.ones((3, 4)), be.ones((4, 2)), be.zeros((3, 2))
    good = (a, b, c)
    with pytest.raises(ShapeError, match=r"\(3, 4\), \(3, 4\) -> \(3, 2\)"):
        be.compound_dots(good, (a, a, be.empty((3, 2))))
    with pytest.raises(ShapeError, match="2 of them"):
        be.compound_dots(good, (a, b))
    with pytest.raises(ShapeError, match=r"use compound_dot\(A, B, C\)"):
        be.compound_dots(a, b, c)
    with pytest.raises(DtypeError, match="not ndarray"):
        be.compound_dots(good, (a, np.ones((4, 2)), be.empty((3, 2))))
    with pytest.raises(DtypeError, match="must be floats"):
        be.compound_dots(good, (a, be.ones((4, 2), dtype=np.int32), be.empty((3, 2))))
    assert not c.get().any()
