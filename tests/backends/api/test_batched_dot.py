"""`be.batched_dot` hands a whole batch to the device."""

from __future__ import annotations

import numpy as np
import pytest

SHAPES = [
    ((5, 3, 4), (5, 4, 2), (5, 3, 2)),
    ((3, 4), (5, 4, 2), (5, 3, 2)),
    ((5, 3, 4), (4, 2), (5, 3, 2)),
    ((5, 3, 4), (5, 4, 2), (3, 2)),
]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_one_call_for_all_of_a_batch(be, monkeypatch, shapes, relu):
    rng = np.random.RandomState(0)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in shapes[:2])
    a, b, c = be.array(x), be.array(y), be.ones(shapes[2])
    calls = []
    batched = be.device.batched_matmul
    monkeypatch.setattr(be.device, "batched_matmul", lambda *t: calls.append(t) or batched(*t))
    for _ in range(2):  # bound by the first
        be.batched_dot(a, b, c, relu=relu)
    assert len(calls) == 1
    want = np.matmul(x, y)
    want = want if len(shapes[2]) == 3 else want.sum(axis=0)
    np.testing.assert_allclose(c.get(), np.maximum(want, 0) if relu else want, rtol=1e-4, atol=1e-5)


def test_a_batch_without_entries(be):
    c = be.ones((3, 2))
    be.batched_dot(be.empty((0, 3, 4)), be.empty((0, 4, 2)), c)
    assert not c.get().any()
    none = be.empty((0, 3, 2))
    be.batched_dot(be.empty((0, 3, 4)), be.empty((4, 2)), none)
    assert none.shape == (0, 3, 2)
