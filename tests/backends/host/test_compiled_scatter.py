"""The compiled scatter_add of the cpu backend: the bits of its definition, on any threads."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.backends.host import threads
from neonport.backends.host.kernels import library as native
from neonport.backends.host.kernels import scatter
from neonport.backends.host.workspace import Workspace
from neonport.ops.op import OPS
from neonport.optree.node import apply

pytestmark = pytest.mark.skipif(
    native.library("scatter.c", REAL="float32") is None, reason="there is no C compiler here"
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("inner", "turned"), [(1, False), (70, False), (70, True), (130, True)])
def test_the_bits_are_those_of_the_definition(monkeypatch, dtype, inner, turned):
    monkeypatch.setattr(scatter, "SERIAL_WORK", 0)
    rng = np.random.RandomState(0)
    g = rng.randn(inner, 50).T if turned else rng.randn(50, inner)
    g = g.astype(dtype, order="K")
    ids = rng.randint(-2, 9, (1, 50)).astype(np.int32)  # some out of range
    want = OPS["scatter_add"].numpy(g, ids, axis=0, size=7)
    before = threads.num_threads()
    try:
        for count in (1, 2, 5):
            threads.set_num_threads(count)
            for out in (np.full((7, inner), np.nan, dtype), np.full((inner, 7), np.nan, dtype).T):
                call = scatter.bind(
                    "scatter_add", [g, ids], out, {"axis": 0, "size": 7}, Workspace()
                )
                call()
                call()
                np.testing.assert_array_equal(out, want)
    finally:
        threads.set_num_threads(before)


def test_through_the_backend():
    be = gen_backend("cpu", batch_size=2)
    g, ids = be.array(np.ones((6, 3))), be.array([[0, 1, 1, 5, 1, -1]], dtype=np.int32)
    out = be.empty((4, 3))
    for factor in (1.0, 2.0):
        out[:] = apply("scatter_add", g * factor, ids, axis=0, size=4)
        assert out.get()[:, 0].tolist() == [factor, 3 * factor, 0, 0]
        ids.set(np.array([[0, 1, 1, 5, 1, -1]]))


@pytest.mark.parametrize(
    ("shape", "axis", "dtype", "kind"),
    [
        ((5, 2), 1, "float32", "int32"),
        ((5, 2, 2), 0, "float32", "int32"),
        ((0, 2), 0, "float32", "int32"),
        ((5, 2), 0, "float16", "int32"),
        ((5, 2), 0, "float32", "float32"),
    ],
)
def test_what_the_definition_does(shape, axis, dtype, kind):
    g = np.ones(shape, dtype)
    ids = np.zeros((1, shape[axis]), kind)
    out = np.empty([3 if i == axis else n for i, n in enumerate(shape)], dtype)
    params = {"axis": axis, "size": 3}
    assert scatter.bind("scatter_add", [g, ids], out, params, Workspace()) is None
