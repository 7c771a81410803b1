"""Reductions, movements, gathers and products, against finite differences, twice."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.optree.node import apply
from neonport.testing import check_grads

AXES = [((3, 4), (0,)), ((3, 4), (1,)), ((3, 4), (0, 1)), ((2, 3, 4), (1,)), ((2, 3, 4), (0, 2))]


@pytest.mark.parametrize("op", ["sum", "prod", "max", "min", "var"])
@pytest.mark.parametrize(("shape", "axes"), AXES, ids=str)
def test_reduction(be64, values, op, shape, axes):
    x, y = values(*shape), values(*shape, low=0.23)
    check_grads(apply(op, x, axes=axes), [x], be64)
    check_grads(be64.exp(apply(op, x * y, axes=axes)) * x, [x, y], be64)


@pytest.mark.parametrize("op", ["sum", "prod", "max", "min", "var"])
def test_reduction_of_a_broadcast_expression(be64, values, op):
    row, column = values(1, 4), values(3, 1, low=0.23)
    check_grads(apply(op, row * column, axes=(0,)), [row, column], be64)


@pytest.mark.parametrize("perm", [(0, 1, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)], ids=str)
def test_transpose(be64, values, perm):
    x, y = values(2, 3, 4), values(2, 3, 4)
    moved = apply("transpose", x * y, perm=perm)
    check_grads(moved * be64.sqrt(apply("transpose", x, perm=perm)), [x, y], be64)
    check_grads(be64.sum(moved, axis=1), [x, y], be64)


def test_transposes_of_transposes(be64, values):
    x = values(3, 4)
    check_grads(((x.T * 2).T + x).T.T * x.T.T, [x], be64)


def test_reshape(be64, values):
    x, y = values(3, 4), values(2, 6)
    check_grads(apply("reshape", x * x, shape=(2, 6)) * y, [x, y], be64)
    check_grads(be64.sum(apply("reshape", be64.sqrt(x), shape=(2, 6)), axis=1), [x], be64)
    check_grads(apply("reshape", apply("reshape", x * 1.5, shape=(1, 12)), shape=(6, 2)), [x], be64)


def test_broadcast(be64, values):
    x, y = values(3, 1), values(2, 3, 4)
    check_grads(apply("broadcast", be64.exp(x), shape=(2, 3, 4)) * y, [x, y], be64)
    check_grads(apply("broadcast", x, shape=(3, 4)), [x], be64)


@pytest.mark.parametrize(
    ("starts", "steps", "shape"),
    [((0, 0), (1, 1), (2, 3)), ((1, 0), (1, 2), (2, 2)), ((2, 3), (-1, -2), (3, 2))],
    ids=str,
)
def test_slice_and_pad_region(be64, values, starts, steps, shape):
    x = values(3, 4)
    cut = apply("slice", x * x, starts=starts, steps=steps, shape=shape)
    check_grads(cut, [x], be64)
    check_grads(be64.sum(be64.exp(cut), axis=0) + cut, [x], be64)
    y = values(*shape)
    put = apply("pad_region", y * y, starts=starts, steps=steps, shape=(3, 4))
    check_grads(put * x, [x, y], be64)
    check_grads(be64.sum(put), [y], be64)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("picked", [[0, 2, 2], [1], [2, 1, 0, 1, 2]], ids=str)
def test_take_and_scatter_add(be64, values, axis, picked):
    x, indices = values(3, 3), be64.array(np.array(picked), dtype=np.int32)
    check_grads(be64.take(x * x, indices, axis), [x], be64)
    check_grads(be64.sum(be64.take(be64.exp(x), indices, axis)), [x], be64)
    g = values(*((len(picked), 2) if axis == 0 else (2, len(picked))))
    check_grads(apply("scatter_add", g * g, indices, axis=axis, size=3), [g], be64)


def test_take_gives_nothing_to_an_index_out_of_range(be64, values):
    x, indices = values(3, 2), be64.array(np.array([0, 7, -1]), dtype=np.int32)
    check_grads(be64.take(x, indices, 0) * 2, [x], be64)


def test_fancy_indexing_of_a_tensor(be64, values):
    x = values(4, 3)
    check_grads(x[[3, 1, 1], 1:] * x[:3, :2], [x], be64)


@pytest.mark.parametrize("left", ["plain", "view", "node"])
@pytest.mark.parametrize("right", ["plain", "view", "node"])
def test_dot_in_all_transposes(be64, values, left, right):
    a = values(2, 3) if left == "plain" else values(3, 2)
    b = values(3, 4) if right == "plain" else values(4, 3)
    x = {"plain": a, "view": a.T, "node": (a * 1.5).T}[left]
    y = {"plain": b, "view": b.T, "node": (b * 1.5).T}[right]
    check_grads(be64.dot(x, y), [a, b], be64)
    check_grads(be64.tanh(be64.dot(x, y)) + 1, [a, b], be64)


def test_dot_whose_gradient_has_equal_rows_or_columns(be64, values):
    a, b = values(2, 3), values(3, 4)
    for axes in ((0,), (1,), (0, 1)):
        check_grads(be64.exp(apply("sum", be64.dot(a, b), axes=axes)), [a, b], be64)
    check_grads(be64.dot(a, values(3, 1)) * values(1, 4), [a], be64)
    check_grads(be64.dot(values(1, 3), b) * values(2, 1), [b], be64)


def test_dot_with_itself_and_with_a_number(be64, values):
    a = values(3, 3)
    check_grads(be64.dot(a, a) + be64.dot(a, a.T), [a], be64)
    row = values(1, 4)
    check_grads(be64.dot(2.0, row) * be64.dot(row.T, 3.0).T, [row], be64)


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5))], ids=str
)
def test_batched_dot(be64, values, shapes, reduce):
    a, b = values(*shapes[0]), values(*shapes[1])
    product = apply("batched_dot", a, b, reduce=reduce)
    check_grads(product, [a, b], be64)
    check_grads(be64.sum(product), [a, b], be64)
    check_grads(be64.tanh(product * 0.2), [a, b], be64)


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("perm", [(0, 2, 1), (1, 2, 0), (2, 1, 0)], ids=str)
def test_transpose_whose_gradient_has_a_lower_rank(be64, values, perm, view):
    x = values(2, 3, 4)
    moved = x.permute(perm) if view else apply("transpose", x * 1.0, perm=perm)
    y = values(*moved.shape[1:])
    # without an error from above the gradient of the product is y itself, of rank 2
    found = Autodiff(be64.sum(moved * y), be64).get_grad_asnumpyarray([x])[0]
    back = np.argsort(perm)
    np.testing.assert_allclose(found, np.broadcast_to(y.get(), moved.shape).transpose(back))
