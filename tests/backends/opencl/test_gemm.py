"""The device's own matrix product, and the host's on shared memory."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DtypeError

SIZES = [(1, 1, 1), (3, 5, 2), (64, 16, 64), (65, 17, 130), (100, 300, 40), (5, 0, 4)]


@pytest.fixture(params=["shared", "device"])
def any_ocl(request, ocl):
    if request.param == "device":
        ocl.device.shared = ocl.device.blocks.shared = False
    elif not ocl.shared:
        pytest.skip("the device has memory of its own")
    return ocl


@pytest.mark.parametrize("transposed", ["nn", "tn", "nt", "tt"])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_product(any_ocl, m, k, n, transposed):
    be, rng = any_ocl, np.random.RandomState(m + n)
    x, y, z = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
    a = be.array(x.T.copy()).T if transposed[0] == "t" else be.array(x)
    b = be.array(y.T.copy()).T if transposed[1] == "t" else be.array(y)
    c = be.array(z)
    be.device.matmul(a, b, c, 0.5, 2.0)()
    assert np.allclose(c.get(), 0.5 * x @ y + 2 * z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(any_ocl, dtype):
    if dtype not in any_ocl.default_dtypes:
        pytest.skip("the device has no float64")
    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(33, 20)).astype(dtype), rng.normal(size=(20, 9)).astype(dtype)
    out = any_ocl.empty((33, 9), dtype=np.dtype(dtype))
    out[:] = any_ocl.dot(any_ocl.array(x, dtype=x.dtype), any_ocl.array(y, dtype=y.dtype))
    tolerance = 5e-3 if dtype == "float16" else 1e-13
    assert np.allclose(out.get(), x @ y, rtol=tolerance, atol=tolerance)


def test_without_beta_the_target_is_not_read(any_ocl):
    c = any_ocl.array(np.full((3, 3), np.nan))
    any_ocl.device.matmul(any_ocl.ones((3, 4)), any_ocl.ones((4, 3)), c, 1.0, 0.0)()
    assert np.array_equal(c.get(), np.full((3, 3), 4.0))


def test_the_target_may_be_an_operand(any_ocl):
    x = np.random.RandomState(0).normal(size=(70, 70)).astype(np.float32)
    a = any_ocl.array(x)
    any_ocl.device.matmul(a, a.T, a, 1.0, 0.0)()
    assert np.allclose(a.get(), x @ x.T, rtol=1e-4, atol=1e-4)


def test_integers_are_refused(any_ocl):
    ints = any_ocl.zeros((2, 2), dtype=np.int32)
    with pytest.raises(DtypeError, match="one float dtype"):
        any_ocl.device.matmul(ints, ints, ints, 1.0, 0.0)
