"""Models with random weights, their ONNX files, and what onnxruntime makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.models import Model

Same = Callable[..., Any]


def with_random_weights(layers: Any, shape: Any, seed: int = 0) -> Model:
    """An initialized model, also with other running statistics than those it begins with."""
    rng = np.random.RandomState(seed)
    model = layers if isinstance(layers, Model) else Model(layers)
    model.initialize(shape)
    weights = model.get_weights()
    for name, array in weights.items():
        scale = 1 / np.sqrt(max(2, array.shape[-1]))
        weights[name] = scale * rng.normal(size=array.shape)
        if name.endswith("gvar"):
            weights[name] = rng.uniform(0.5, 2, array.shape)
    if weights:
        model.set_weights(weights)
    return model


def random_inputs(shape: Any, samples: int, seed: int = 1) -> np.ndarray:
    """Arrays as `predict` takes them."""
    rng = np.random.RandomState(seed)
    sizes = (shape,) if isinstance(shape, int) else shape
    if len(sizes) == 2:
        sizes = sizes[::-1] if sizes[1] > 1 else sizes[:1]
    return rng.normal(size=(samples, *sizes)).astype(np.float32)


@pytest.fixture
def same(make_backend: Callable[..., Any], tmp_path: Path) -> Same:
    """`same(make_layers, shape)`: onnxruntime gives what `predict` gives; returns the graph."""
    import onnx
    import onnxruntime

    def check(
        make_layers: Callable[[], Any], shape: Any, x: Any = None, caffe: bool = False
    ) -> Any:
        make_backend(batch_size=4, rng_seed=1, compat_mode="caffe" if caffe else None)
        model = with_random_weights(make_layers(), shape)
        path = tmp_path / "model.onnx"
        model.export_onnx(path)
        session = onnxruntime.InferenceSession(path)
        several = isinstance(shape, list)
        if x is None:
            x = [random_inputs(s, 5, k) for k, s in enumerate(shape if several else [shape])]
            x = x if several else x[0]
        given = dict(
            zip([i.name for i in session.get_inputs()], x if several else [x], strict=True)
        )
        found, wanted = session.run(None, given), model.predict(x)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        assert len(found) == len(wanted)
        for ours, theirs in zip(wanted, found, strict=True):
            assert np.abs(ours).max() > 1e-3
            assert np.ptp(ours, axis=0).max() > 1e-3  # not the same for all samples
            np.testing.assert_allclose(theirs.reshape(ours.shape), ours, rtol=1e-5, atol=1e-5)
        return onnx.load(path)

    return check
