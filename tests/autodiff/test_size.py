"""Gradient trees stay small, and depth is no problem."""

from __future__ import annotations

import time

import numpy as np
import pytest

from neonport import Autodiff
from neonport.optree.node import walk


def size(*trees):
    """Number of distinct nodes."""
    return len(walk(*trees))


def softmax_cross_entropy(be, y, labels):
    e = be.exp(y - be.max(y, axis=0))
    p = e / be.sum(e, axis=0)
    return -be.sum(labels * be.log(p))


def test_softmax_cross_entropy(be):
    y, labels = be.ones((10, 32)), be.ones((10, 32))
    tree = softmax_cross_entropy(be, y, labels)
    assert size(tree) == 9
    gradient = Autodiff(tree, be).get_grad_op_tree([y])[0]
    assert size(gradient) <= 22


def test_batch_norm(be):
    x, gamma, beta, e = be.ones((9, 32)), be.ones((9, 1)), be.ones((9, 1)), be.ones((9, 32))
    tree = (x - be.mean(x, axis=1)) / be.sqrt(be.var(x, axis=1) + 1e-5) * gamma + beta
    assert size(tree) == 9
    gradients = Autodiff(tree, be, next_error=e).get_grad_op_tree([x, gamma, beta])
    assert size(*gradients) <= 28  # the reciprocals of the deviations are one
    assert [size(g) for g in gradients[1:]] == [9, 1]


def test_a_divisor_of_many_is_divided_by_once(be):
    x, many, one, e = be.ones((4, 6)), be.ones((4, 6)), be.ones((4, 1)), be.ones((4, 6))

    def divisions(divisor):
        (gradient,) = Autodiff(x / divisor, be, next_error=e).get_grad_op_tree([x])
        return [node.shape for node in walk(gradient) if getattr(node, "op", None) == "div"]

    assert divisions(one) == [(4, 1)]
    assert divisions(many) == [(4, 6)]


def test_a_linear_layer(be):
    w, x, b, e = be.ones((4, 3)), be.ones((3, 8)), be.ones((4, 1)), be.ones((4, 8))
    ad = Autodiff(be.dot(w, x) + b, be, next_error=e)
    dw, dx, db = ad.get_grad_op_tree([w, x, b])
    # transposes are views, so these are three plain products
    assert [size(g) for g in (dw, dx, db)] == [1, 1, 1]
    assert dw.left is e
    assert dx.right is e
    assert (dw.right.base, dx.left.base) == (x, w)


def test_a_sum_of_products_needs_no_product(be):
    w, x = be.ones((4, 3)), be.ones((3, 8))
    for gradient in Autodiff(be.sum(be.dot(w, x)), be).get_grad_op_tree([w, x]):
        assert "dot" not in {node.op for node in walk(gradient)}


@pytest.mark.parametrize(
    "make",
    [
        lambda be, x: x,
        lambda be, x: x * 1,
        lambda be, x: (x.T + 0).T,
        lambda be, x: be.sum(x),
        lambda be, x: be.mean(be.mean(x, axis=0)),
        lambda be, x: be.negative(-x),
    ],
)
def test_constant_gradients_are_one_node(be, make):
    x = be.ones((3, 4))
    assert size(Autodiff(make(be, x), be).get_grad_op_tree([x])[0]) == 1


def test_shared_parts_are_visited_once(be):
    x = be.array(np.array([[0.9]]))
    tree = x * 1.0
    for _ in range(60):  # 2^60 paths
        tree = tree * 0.5 + tree * 0.5
    gradient = Autodiff(tree, be).get_grad_op_tree([x])[0]
    assert size(gradient) < 60 * 4
    np.testing.assert_allclose(gradient.get(), 1, rtol=1e-5)


def test_a_deep_chain(be64):
    x = be64.array(np.array([[0.5, 1.5]]))
    tree = x
    for _ in range(2500):
        tree = be64.sqrt(tree + 0.5)
    start = time.process_time()
    gradient = Autodiff(tree, be64).get_grad_op_tree([x])[0]
    again = Autodiff(gradient, be64).get_grad_op_tree([x])[0]
    assert time.process_time() - start < 10
    assert size(tree) == 5000
    assert size(gradient) < 2.1 * 5000
    assert size(again) < 6.1 * 5000
    assert np.isfinite(gradient.get()).all()


def test_a_tensor_used_very_often(be64):
    x = be64.array(np.array([[2.0]]))
    tree = x * 1.0
    for k in range(1000):
        tree = tree + x * float(k)
    found = Autodiff(tree, be64).get_grad_asnumpyarray([x])[0]
    np.testing.assert_allclose(found, 1 + 999 * 500)
