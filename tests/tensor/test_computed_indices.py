"""Indices that a statement computes: the places of maxima, orders, sums of other indices."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.errors import DtypeError

X = np.random.RandomState(0).randn(5, 3).astype(np.float32)
PICKED = np.array([3, 0, 4, 4], np.int32)


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_arithmetic_of_indices(be, column, dtype):
    index = be.array(PICKED.reshape((-1, 1) if column else (1, -1)), dtype=dtype)
    x = be.array(X)
    trees = {
        "rows": (be.take(x, 4 - index, axis=0), X[4 - PICKED]),
        "columns": (be.take(x, be.minimum(index, 2), axis=1), X[:, np.minimum(PICKED, 2)]),
        "of a tree": (be.take(be.exp(x), 4 - index, axis=0) * 2, 2 * np.exp(X[4 - PICKED])),
        "folded": (be.sum(be.take(x, 4 - index, axis=0)), X[4 - PICKED].sum(keepdims=True)),
        "brackets": (x[4 - index], X[4 - PICKED]),
        "indices of indices": (x[be.take(index, index * 0, axis=0 if column else 1)], X[[3] * 4]),
    }
    for name, (tree, expected) in trees.items():
        np.testing.assert_allclose(tree.get(), expected, rtol=1e-5, err_msg=name)


def test_as_many_indices_as_the_source_has_rows(be):
    x = be.array(X[:, :1])
    order = be.argsort(x, axis=0)
    np.testing.assert_array_equal(x[order].get(), np.sort(X[:, :1], axis=0))
    np.testing.assert_array_equal(x[be.argmax(x, axis=0)].get(), X[:, :1].max(keepdims=True))
    x[:] = x[order]
    np.testing.assert_array_equal(x.get(), np.sort(X[:, :1], axis=0))


def test_gradients_reach_what_was_picked(be):
    x, index = be.array(X), be.array(PICKED.reshape(-1, 1), dtype=np.int32)
    picked = be.take(be.square(x), index * 1, axis=0)
    (found,) = Autodiff(be.sum(picked * 1.0), be).get_grad_asnumpyarray([x])
    counts = np.bincount(PICKED, minlength=5)[:, None]
    np.testing.assert_allclose(found, 2 * X * counts, rtol=1e-5)


def test_a_mask_is_no_list_of_indices(be):
    x = be.array(X[:, :1])
    n = be.array(np.arange(5).reshape(5, 1), dtype=np.int32)
    for mask in (n > 2, x > 0, (n > 1) * (n < 4), be.logical_not(n), be.maximum(n > 3, n < 1)):
        with pytest.raises(DtypeError, match=r"np\.flatnonzero\(mask\.get\(\)\)"):
            x[mask]
        with pytest.raises(DtypeError, match="no list of indices"):
            x[mask] = 0
    np.testing.assert_array_equal(x.get(), X[:, :1])
