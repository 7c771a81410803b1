"""IdentityInit and Orthonormal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ShapeError
from neonport.initializers import IdentityInit, Orthonormal


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (1, 5)])
def test_identity_stands_in_the_first_columns(be: Any, shape: Any) -> None:
    param = be.ones(shape)
    IdentityInit().fill(param)
    expected = np.zeros(shape)
    for i in range(shape[0]):
        expected[i, i] = 1
    np.testing.assert_array_equal(param.get(), expected)


def test_identity_needs_as_many_columns_as_rows(be: Any) -> None:
    param = be.ones((4, 3))
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        IdentityInit().fill(param)
    np.testing.assert_array_equal(param.get(), np.ones((4, 3)))


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (1, 4)])
def test_orthonormal_along_the_shorter_axis(make_backend: Any, shape: Any) -> None:
    be = make_backend(rng_seed=7)
    param = be.empty(shape)
    Orthonormal(scale=1.5).fill(param)
    w = param.get().astype(np.float64) / 1.5
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-6)


def test_orthonormal_is_a_factor_of_the_seeded_normal_matrix(make_backend: Any) -> None:
    be = make_backend(rng_seed=7)
    param = be.empty((3, 5))
    Orthonormal().fill(param)
    # for a = u s vt with a of full row rank, vt spans the rows of a: projecting changes nothing
    a = np.random.RandomState(7).normal(size=(3, 5))
    vt = param.get().astype(np.float64) / 1.1
    np.testing.assert_allclose(a @ vt.T @ vt, a, atol=1e-5)


def test_a_square_orthonormal_matrix_is_the_left_factor(make_backend: Any) -> None:
    param = make_backend(rng_seed=7).empty((4, 4))
    Orthonormal(scale=1.0).fill(param)
    a = np.random.RandomState(7).normal(size=(4, 4))
    rows = param.get().T @ a  # s vt: orthogonal rows
    gram = rows @ rows.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-5)


def test_orthonormal_depends_on_the_seed_only(make_backend: Any) -> None:
    results = []
    for seed in (1, 1, 2):
        param = make_backend(rng_seed=seed).empty((4, 6))
        np.random.random()  # the global generator must not matter
        Orthonormal().fill(param)
        results.append(param.get())
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
