"""Products, and the extension `linalg`, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import DtypeError, ShapeError
from tests.array_api.conftest import same

la = xp.linalg

PRODUCTS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (3, 3, 4)),
    ((3,), (2, 2, 3, 4)),
    ((2, 0), (0, 3)),
    ((0, 2, 3), (3, 4)),
]


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype in ("float32", "float64"):
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize("shapes", PRODUCTS, ids=str)
def test_matmul(put, shapes, dtype):
    (x, a), (y, b) = (put(numbers(shape, dtype, i)) for i, shape in enumerate(shapes))
    same(xp.matmul(x, y), np.matmul(a, b), 8, 4)


@pytest.mark.parametrize("dtype", ["float64", "int8", "uint64"])
def test_matmul_of_dtypes(put, dtype):
    (x, a), (y, b) = (put(numbers(shape, dtype)) for shape in [(2, 3), (3, 4)])
    same(x @ y, a @ b, 8, 4)
    same(xp.matrix_transpose(x) @ x, a.T @ a, 8, 4)


def test_matmul_says_what_does_not_fit(put):
    x, _ = put(np.ones((2, 3), np.float32))
    for other in (x, x[0, 0], x[0][:2]):
        with pytest.raises(ShapeError, match="matmul"):
            x @ other
    with pytest.raises(DtypeError, match="matmul"):
        x @ 2.0
    with pytest.raises(DtypeError, match="bool"):
        (x > 0) @ (x > 0)


@pytest.mark.parametrize("dtype", ["float32", "uint64"])
def test_tensordot(put, dtype):
    (x, a), (y, b) = put(numbers((2, 3, 4), dtype)), put(numbers((3, 4, 2), dtype, 1))
    for axes in (2, 0, ((0,), (2,)), ((1, 2), (0, 1)), ((-1, 0), (1, -1))):
        same(xp.tensordot(x, y, axes=axes), np.tensordot(a, b, axes=axes), 16, 8)
    with pytest.raises(ShapeError):
        xp.tensordot(x, y, axes=1)


@pytest.mark.parametrize("dtype", ["float64", "int16"])
def test_vecdot(put, dtype):
    (x, a), (y, b) = put(numbers((2, 3, 4), dtype)), put(numbers((3, 4), dtype, 1))
    for axis in (-1, -2):
        same(xp.vecdot(x, y, axis=axis), np.vecdot(a, np.broadcast_to(b, a.shape), axis=axis), 8, 4)
    same(xp.vecdot(y[0], y[0]), np.vecdot(b[0], b[0]), 8, 4)
    with pytest.raises(ShapeError):
        xp.vecdot(x, y[:, :2])


def test_matrix_transpose_is_a_view(put):
    x, theirs = put(np.arange(12.0).reshape(2, 2, 3))
    same(xp.matrix_transpose(x), np.matrix_transpose(theirs))
    same(x.mT, theirs.mT)
    same(x[0].T, theirs[0].T)
    x.mT[0, 1, 0] = -1
    assert float(x[0, 0, 1]) == -1
    with pytest.raises(ShapeError):
        x.T
    with pytest.raises(ShapeError):
        x[0, 0].mT


@pytest.fixture(params=["float32", "float64"])
def square(request, put):
    rng = np.random.default_rng(3)
    a = rng.standard_normal((2, 3, 3)).astype(request.param)
    return put(a @ a.mT + 3 * np.eye(3, dtype=request.param))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cholesky", {}), ("cholesky", {"upper": True}), ("det", {}), ("eigh", {}),
        ("eigvalsh", {}), ("inv", {}), ("matrix_norm", {}), ("matrix_norm", {"ord": 1}),
        ("matrix_norm", {"ord": "nuc", "keepdims": True}), ("matrix_rank", {}), ("pinv", {}),
        ("qr", {}), ("qr", {"mode": "complete"}), ("slogdet", {}), ("svd", {}),
        ("svd", {"full_matrices": False}), ("svdvals", {}), ("trace", {}), ("diagonal", {}),
        ("matrix_transpose", {}),
    ],
    ids=str,
)  # fmt: skip
def test_functions_of_matrices(square, name, options):
    x, theirs = square
    ours, expected = getattr(la, name)(x, **options), getattr(np.linalg, name)(theirs, **options)
    if not isinstance(ours, tuple):
        ours, expected = (ours,), (expected,)
    for one, other in zip(ours, expected, strict=True):
        same(one, other, 4, 4)


def test_solve_and_powers(square):
    x, theirs = square
    for right in (theirs, theirs[0]):
        y = xp.asarray(right, device=x.device)
        same(la.solve(x, y), np.linalg.solve(theirs, right))
    for n in (-1, 0, 3):
        same(la.matrix_power(x, n), np.linalg.matrix_power(theirs, n))
    with pytest.raises(np.linalg.LinAlgError):
        la.inv(x * 0.0)
    for wrong in (x[0, 0], x[:, :2]):
        with pytest.raises(ShapeError, match="square"):
            la.det(wrong)
    with pytest.raises(DtypeError):
        la.det(xp.astype(x, xp.int32))


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint64"])
@pytest.mark.parametrize("offset", [0, 1, -1, 3, -5])
def test_diagonals(put, dtype, offset):
    x, theirs = put(np.arange(24).reshape(2, 3, 4), dtype)
    same(la.diagonal(x, offset=offset), np.linalg.diagonal(theirs, offset=offset))
    expected = np.linalg.trace(theirs, offset=offset)
    same(la.trace(x, offset=offset), expected if dtype != "int32" else expected.astype(np.int64))
    same(la.diagonal(x[0], offset=offset), np.linalg.diagonal(theirs[0], offset=offset))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_outer_and_cross(put, dtype):
    (x, a), (y, b) = put([1, 2, 3], dtype), put([5, -7, 11], dtype)
    same(la.outer(x, y), np.linalg.outer(a, b))
    same(la.cross(x, y), np.linalg.cross(a, b))
    pile, values = put(np.arange(12).reshape(2, 3, 2), dtype)
    column = xp.reshape(x, (3, 1))
    same(
        la.cross(pile, column, axis=-2),
        np.linalg.cross(values, np.broadcast_to(a[:, None], (2, 3, 2)), axis=-2),
    )
    with pytest.raises(ShapeError, match="need 3"):
        la.cross(x[:2], y[:2])
    with pytest.raises(ShapeError, match="no vector"):
        la.outer(pile, x)


@pytest.mark.parametrize("ord", [2, 1, 0, np.inf, -np.inf, 3, -1, 0.5])
def test_vector_norm(put, ord):
    x, theirs = put(numbers((2, 3, 4), "float64"))
    for axis, keepdims in [(None, False), (1, False), ((0, 2), True)] if ord == 2 else [(1, True)]:
        expected = np.linalg.vector_norm(theirs, axis=axis, keepdims=keepdims, ord=ord)
        same(
            la.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord),
            np.asarray(expected, theirs.dtype),
            20,
        )


def test_the_extension_has_the_functions_of_the_namespace():
    for name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
        assert getattr(la, name) is getattr(xp, name)
