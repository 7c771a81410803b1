"""Gradients of trees with random nodes are those of the value that was seen."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff import Autodiff
from neonport.testing.gradcheck import check_grads

SHAPE = (6, 7)


@pytest.fixture(params=["compiled", "evaluated"])
def be(request, make_backend, quick_backend):
    make = make_backend if request.param == "compiled" else quick_backend
    return make(rng_seed=5, batch_size=4)


@pytest.fixture
def x(be):
    return be.array(np.arange(1.0, 43.0).reshape(SHAPE))


def value(be, tree):
    """What one run of a tree gives."""
    out = be.empty(SHAPE)
    out[:] = tree
    return out.get()


def gradient(be, tree, x, next_error=None):
    """What one run of the gradient gives."""
    return Autodiff(tree, be, next_error).get_grad_asnumpyarray([x])[0]


@pytest.mark.parametrize("shape", [SHAPE, None, (1, 7)], ids=str)
def test_the_gradient_has_the_mask_of_the_value_that_was_run(be, x, shape):
    y = x * (be.rand(shape=shape) < 0.5)
    seen = []
    for _ in range(4):  # a remembered statement must follow as well
        mask = value(be, y) / x.get()
        seen.append(mask)
        assert 0 < mask.sum() < mask.size
        np.testing.assert_array_equal(gradient(be, y, x), mask)
        np.testing.assert_array_equal(gradient(be, y, x), mask)
    assert any((mask != seen[0]).any() for mask in seen)


def test_one_node_is_one_draw_within_a_statement(be):
    r = be.rand()
    a, b, c = be.empty(SHAPE), be.empty(SHAPE), be.empty(SHAPE)
    before = be.rng_get_state()[1][2]
    be.assign_many([(a, r), (b, r * 2.0), (c, r - r)])
    np.testing.assert_array_equal(b.get(), a.get() * 2)
    assert not c.get().any()
    assert be.rng_get_state()[1][2] == before + 11  # 42 numbers, four in a block


def test_a_gradient_draws_nothing_after_the_value(be, x):
    y = x * be.rand(shape=SHAPE)
    value(be, y)
    before = be.rng_get_state()
    gradient(be, y, x)
    assert before[1] == be.rng_get_state()[1]


def test_value_and_gradient_in_one_statement(be, x):
    y = x * be.rand(shape=SHAPE)
    (g,) = Autodiff(y, be).get_grad_op_tree([x])
    a, b = be.empty(SHAPE), be.empty(SHAPE)
    for _ in range(3):
        be.assign_many([(b, g), (a, y)])
        np.testing.assert_allclose(a.get(), b.get() * x.get(), rtol=1e-6)


def test_gradients_without_a_value_share_the_draw_of_their_run(be, x):
    w = be.ones(SHAPE)
    y = (x + w) * (be.rand(shape=SHAPE) < 0.5)
    runs = [Autodiff(y, be).get_grad_asnumpyarray([x, w]) for _ in range(5)]
    for dx, dw in runs:
        np.testing.assert_array_equal(dx, dw)
        assert 0 < dx.sum() < dx.size
    # trained by gradients alone, noise has to be new in each step
    assert any((dx != runs[0][0]).any() for dx, _ in runs)


def test_gradients_of_the_second_order(be, x):
    r = be.rand(shape=SHAPE)
    y = x * x * x * r
    for _ in range(2):
        noise = value(be, y) / x.get() ** 3
        (g,) = Autodiff(y, be).get_grad_op_tree([x])
        np.testing.assert_allclose(gradient(be, g, x), 6 * x.get() * noise, rtol=1e-5)


def test_the_gradient_of_a_gradient_that_was_run_alone(be, x):
    y = x * x * x * be.rand(shape=SHAPE)
    (g,) = Autodiff(y, be).get_grad_op_tree([x])
    for _ in range(3):
        noise = value(be, g) / (3 * x.get() ** 2)
        np.testing.assert_allclose(gradient(be, g, x), 6 * x.get() * noise, rtol=1e-5)
        (h,) = Autodiff(g, be).get_grad_op_tree([x])
        np.testing.assert_allclose(gradient(be, h, x), 6 * noise, rtol=1e-5)


def test_a_loss_of_value_and_gradient(be, x):
    y = x * x * be.rand(shape=SHAPE)
    (g,) = Autodiff(y, be).get_grad_op_tree([x])
    loss = y + g * g  # a gradient penalty
    for _ in range(2):
        seen, number = value(be, loss), x.get()
        # x^2 r + 4 x^2 r^2
        noise = (-1 + np.sqrt(1 + 16 * seen / number**2)) / 8
        want = 2 * number * noise + 8 * number * noise**2
        np.testing.assert_allclose(gradient(be, loss, x), want, rtol=1e-4)


def test_the_error_may_hold_the_value(be, x):
    y = x * (be.rand(shape=SHAPE) < 0.5)
    for _ in range(2):
        seen = value(be, y)
        np.testing.assert_array_equal(
            gradient(be, y, x, next_error=y + 1.0), (seen + 1) * (seen > 0)
        )


def test_rules_of_custom_gradients(be, x):
    mask = be.rand(shape=SHAPE) < 0.5
    inside = be.custom_gradient(x * mask, lambda g, x: g * mask * 3.0)
    for _ in range(2):
        seen = value(be, inside) / x.get()
        np.testing.assert_array_equal(gradient(be, inside, x), 3 * seen)
    # the tree that the rule of the user's holds may stand in the gradient alone
    noisy = be.custom_gradient(x * 2.0, lambda g, x: g * mask)
    value(be, mask * x)
    before = be.rng_get_state()[1]
    gradient(be, noisy, x)
    assert before == be.rng_get_state()[1]


def test_large_trees(be, x):
    y, r = x, be.rand(shape=SHAPE)
    for _ in range(100):
        y = y + x * r
    for _ in range(2):
        noise = (value(be, y) / x.get() - 1) / 100
        np.testing.assert_allclose(gradient(be, y, x), 1 + 100 * noise, rtol=1e-4)


def test_moved_and_reduced(be, x):
    r = be.rand(shape=SHAPE)
    y = be.sum(be.transpose(x * r), axis=0)
    out, again = be.empty((1, 6)), be.empty(SHAPE)
    for _ in range(2):
        be.assign_many([(out, y), (again, r)])
        np.testing.assert_array_equal(gradient(be, y, x), again.get())


def test_two_nodes_are_two_draws(be, x):
    first, second = be.rand(shape=SHAPE), be.rand(shape=SHAPE)
    a, b, y = be.empty(SHAPE), be.empty(SHAPE), x * first / (1.0 + second)
    be.assign_many([(a, first), (b, second)])
    assert (a.get() != b.get()).any()
    np.testing.assert_allclose(gradient(be, y, x), a.get() / (1 + b.get()), rtol=1e-6)


def test_a_draw_is_remembered_for_each_number_of_elements(be):
    r = be.rand()
    small, large = be.ones((2, 3)), be.ones(SHAPE)
    a, b = be.empty((2, 3)), be.empty(SHAPE)
    a[:] = small * r
    b[:] = large * r
    np.testing.assert_array_equal(gradient(be, small * r, small), a.get())
    np.testing.assert_array_equal(gradient(be, large * r, large), b.get())


def test_the_generator_may_be_moved_between_value_and_gradient(be, x):
    y = x * be.rand(shape=SHAPE)
    noise = value(be, y) / x.get()
    be.rng_reset()
    np.testing.assert_allclose(gradient(be, y, x), noise, rtol=1e-6)
    np.testing.assert_allclose(value(be, y) / x.get(), noise, rtol=1e-6)  # the same seed again


def test_recorded_steps(make_backend):
    be = make_backend(rng_seed=5, batch_size=4)
    x = be.array(np.arange(1.0, 43.0).reshape(SHAPE))
    y, dx, ddx, z, dz = (be.zeros(SHAPE) for _ in range(5))
    tree = x * x * (be.rand(shape=SHAPE) < 0.5)
    ad = Autodiff(tree, be)
    (g,) = ad.get_grad_op_tree([x])

    def step():
        y[:] = tree
        ad.back_prop_grad([x], [dx])
        Autodiff(g, be).back_prop_grad([x], [ddx])
        z[:] = tree  # a second run in one step: a draw of its own
        ad.back_prop_grad([x], [dz])

    run, masks = be.record(step), []
    for _ in range(5):
        run()
        mask = (y.get() > 0).astype("f")
        masks.append(mask)
        np.testing.assert_array_equal(dx.get(), 2 * x.get() * mask)
        np.testing.assert_array_equal(ddx.get(), 2 * mask)
        np.testing.assert_array_equal(dz.get(), 2 * x.get() * (z.get() > 0))
        assert (y.get() != z.get()).any()
    assert run.replays >= 3
    assert len({mask.tobytes() for mask in masks}) == 5


def test_against_finite_differences(be64, values):
    x = values(3, 4)
    noise = be64.rand() + be64.rand(shape=(1, 4))
    check_grads(be64.tanh(x * noise) * be64.sum(noise * x * x, axis=1), [x], be64)
