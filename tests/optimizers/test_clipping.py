"""Clipping of gradients, by element and by common norm, and of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.optimizers import Adagrad, Adam, GradientDescentMomentum, RMSProp, get_param_list

CLIPPED = [
    lambda **k: GradientDescentMomentum(0.1, 0.9, **k),
    lambda **k: GradientDescentMomentum(0.1, 0.0, **k),
    RMSProp,
    Adagrad,
    Adam,
]


@pytest.mark.parametrize("make", CLIPPED)
@pytest.mark.parametrize("bound", [0.3])
def test_by_element_is_a_step_on_the_clipped_gradient(
    be: Any, make_layer: Any, make: Any, bound: float
) -> None:
    rng = np.random.RandomState(0)
    p, g = rng.normal(size=(6, 7)), rng.normal(size=(6, 7))
    clipped = make_layer(be, (p, g * be.bsz))
    reference = make_layer(be, (p, np.clip(g, -0.3, 0.3) * be.bsz))
    make(gradient_clip_value=bound).optimize([clipped], 0)
    make().optimize([reference], 0)
    np.testing.assert_allclose(clipped.W.get(), reference.W.get(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("make", CLIPPED)
def test_by_norm_shortens_the_step_but_not_the_moments(be: Any, make_layer: Any, make: Any) -> None:
    rng = np.random.RandomState(0)
    shapes = [(6, 7), (3, 1), (2, 3, 4)]
    pairs = [(rng.normal(size=s), rng.normal(size=s) * be.bsz) for s in shapes]
    norm = np.sqrt(sum((g**2).sum() for _, g in pairs)) / be.bsz
    clip = norm / 4
    clipped, free = make_layer(be, *pairs), make_layer(be, *pairs)
    make(gradient_clip_norm=clip).optimize([clipped], 0)
    make().optimize([free], 0)
    for (p, _), (a, s), (b, r) in zip(pairs, clipped.entries, free.entries, strict=True):
        short, full = a[0].get() - p, b[0].get() - p
        np.testing.assert_allclose(short, full / 4, rtol=0, atol=1e-6)
        if make in (RMSProp, Adagrad, Adam):
            for x, y in zip(s, r, strict=True):
                np.testing.assert_array_equal(x.get(), y.get())


def test_a_small_norm_changes_nothing(be: Any, make_layer: Any) -> None:
    pair = (np.ones((3, 3)), np.full((3, 3), 0.5))
    a, b = make_layer(be, pair), make_layer(be, pair)
    GradientDescentMomentum(0.1, 0.9, gradient_clip_norm=100.0).optimize([a], 0)
    GradientDescentMomentum(0.1, 0.9).optimize([b], 0)
    np.testing.assert_array_equal(a.W.get(), b.W.get())


@pytest.mark.parametrize("clip", [None, 0, 0.0])
def test_no_bound_no_factor(be: Any, make_layer: Any, clip: Any) -> None:
    optimizer = GradientDescentMomentum(0.1, 0.9)
    layer = make_layer(be, (np.ones((2, 2)), np.full((2, 2), 1e6)))
    assert optimizer.clip_gradient_norm(get_param_list([layer]), clip) == 1
    assert optimizer.clip_value(layer.W, clip) is layer.W


def test_squares_of_float16_gradients_do_not_overflow(make_backend: Any, make_layer: Any) -> None:
    be = make_backend(batch_size=1, dtype=np.float16)
    layer = make_layer(be, (np.zeros((10, 10)), np.full((10, 10), 1000.0)))
    scale = Adam().clip_gradient_norm(get_param_list([layer]), 5.0)
    assert scale == pytest.approx(5 / 1e4, rel=1e-3)


@pytest.mark.parametrize("make", CLIPPED)
def test_parameters(be: Any, make_layer: Any, make: Any) -> None:
    layer = make_layer(be, ([[-2.0, 0.1, 2.0]], [[0.0, 0.0, 0.0]]))
    make(param_clip_value=1.5).optimize([layer], 0)
    np.testing.assert_allclose(layer.W.get(), [[-1.5, 0.1, 1.5]], rtol=1e-6)


def test_lists_of_different_length_alternate(be: Any, make_layer: Any) -> None:
    optimizer = Adam()
    one = get_param_list([make_layer(be, ([[0.0]], [[3.0]]))])
    two = get_param_list([make_layer(be, ([[0.0]], [[3.0]]), ([[0.0]], [[4.0]]))])
    for _ in range(2):
        assert optimizer.clip_gradient_norm(one, 0.01) == pytest.approx(0.01 * be.bsz / 3)
        assert optimizer.clip_gradient_norm(two, 0.01) == pytest.approx(0.01 * be.bsz / 5)
