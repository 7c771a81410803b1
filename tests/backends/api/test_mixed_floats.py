"""Products of several float types, and buffers of another type than parameters."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import AliasError, DtypeError, ShapeError


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize(
    ("a", "b", "c", "bound"),
    [
        ("float32", "float16", "float16", 5e-3),
        ("bfloat16", "bfloat16", "float32", 1e-5),
        ("float16", "float32", "float32", 1e-5),
    ],
)
def test_products_widen_their_operands(be, a, b, c, bound):
    x, y = be.array(randn(4, 6), dtype=a), be.array(randn(6, 5, seed=1), dtype=b)
    want = x.get().astype("f8") @ y.get().astype("f8")
    out, sums = be.empty((4, 5), dtype=c), be.empty((4, 1))
    be.compound_dot(x, y, out, bsum=sums)
    np.testing.assert_allclose(out.get(), want, rtol=bound, atol=bound)
    np.testing.assert_allclose(sums.get()[:, 0], want.sum(1), rtol=1e-2, atol=3e-2)
    be.compound_dot(x, y, out, alpha=0.5, beta=2.0, relu=True)
    mixed = np.maximum(0.5 * want, 0) + 2 * want
    np.testing.assert_allclose(out.get(), mixed, rtol=3 * bound, atol=3 * bound)
    stacked = be.array(randn(3, 6, 5, seed=2), dtype=b)
    outs = be.empty((3, 4, 5), dtype=c)
    want = x.get().astype("f8") @ stacked.get().astype("f8")
    for _ in range(2):
        be.batched_dot(x, stacked, outs)
        np.testing.assert_allclose(outs.get(), want, rtol=bound, atol=bound)


def test_mistakes_are_found_all_the_same(be):
    x, y = be.ones((4, 6)), be.ones((6, 5), dtype="float16")
    with pytest.raises(ShapeError):
        be.compound_dot(x, y, be.empty((5, 4)))
    with pytest.raises(DtypeError, match="must be floats"):
        be.compound_dot(x, be.ones((6, 5), dtype="int32"), be.empty((4, 5)))
    with pytest.raises(AliasError):
        be.compound_dot(be.ones((6, 6), dtype="float16"), x[:, :6].T, x.T)
    out = be.empty((3, 4, 5), dtype="float16")
    stacked = be.ones((3, 6, 5))
    be.batched_dot(x, stacked, out)
    with pytest.raises(DtypeError):
        be.batched_dot(x, stacked, out, alpha="2")
    with pytest.raises(ShapeError):
        be.batched_dot(x, stacked, out[:, :, :3])


def test_buffers_of_another_type(be):
    with be.activations("bfloat16"):
        buffer = be.iobuf((3, 2))
        assert buffer.dtype.name == "bfloat16"
        assert be.iobuf(3, dtype="float32").dtype == np.float32
        assert be.iobuf(3, shared=be.empty((9, 32))).dtype.name == "bfloat16"
        assert be.empty((2, 2)).dtype == be.zeros((2, 2)).dtype == np.float32
        with pytest.raises(DtypeError), be.activations("int4"):
            pass
        with be.activations("float16"):
            assert be.iobuf(1).dtype == np.float16
        assert be.iobuf(1).dtype.name == "bfloat16"
    assert be.iobuf(1).dtype == np.float32
    with pytest.raises(KeyError), be.activations("float16"):
        raise KeyError
    assert be.iobuf(1).dtype == np.float32
