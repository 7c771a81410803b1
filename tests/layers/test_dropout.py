from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import Dropout


@pytest.mark.parametrize("caffe", [False, True])
def test_training_inference_and_bprop(make_backend, tools, caffe):
    be = make_backend(batch_size=64, rng_seed=0, compat_mode="caffe" if caffe else None)
    layer = tools.drive(Dropout(0.8), 50)
    scale = 1 / 0.8 if caffe else 1.0
    x = be.iobuf(50).fill(3.0)
    y = layer.fprop(x)
    assert y is x
    mask = layer.keep_mask.get()
    assert set(np.unique(mask)) == {0, 1}
    assert abs(mask.mean() - 0.8) < 0.03
    np.testing.assert_allclose(y.get(), 3 * mask * scale, rtol=1e-6)
    error = be.iobuf(50).fill(2.0)
    assert layer.bprop(error) is error
    assert layer.deltas is error
    np.testing.assert_allclose(error.get(), 2 * mask * scale, rtol=1e-6)
    error.fill(2.0)
    layer.bprop(error, alpha=3.0, beta=0.5)
    np.testing.assert_allclose(error.get(), 6 * mask * scale + 1, rtol=1e-6)
    x.fill(3.0)
    np.testing.assert_allclose(layer.fprop(x, True).get(), 3 if caffe else 2.4, rtol=1e-6)


def test_each_training_step_draws_a_mask(be, tools):
    layer = tools.drive(Dropout(0.5), 50)
    layer.fprop(be.iobuf(50))
    first = layer.keep_mask.get()
    layer.fprop(be.iobuf(50), True)
    np.testing.assert_array_equal(layer.keep_mask.get(), first)
    layer.fprop(be.iobuf(50))
    assert (layer.keep_mask.get() != first).any()


def test_keep_one_changes_nothing(be, tools):
    layer = tools.drive(Dropout(1), 5)
    x = be.iobuf(5).fill(3.0)
    for inference in (False, True):
        assert (layer.fprop(x, inference).get() == 3).all()


@pytest.mark.parametrize("bad", [0, 1.5, -0.1, float("nan"), "0.5", True, None])
def test_keep_is_a_probability(bad):
    with pytest.raises(ConfigurationError, match="keep"):
        Dropout(bad)


def test_gradients(be64, tools):
    layer = tools.drive(Dropout(0.5), (2, 3))
    x = np.random.RandomState(0).randn(2, 12)
    assert tools.check_gradients(be64, layer, x) < 1e-7


def test_text(be):
    layer = Dropout(0.25, name="d").configure((3, 4, 5))
    assert str(layer) == (
        "Dropout Layer 'd': 3 x (4x5) inputs and outputs, keep 25%, caffe_compat False"
    )
