"""Neon's calls over lists of steps, against the recurrence in one call."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ShapeError
from neonport.transforms import Tanh
from tests.ops.test_recurrence import operands

UNITS, STEPS, SAMPLES = 3, 4, 2


def steps_of(t, extra=0):
    """Views of the steps of a matrix."""
    return [t[:, k * SAMPLES : (k + 1) * SAMPLES] for k in range(STEPS + extra)]


@pytest.fixture
def sizes(be):
    """z, w, b, and buffers for states and gradients with a start in front or behind."""
    z, w, b, _ = (be.array(a) for a in operands("rnn", UNITS, STEPS, SAMPLES))
    return z, w, b


def before(h, start, reverse):
    return [*h[1:], start] if reverse else [start, *h[:-1]]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("used", [None, 3, 9])
@pytest.mark.parametrize("reverse", [False, True])
def test_forward(be, sizes, reverse, used, in_place):
    z, w, b = sizes
    count = min(used or STEPS, STEPS)
    out, start = be.zeros(z.shape), be.zeros((UNITS, SAMPLES))
    if in_place:
        out[:] = z
    h = steps_of(out)
    given = h if in_place else steps_of(z)
    # backwards, neon begins at what stands behind the last step that is used
    h0 = be.array(h[count].get()) if reverse and count < STEPS else None
    be.compound_rnn_unroll_fprop(
        w, before(h, start, reverse), given, h, b, UNITS, STEPS, used, Tanh(), reverse
    )
    columns = count * SAMPLES
    want = be.empty((UNITS, columns))
    want[:] = be.rnn(z[:, :columns], w, b, h0, steps=count, reverse=reverse)
    np.testing.assert_allclose(out.get()[:, :columns], want.get(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_backward(be, sizes, reverse):
    z, w, b = sizes
    h, e = be.empty(z.shape), be.array(np.random.RandomState(1).normal(size=z.shape))
    h[:] = be.rnn(z, w, b, steps=STEPS, reverse=reverse)
    want = be.empty((UNITS, (STEPS + 1) * SAMPLES))
    want[:] = be.rnn_backward(e, h, w, steps=STEPS, reverse=reverse)
    first = be.zeros((UNITS, SAMPLES))
    d = steps_of(e)
    be.compound_rnn_unroll_bprop(
        w.T, before(d, first, reverse), d, steps_of(h), UNITS, STEPS, STEPS, Tanh(), not reverse
    )
    found = np.concatenate([e.get(), first.get()], 1)
    np.testing.assert_allclose(found, want.get(), rtol=1e-5, atol=1e-5)


def test_both_directions(be, sizes):
    z, w, b = sizes
    hs = [be.zeros(z.shape) for _ in range(2)]
    start = be.zeros((UNITS, SAMPLES))
    f, r = map(steps_of, hs)
    be.compound_rnn_unroll_fprop_bibnrnn(
        None, None, None, w, before(f, start, False), steps_of(z), f, b,
        w, before(r, start, True), steps_of(z), r, b, UNITS, STEPS, STEPS, Tanh(),
    )  # fmt: skip
    errors = [be.ones(z.shape) for _ in range(2)]
    ends = [be.zeros((UNITS, SAMPLES)) for _ in range(2)]
    df, dr = map(steps_of, errors)
    be.compound_rnn_unroll_bprop_bibnrnn(
        None, None, df, before(df, ends[0], False), dr, before(dr, ends[1], True), w, w, f, r,
        UNITS, STEPS, STEPS, Tanh(), None,
    )  # fmt: skip
    for reverse, h, found in zip((False, True), hs, errors, strict=True):
        want = be.empty(z.shape)
        want[:] = be.rnn(z, w, b, steps=STEPS, reverse=reverse)
        np.testing.assert_allclose(h.get(), want.get(), rtol=1e-5, atol=1e-6)
        back = be.empty((UNITS, (STEPS + 1) * SAMPLES))
        back[:] = be.rnn_backward(be.ones(z.shape), h, w, steps=STEPS, reverse=reverse)
        np.testing.assert_allclose(found.get(), back.get()[:, : z.shape[1]], rtol=1e-5, atol=1e-5)


def test_lists_of_unequal_length_are_refused(be, sizes):
    z, w, b = sizes
    h = steps_of(be.zeros(z.shape))
    with pytest.raises(ShapeError, match="lists of 4, 4, 3 steps"):
        be.compound_rnn_unroll_fprop(w, h, h, h[:3], b, UNITS, STEPS, STEPS, Tanh())
