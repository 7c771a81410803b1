"""Compiled statements against the evaluator, on random trees with aliased targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neonport.backends.host import threads
from neonport.optree.node import apply
from neonport.tensor.storage import views_overlap

SHAPES = [(1, 1), (3, 5), (17, 33), (1, 40), (40, 1), (2, 1500), (130, 7)]
UNARY = ["neg", "abs", "sgn", "sqr", "exp", "safelog", "sig", "tanh", "finite", "sig2", "tanh2"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "lt", "ge", "eq"]
REDUCE = ["sum", "max", "min", "var"]


def leaves(be, shape, seed):
    """Tensors that broadcast to `shape`: contiguous, views, transposed, other dtypes."""
    rng = np.random.RandomState(seed)
    m, n = shape

    def make(*size, dtype="float32"):
        return be.array(rng.normal(size=size), dtype=dtype)

    big = make(2 * m + 1, n + 3)
    return [
        make(m, n),
        make(m, n),
        make(m, n, dtype="float16"),
        make(m, n, dtype="int8"),
        make(m, 1),
        make(1, n),
        make(1, 1),
        big[1 : 2 * m : 2, 2 : n + 2],
        big[2 * m : 0 : -2, 2 : n + 2],
        make(n, m).T,
    ]


def build(draw, be, tensors, shape, depth):
    """A random tree that broadcasts to `shape`."""
    kind = draw(st.integers(0, 9)) if depth else 0
    if kind == 0:
        return draw(st.sampled_from(tensors))
    if kind < 4:
        return apply(draw(st.sampled_from(UNARY)), build(draw, be, tensors, shape, depth - 1))
    if kind < 7:
        left = build(draw, be, tensors, shape, depth - 1)
        right = draw(st.sampled_from([2.0, -0.5, None]))
        right = build(draw, be, tensors, shape, depth - 1) if right is None else right
        return apply(draw(st.sampled_from(BINARY)), left, right)
    if kind == 7:
        parts = [build(draw, be, tensors, shape, depth - 1) for _ in range(3)]
        return apply("where", *parts)
    x = build(draw, be, tensors, shape, depth - 1)
    axes = draw(st.sampled_from([(0,), (1,), (0, 1)]))
    return apply(draw(st.sampled_from(REDUCE)), x, axes=axes)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_compiled_equals_evaluated(cpu, data):
    shape = data.draw(st.sampled_from(SHAPES))
    tensors = leaves(cpu, shape, data.draw(st.integers(0, 3)))
    pairs = []
    for _ in range(data.draw(st.integers(1, 3))):
        tree = build(data.draw, cpu, tensors, shape, data.draw(st.integers(1, 6)))
        fits = [t for t in tensors if t.shape == tree.shape]
        fits = [t for t in fits if not any(views_overlap(t, other) for other, _ in pairs)]
        target = data.draw(st.sampled_from([*fits, cpu.empty(tree.shape)]))
        pairs.append((target, tree))
    roots = [t._original_base for t in tensors] + [t._original_base for t, _ in pairs]
    before = [r.get() for r in roots]
    cpu.executor.interpret(pairs)
    expected = [r.get() for r in roots]
    for root, values in zip(roots, before, strict=True):
        root.set(values)
    cpu.executor.run(pairs)
    for root, want in zip(roots, expected, strict=True):
        compare(root.get(), want)


def compare(got, want):
    """Within rounding; what is next to a jump (comparisons) may fall on its other side."""
    got, want = got.astype(np.float64), want.astype(np.float64)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        same |= np.abs(got - want) <= 2e-2 * (1e-3 + np.abs(want))
    wrong = np.count_nonzero(~same)
    assert wrong <= max(2, 0.02 * same.size), (got[~same][:5], want[~same][:5])


@pytest.mark.parametrize("shape", [(3, 400_000), (1, 2_000_000), (400_000, 3), (64, 5000)])
@pytest.mark.parametrize("axis", [0, 1])
def test_large_reductions_whole_and_in_chunks(cpu, shape, axis):
    values = np.random.RandomState(0).normal(size=shape).astype(np.float32)
    values[shape[0] // 2, shape[1] // 2] = 9.0
    x = cpu.array(values)
    wide = values.astype(np.float64)
    for name, truth in {
        "sum": wide.sum(axis, keepdims=True),
        "max": wide.max(axis, keepdims=True),
        "min": wide.min(axis, keepdims=True),
        "var": wide.var(axis, keepdims=True),
        "argmax": np.expand_dims(wide.argmax(axis), axis),
    }.items():
        got = getattr(cpu, name)(x, axis=axis).get()
        np.testing.assert_allclose(got, truth, rtol=2e-5, atol=2e-3)
    softmax = np.exp(wide - wide.max(axis, keepdims=True))
    softmax /= softmax.sum(axis, keepdims=True)
    np.testing.assert_allclose(cpu.fprop_softmax(x, axis).get(), softmax, rtol=1e-5, atol=1e-9)


def test_the_number_of_threads_does_not_change_a_bit(cpu):
    x = cpu.array(np.random.RandomState(0).normal(size=(5, 300_000)))
    tree = cpu.fprop_softmax(cpu.tanh(x), 1) + cpu.var(x, axis=1)
    before = threads.num_threads()
    results = []
    try:
        for count in (1, 2, 3, 7):
            threads.set_num_threads(count)
            results.append(tree.get().tobytes())
            results.append(tree.get().tobytes())
    finally:
        threads.set_num_threads(before)
    assert len(set(results)) == 1


def test_numbers_that_become_equal_or_differ_are_told_apart(cpu):
    x = cpu.array(np.ones((2, 2)))
    y = cpu.empty((2, 2))
    for a, b in [(2.0, 2.0), (2.0, 3.0), (3.0, 3.0), (0.0, -0.0), (float("nan"), 1.0), (1, 1.0)]:
        y[:] = (x * a) + 1.0 / (x * b)
        with np.errstate(divide="ignore"):
            expected = np.float32(a) + np.float32(1) / np.float32(b)
        np.testing.assert_array_equal(y.get(), np.full((2, 2), expected))


def test_a_zero_that_changes_its_sign_is_another_number(cpu):
    x, y = cpu.array(np.ones((2, 3))), cpu.empty((2, 3))
    for zero in (0.0, -0.0, 0.0, 0, -0.0):
        y[:] = 1.0 / (x * zero)
        assert np.all(y.get() == np.copysign(np.inf, zero))


def test_a_new_learning_rate_compiles_nothing(cpu):
    p, g = cpu.array(np.ones((4, 4))), cpu.array(np.ones((4, 4)))
    p[:] = p - 0.1 * g
    before = cpu.device._jit.compiler.compiled
    for rate in (0.2, 0.05, 1e-8):
        p[:] = p - rate * g
    assert cpu.device._jit.compiler.compiled == before


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (70, 300), (2, 200_000)])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_variance_of_what_the_same_statement_overwrites(cpu, shape, axis):
    values = np.random.RandomState(0).normal(size=shape).astype(np.float32)
    x, other = cpu.array(values), cpu.array(values * 0.5)
    spread = cpu.empty(values.var(axis, keepdims=True).shape)
    cpu.assign_many([(spread, cpu.var(x, axis=axis)), (x, other + 1.0)])
    np.testing.assert_allclose(spread.get(), values.var(axis, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(x.get(), values * np.float32(0.5) + 1)
