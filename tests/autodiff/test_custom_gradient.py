"""`be.custom_gradient`: trees whose gradient a function gives."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from neonport.autodiff.autodiff import Autodiff
from neonport.autodiff.instance_cache import MAX_ATTACHED
from neonport.errors import ConfigurationError, DtypeError, NotDifferentiableError, ShapeError
from neonport.initializers import Constant
from neonport.layers import OpTreeLayer
from neonport.optree.node import apply
from neonport.testing import check_grads


def gradients(be, tree, *wanted):
    return [t.get() for t in Autodiff(tree, be).get_grad_tensor(list(wanted))]


def test_the_value_is_that_of_the_tree_and_costs_no_kernel(be64, values):
    x = values(3, 4)
    tree = be64.tanh(x) * 2
    custom = be64.custom_gradient(tree, lambda g, x: g)
    np.testing.assert_array_equal(custom.get(), tree.get())
    assert str(be64.explain(be64.exp(custom) + 1)) == str(be64.explain(be64.exp(tree) + 1))


def test_a_rule_takes_the_place_of_the_derivative(be64, values):
    x = values(3, 4)
    tree = be64.custom_gradient(be64.rint(x), lambda g, x: g * 5)
    (found,) = gradients(be64, tree * x, x)
    np.testing.assert_allclose(found, 5 * x.get() + np.rint(x.get()))


def test_a_rule_that_is_the_derivative_passes_finite_differences_of_both_orders(be64, values):
    x, y = values(3, 4), values(3, 1, low=0.3)

    def right(g, x, y):  # of x * x * y
        return g * 2 * x * y, be64.sum(g * x * x, axis=1)

    def f(x, y):
        inner = be64.custom_gradient(x * x * y, right)
        return be64.exp(inner * 0.3) * x

    check_grads(f, [x, y], be64)


def test_operands_are_the_tensors_in_the_order_of_first_use(be64, values):
    x, y, z = (values(2, 2) for _ in range(3))
    seen = []

    def rule(g, *operands):
        seen.extend(operands)
        return 1.0, None, g * 3

    tree = be64.custom_gradient(y * x + z * y, rule)
    found = gradients(be64, tree, x, y, z)
    assert [t is u for t, u in zip(seen, (y, x, z), strict=True)] == [True] * 3
    for gradient, value in zip(found, (0, 1, 3), strict=True):
        np.testing.assert_array_equal(gradient, np.full((2, 2), value))


def test_an_operand_may_be_a_part_of_the_tree_or_the_tree(be64, values):
    x, w = values(3, 4), values(3, 4)
    inner = be64.square(x)
    tree = be64.custom_gradient(w * inner, lambda g, inner: g * 10, operands=[inner])
    found = gradients(be64, tree, x, w)
    np.testing.assert_allclose(found[0], 10 * 2 * x.get())
    np.testing.assert_array_equal(found[1], np.zeros((3, 4)))  # not below the operand
    whole = w * be64.square(x)
    turned = be64.custom_gradient(whole, lambda g, whole: -g, operands=[whole])
    np.testing.assert_allclose(gradients(be64, turned, w)[0], -(x.get() ** 2))


def test_a_tensor_alone(be64, values):
    x = values(3, 4)
    turned = be64.custom_gradient(x, lambda g, x: -g)  # a gradient reversal
    np.testing.assert_allclose(gradients(be64, be64.square(turned), x)[0], -2 * x.get())


def test_g_is_the_whole_gradient_of_the_result(be64, values):
    x, w = values(3, 4), values(3, 4)
    shapes = []

    def rule(g, x):
        shapes.append(g.shape)
        return g / be64.sqrt(be64.sum(be64.square(g)))  # to length 1

    for tree in (
        be64.sum(be64.custom_gradient(x * 2, rule)),
        be64.custom_gradient(x * 2, rule) * w,
    ):
        (found,) = gradients(be64, tree, x)
        np.testing.assert_allclose(np.sqrt((found**2).sum()), 1, rtol=1e-12)
    assert shapes == [(3, 4)] * 2


def test_shared_by_several_users_the_rule_sees_their_sum_once(be64, values):
    x, calls = values(3, 4), []

    def rule(g, x):
        calls.append(1)
        return g

    shared = be64.custom_gradient(be64.rint(x), rule)
    (found,) = gradients(be64, shared * 2 + shared * x + shared, x)
    assert calls == [1]
    np.testing.assert_allclose(found, 3 + x.get() + np.rint(x.get()))


def test_nested(be64, values):
    x = values(3, 4)
    inner = be64.custom_gradient(be64.exp(x), lambda g, x: g * 2)
    outer = be64.custom_gradient(be64.sqrt(inner), lambda g, inner: g * 3, operands=[inner])
    np.testing.assert_array_equal(gradients(be64, outer, x)[0], np.full((3, 4), 6.0))
    # over the tensors, the rule of the outer one alone counts
    outer = be64.custom_gradient(be64.sqrt(inner), lambda g, x: g * 3)
    np.testing.assert_array_equal(gradients(be64, outer, x)[0], np.full((3, 4), 3.0))


def test_views_and_movements_keep_the_rule(be64, values):
    x = values(3, 4)
    custom = be64.custom_gradient(x.T, lambda g, xt: g * 7)
    np.testing.assert_array_equal(gradients(be64, custom.T, x)[0], np.full((3, 4), 7.0))
    for moved in (
        apply("reshape", custom, shape=(2, 6)),
        apply("broadcast", custom, shape=(2, 4, 3)),
    ):
        # of second order the moved tree is an operand of the rows, which join movements
        tree = moved * moved
        first = Autodiff(tree, be64).get_grad_op_tree([x])[0]
        n = 1 if len(moved.shape) == 2 else 2
        np.testing.assert_allclose(first.get(), 7 * 2 * x.get() * n)
        np.testing.assert_allclose(gradients(be64, first, x)[0], np.full((3, 4), 7 * 7 * 2.0 * n))


def test_equal_trees_with_other_rules_or_none_are_told_apart(be64, values):
    x = values(3, 4)
    tree = be64.exp(x)
    twice, thrice = lambda g, x: g * 2, lambda g, x: g * 3
    found = [
        gradients(be64, be64.custom_gradient(tree, rule), x)[0][0, 0]
        for rule in (twice, thrice, twice)
    ]
    assert found == [2, 3, 2]
    np.testing.assert_allclose(gradients(be64, apply("reshape", tree, shape=(3, 4)), x)[0], tree)
    y = values(3, 4)
    both = x * y
    rule = lambda g, z: g * 2  # noqa: E731
    for given, wanted in (([x], (2, 0)), ([y], (0, 2))):
        found = gradients(be64, be64.custom_gradient(both, rule, given), x, y)
        assert tuple(f[0, 0] for f in found) == wanted


def test_a_rule_defined_once_finds_statements_and_gradients_again(be64, values):
    x, out = values(3, 4), be64.empty((3, 4))

    def rule(g, x):
        return g * 2

    def step():
        tree = be64.custom_gradient(be64.rint(x), rule)
        out[:] = tree * 1.5
        return tree

    trees = [step() for _ in range(3)]
    assert len({id(t.sig) for t in trees}) == 1
    assert len({id(Autodiff(t, be64)) for t in trees}) == 1

    class Owner:
        def rule(self, g, x):
            return g

    owner = Owner()
    sigs = [be64.custom_gradient(x, owner.rule).sig for _ in range(2)]
    assert sigs[0] is sigs[1]


def test_a_rule_is_not_kept_alive(be64, values):
    x = values(3, 4)

    def make():
        held = values(3, 4)

        def rule(g, x):
            return g * held

        tree = be64.custom_gradient(be64.rint(x), rule)
        gradients(be64, tree, x)
        return weakref.ref(rule)

    rule = make()
    gc.collect()
    assert rule() is None


@pytest.mark.parametrize("method", [False, True])
def test_rules_that_are_gone_leave_nothing_behind(be64, values, method):
    class Rule:
        def give(self, g, x):
            return g * 5

    x = values(3, 4)
    tree = x * 2.0
    structure = apply("reshape", tree, shape=(3, 4)).sig
    for _ in range(100):
        rule = Rule().give if method else (lambda g, x: g * 5)
        (found,) = gradients(be64, be64.custom_gradient(tree, rule), x)
        assert (found == 5).all()
        del rule
    gc.collect()
    left = [key for key in structure.derived if "custom_gradient" in str(key[0])]
    assert (
        len(left) <= MAX_ATTACHED
    )  # gradients that the memory of x keeps, in case they come again


def test_numbers_above_it_count(be64, values):
    x, out = values(3, 4), be64.empty((3, 4))
    for factor in (2.0, 3.0):  # one structure, other numbers: the second is a warm statement
        out[:] = be64.custom_gradient(x * factor, _double)
        np.testing.assert_allclose(out.get(), x.get() * factor)


def _double(g, x):
    return g * 2


class Step(OpTreeLayer):
    """Rounds, with the gradient of the identity."""

    def forward(self, x):
        gain = self.parameter("gain", (x.shape[0], 1), Constant(2.0))
        return self.be.custom_gradient(self.be.rint(x * gain), self.straight_through)

    def straight_through(self, g, x, gain):
        return g * gain, self.be.sum(g * x, axis=1)


def test_in_an_op_tree_layer(make_backend):
    be = make_backend(batch_size=4, rng_seed=0)
    layer = Step()
    layer.be = be
    layer.configure(3)
    layer.allocate()
    layer.set_deltas([be.iobuf(3)]) if layer.deltas is None else None
    x = np.random.RandomState(0).normal(size=(3, 4)).astype("f")
    error = np.random.RandomState(1).normal(size=(3, 4)).astype("f")
    out = layer.fprop(be.array(x)).get()
    np.testing.assert_array_equal(out, np.rint(x * 2))
    layer.bprop(be.array(error))
    np.testing.assert_allclose(
        layer.parameters["gain"].gradient.get()[:, 0], (error * x).sum(axis=1), rtol=1e-5
    )


# ---- mistakes ----------------------------------------------------------------------------------


def test_mistakes_when_it_is_made(be64, values):
    x, other = values(3, 4), values(3, 4)
    with pytest.raises(ConfigurationError, match="must be a function"):
        be64.custom_gradient(x * 2, 3)
    with pytest.raises(ConfigurationError, match="operand 1 is not in the tree"):
        be64.custom_gradient(x * 2, _double, operands=[x, other])
    with pytest.raises(ConfigurationError, match="each once"):
        be64.custom_gradient(x * 2, _double, operands=[x, x])
    with pytest.raises(ConfigurationError, match="each once"):
        be64.custom_gradient(x * 2, _double, operands=[])
    with pytest.raises(ShapeError, match="only known on assignment"):
        be64.custom_gradient(be64.onehot([1, 2], axis=0) * 2, _double)
    with pytest.raises(DtypeError, match="custom_gradient"):
        be64.custom_gradient(2.0, _double)


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        (lambda g, x, y: g, ConfigurationError, "gave 1 gradients for 2 operands"),
        (lambda g, x, y: (g, g), ShapeError, r"shape \(3, 4\) for an operand of shape \(3, 1\)"),
        (lambda g, x, y: (g, np.ones((3, 1))), DtypeError, "be.array"),
    ],
)
def test_mistakes_of_a_rule(be64, values, rule, error, words):
    x, y = values(3, 4), values(3, 1)
    tree = be64.custom_gradient(x * y, rule)
    with pytest.raises(error, match=words):
        Autodiff(tree, be64).get_grad_op_tree([x])


def test_what_has_no_derivative_above_it_is_still_an_error(be64, values):
    x, y = values(3, 4), values(3, 4)
    tree = be64.custom_gradient(x * y, lambda g, x, y: (g, None))
    blocked = apply("shift", tree, 2.0)
    with pytest.raises(NotDifferentiableError, match="shift"):
        Autodiff(blocked, be64).get_grad_op_tree([x])
    (zeros,) = gradients(be64, blocked, y)
    np.testing.assert_array_equal(zeros, np.zeros((3, 4)))


def test_a_gradient_that_comes_from_above_keeps_its_rule(be64, values):
    x, w = values(3, 4), values(2, 6)
    above = be64.custom_gradient(w, lambda g, w: g * 7)
    tree = apply("reshape", x * x, shape=(2, 6))
    first = Autodiff(tree, be64, next_error=above).get_grad_op_tree([x])[0]
    np.testing.assert_allclose(first.get(), 2 * x.get() * w.get().reshape(3, 4))
    (second,) = gradients(be64, first, w)
    np.testing.assert_allclose(second, 7 * 2 * x.get().reshape(2, 6))
