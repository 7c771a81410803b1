"""Ops that pass nothing on, ops that refuse, ties, and sources."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.autodiff.vjps import ZERO
from neonport.errors import NotDifferentiableError
from neonport.ops.op import OPS, Kind
from neonport.optree.node import apply
from neonport.testing import check_grads
from neonport.transforms import Explin, Rectlin, Rectlinclip


def grads(tree, be, tensors):
    return Autodiff(tree, be).get_grad_asnumpyarray(tensors)


@pytest.mark.parametrize("op", sorted(n for n in ZERO if OPS[n].kind is Kind.ELEMENTWISE))
def test_steps_have_no_gradient(be64, values, op):
    x = values(2, 3, low=-1.5)
    y = values(2, 3)
    operands = (x, y)[: OPS[op].arity]
    found = grads(apply(op, *operands) * y, be64, [x, y])
    step = be64.zeros((2, 3))
    step[:] = apply(op, *operands)
    np.testing.assert_array_equal(found[0], np.zeros((2, 3)))
    np.testing.assert_array_equal(found[1], step.get())


@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_positions_have_no_gradient(be64, values, op):
    x = values(2, 3)
    picked = apply(op, x, axes=(1,))
    found = grads(picked * be64.exp(x), be64, [x])[0]
    position = (np.argmax if op == "argmax" else np.argmin)(x.get(), axis=1)[:, None]
    np.testing.assert_allclose(found, position * np.exp(x.get()))


def test_onehot_of_open_size_is_a_constant(be64, values):
    y = values(3, 4)
    labels = be64.array(np.array([2, 0, 1, 1]), dtype=np.int32)
    found = grads(y * be64.onehot(labels, axis=0), be64, [y])[0]
    np.testing.assert_array_equal(found, np.eye(3)[:, [2, 0, 1, 1]])
    check_grads(be64.log(be64.sum(y * be64.onehot(labels, axis=0), axis=0)), [y], be64)


def test_onehot_decides_its_size_from_next_error(be64, values):
    row, error = values(1, 4), values(3, 4)
    labels = be64.array(np.array([2, 0, 1, 1]), dtype=np.int32)
    tree = row * be64.onehot(labels, axis=0)
    found = Autodiff(tree, be64, next_error=error).get_grad_asnumpyarray([row])[0]
    chosen = error.get()[[2, 0, 1, 1], range(4)][None]
    np.testing.assert_allclose(found, chosen)
    with pytest.raises(ValueError, match=r"only known on assignment.*classes="):
        Autodiff(tree, be64)


def test_rand_is_a_constant_source(be64, values):
    x = values(40, 50)
    found = grads(x * be64.rand(), be64, [x])[0]
    assert 0 <= found.min() < 0.1
    assert 0.9 < found.max() < 1
    assert 0.4 < found.mean() < 0.6


def test_indices_and_conditions_get_nothing(be64, values):
    x, c = values(3, 3), values(3, 3)
    indices = be64.array(np.array([0, 2]), dtype=np.int32)
    for tree in (be64.take(x, indices, 1), be64.where(c, x, 1.0)):
        for found in grads(be64.sum(tree) * 1.0, be64, [indices, c]):
            assert not found.any()


def test_shift_refuses_and_says_so_on_request(be64, values):
    x, s, y = values(2, 2), values(2, 2), values(2, 2)
    tree = be64.exp(apply("shift", x * 2, s)) * y + s
    ad = Autodiff(tree, be64)
    for tensor in (x, s):
        with pytest.raises(
            NotDifferentiableError, match=r"shift: has no derivative.*differentiate"
        ):
            ad.get_grad_op_tree([tensor])
    before = be64.ones((2, 2))
    with pytest.raises(NotImplementedError):
        ad.back_prop_grad([y, x], [before, be64.empty((2, 2))])
    np.testing.assert_array_equal(before.get(), 1)
    # the others do not go through it
    np.testing.assert_allclose(ad.get_grad_tensor([y])[0].get(), _value(be64, tree, s, y))


def _value(be, tree, s, y):
    out = be.empty(y.shape)
    out[:] = (tree - s) / y
    return out.get()


def test_a_shift_behind_a_step_is_harmless(be64, values):
    x, s = values(2, 2), values(2, 2)
    found = grads((apply("shift", x, s) > 0.5) * s, be64, [x, s])
    assert not found[0].any()


def test_a_shift_blocks_no_conditions_and_indices(be64, values):
    x, c, s = values(2, 2), values(2, 2), values(2, 2)
    indices = be64.array(np.array([0, 1]), dtype=np.int32)
    tree = apply("shift", be64.where(c, be64.take(x, indices, 0), 1.0), s)
    ad = Autodiff(tree, be64)
    for found in ad.get_grad_asnumpyarray([c, indices]):
        assert not found.any()
    with pytest.raises(NotDifferentiableError):
        ad.get_grad_op_tree([x])


TIED = [1.0, 2.0, 2.0, 3.0]


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_a_tie_is_shared_equally(be64, op):
    x, y = be64.array([TIED]), be64.array([[2.0, 2.0, 2.0, 2.0]])
    sign = 1 if op == "maximum" else -1
    found = grads(5 * apply(op, x, y), be64, [x, y])
    np.testing.assert_array_equal(found[0], 2.5 * (1 + sign * np.sign(x.get() - y.get())))
    np.testing.assert_array_equal(found[0] + found[1], np.full((1, 4), 5.0))
    np.testing.assert_array_equal(grads(apply(op, x, x), be64, [x])[0], np.ones((1, 4)))
    wide = be64.array([[2.0], [3.0]])  # summed over the axis along which x was repeated
    found = grads(apply(op, wide, x), be64, [wide, x])
    assert found[0].sum() + found[1].sum() == 8


@pytest.mark.parametrize(("op", "expected"), [("max", [0, 0, 0, 1]), ("min", [1, 0, 0, 0])])
def test_tied_elements_share_equally(be64, op, expected):
    x = be64.array([TIED])
    np.testing.assert_array_equal(grads(apply(op, x, axes=(1,)), be64, [x])[0], [expected])
    even = be64.array([[2.0, 2.0, 1.0], [7.0, 7.0, 7.0]])
    found = grads(3 * apply(op, even, axes=(1,)), be64, [even])[0]
    first = [1.5, 1.5, 0] if op == "max" else [0, 0, 3]
    np.testing.assert_array_equal(found, [first, [1, 1, 1]])
    found = grads(apply(op, be64.array([[3.0], [3.0]]) * even * 0.0, axes=(0, 1)), be64, [even])
    assert not found[0].any()
    (found,) = grads(be64.norm(even, ord=np.inf), be64, [even])
    np.testing.assert_allclose(found, [[0, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_a_number_takes_the_tie(be64):
    x = be64.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    for tree in (be64.maximum(x, 0.0), be64.maximum(0, x), Rectlin()(x)):
        found = grads(tree, be64, [x])[0]
        np.testing.assert_array_equal(found, Rectlin().bprop(x).get())
        np.testing.assert_array_equal(found, [[0, 0, 0, 1, 1]])
    leaky = Rectlinclip(slope=0.5, xcut=1.0)
    found = grads(leaky(x), be64, [x])[0]
    np.testing.assert_array_equal(found, [[0.5, 0.5, 0, 0, 0]])
    np.testing.assert_array_equal(found, leaky.bprop(leaky(x)).get())
    np.testing.assert_array_equal(grads(be64.minimum(x, 1.0), be64, [x])[0], [[1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(grads(be64.clip(x, -1, 1), be64, [x])[0], [[0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(
        grads(Explin()(x), be64, [x])[0], Explin().bprop(Explin()(x)).get()
    )


def test_logaddexp_of_equals(be64):
    x = be64.array([[-np.inf, np.inf, 0.0, 700.0, -np.inf]])
    y = be64.array([[-np.inf, np.inf, 0.0, 700.0, 3.0]])
    found = grads(be64.logaddexp(x, y), be64, [x, y])
    np.testing.assert_array_equal(found[0], [[0.5, 0.5, 0.5, 0.5, 0]])
    np.testing.assert_array_equal(found[1], [[0.5, 0.5, 0.5, 0.5, 1]])


def test_abs_and_steps_at_zero(be64):
    x = be64.array([[-1.0, 0.0, 2.0]])
    np.testing.assert_array_equal(grads(abs(x), be64, [x])[0], [[-1, 0, 1]])


def test_safelog_is_flat_below_its_floor(be64):
    x = be64.array([[-1.0, 0.0, 1e-30, 1e-10, 0.5]])
    np.testing.assert_allclose(grads(be64.safelog(x), be64, [x])[0], [[0, 0, 0, 1e10, 2]])
