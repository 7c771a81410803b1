"""DeconvCallback against guided backpropagation written with loops."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callbacks import DeconvCallback
from neonport.errors import ConfigurationError

Make = Callable[..., Any]
SHAPE = (2, 7, 6)


@pytest.fixture
def make_images(make_backend: Make) -> Callable[..., SimpleNamespace]:
    def make(layers: Any, shape: Any = SHAPE, ndata: int = 11) -> SimpleNamespace:
        from neonport.data import ArrayIterator
        from neonport.layers import GeneralizedCost
        from neonport.models import Model
        from neonport.optimizers import GradientDescentMomentum
        from neonport.transforms import SumSquared

        be = make_backend(batch_size=4, rng_seed=0)
        rng = np.random.RandomState(5)
        x = rng.normal(size=(ndata, int(np.prod(shape)))).astype("f4")
        y = rng.normal(size=(ndata, 3)).astype("f4")
        return SimpleNamespace(
            be=be,
            x=x.reshape(ndata, *shape),
            data=ArrayIterator(x, y, make_onehot=False, lshape=shape, name="images"),
            model=Model(layers()),
            cost=GeneralizedCost(SumSquared()),
            optimizer=GradientDescentMomentum(1e-4, 0.9),
        )

    return make


def two_convolutions() -> list[Any]:
    from neonport.initializers import Constant, Gaussian
    from neonport.layers import Affine, BatchNorm, Conv, Pooling
    from neonport.transforms import Rectlin

    init = Gaussian(scale=0.5)
    return [
        Conv((3, 3, 5), init, bias=Constant(0.1), padding=1, activation=Rectlin()),
        Pooling(2),
        BatchNorm(rho=0.5),
        Conv((2, 2, 6), init, activation=Rectlin()),
        Affine(3, init),
    ]


def patches(image: np.ndarray, kernel: int, padding: int) -> np.ndarray:
    """Windows of an image (C, H, W): (P, Q, C, kernel, kernel)."""
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return view.transpose(1, 2, 0, 3, 4)


class Net:
    """`two_convolutions` for one image, forward and backward, with the weights of a model."""

    def __init__(self, model: Any) -> None:
        members = model.layers.layers
        self.convs = [layer for layer in members if hasattr(layer, "dilation")]
        self.norm = next(layer for layer in members if hasattr(layer, "gvar"))
        shapes = ((2, 3, 3, 5), (5, 2, 2, 6))
        self.w = [
            layer.W.get().astype(np.float64).reshape(shape)
            for layer, shape in zip(self.convs, shapes, strict=True)
        ]
        self.bias = self.convs[0].weight_bias.get().astype(np.float64)
        g, b, m, v = (
            getattr(self.norm, key).get().astype(np.float64)[:, 0, None, None]
            for key in ("gamma", "beta", "gmean", "gvar")
        )
        self.scale = g / np.sqrt(v + self.norm.eps)
        self.shift = b - m * self.scale

    def forward(self, image: np.ndarray) -> list[np.ndarray]:
        """Outputs of the two convolutions, rectified."""
        one = np.einsum("pqcrs,crsk->kpq", patches(image, 3, 1), self.w[0]) + self.bias[:, :, None]
        self.one = np.maximum(one, 0)
        p, q = self.one.shape[1] // 2, self.one.shape[2] // 2
        cut = self.one[:, : 2 * p, : 2 * q].reshape(-1, p, 2, q, 2).transpose(0, 1, 3, 2, 4)
        self.where = cut.reshape(-1, p, q, 4).argmax(axis=3)
        self.normed = cut.reshape(-1, p, q, 4).max(axis=3) * self.scale + self.shift
        two = np.einsum("pqcrs,crsk->kpq", patches(self.normed, 2, 0), self.w[1])
        return [self.one, np.maximum(two, 0)]

    def backward(self, layer: int, error: np.ndarray) -> np.ndarray:
        if layer == 1:
            error = self.spread(np.maximum(error, 0), self.w[1], 2, 0, self.normed.shape)
            error = error * (self.normed > 0) * self.scale
            pooled, error = error, np.zeros_like(self.one)
            for k, p, q in np.ndindex(*pooled.shape):
                i, j = divmod(int(self.where[k, p, q]), 2)
                error[k, 2 * p + i, 2 * q + j] = pooled[k, p, q]
        return self.spread(np.maximum(error, 0), self.w[0], 3, 1, SHAPE)

    def spread(
        self, error: np.ndarray, w: np.ndarray, kernel: int, padding: int, shape: Any
    ) -> np.ndarray:
        c, h, width = shape
        grad = np.zeros((c, h + 2 * padding, width + 2 * padding))
        for k, p, q in np.ndindex(*error.shape):
            grad[:, p : p + kernel, q : q + kernel] += error[k, p, q] * w[..., k]
        return grad[:, padding : padding + h, padding : padding + width]


def as_bytes(image: np.ndarray) -> np.ndarray:
    low, high = image.min(), image.max()
    return np.rint((image - low) / (high - low or 1) * 255).transpose(1, 2, 0)


@pytest.mark.parametrize(("percent", "batches"), [(100, 3), (33, 2), (0, 1)])
def test_pictures_of_the_strongest_activations(
    make_images: Make, fit: Make, percent: float, batches: int
) -> None:
    p = make_images(two_convolutions)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_deconv_callback(p.data, p.data, max_fm=5, dataset_pct=percent)
    fit(p, 1, callbacks)
    data, net = callbacks.callback_data["deconv"], Net(p.model)
    searched = min(4 * batches, 11)
    outputs = [net.forward(image) for image in p.x[:searched]]
    folders = data["max_act"]
    assert list(folders.keys()) == ["0000", "0004"]
    for which, folder in enumerate(folders.values()):
        wanted = np.stack([found[which][:5].reshape(5, -1) for found in outputs], axis=2)
        assert folder["activation"].shape == (5, 1)
        np.testing.assert_allclose(
            folder["activation"][:][:, 0], wanted.max(axis=(1, 2)), rtol=1e-4, atol=1e-5
        )
        kinds = {key: folder[key].dtype for key in folder.keys()}  # noqa: SIM118
        assert kinds == {
            "batch_img": np.uint16,
            "fm_loc": np.int16,
            "vis": np.uint8,
            "activation": np.float32,
        }
        for k in range(5):
            if wanted[k].max() <= 0:
                continue
            place, image = np.unravel_index(wanted[k].argmax(), wanted[k].shape)
            assert folder["batch_img"][k].tolist() == [image // 4, image % 4]
            assert folder["fm_loc"][k].tolist() == [place]
            shape = net.forward(p.x[image])[which].shape
            error = np.zeros(shape)
            error[k].reshape(-1)[place] = wanted[k].max()
            picture = as_bytes(net.backward(which, error))
            np.testing.assert_allclose(folder["vis"][k].astype(int), picture, atol=1)
    for folder in folders.values():
        for batch, image in folder["batch_img"][:]:
            stored = data[f"img/batch_{batch}/HWC_uint8"]
            position = int(stored.attrs[str(image)])
            picture = as_bytes(p.x[4 * batch + image])
            np.testing.assert_allclose(stored[:][..., position].astype(int), picture, atol=1)


def test_in_a_file(make_images: Make, fit: Make, tmp_path: Any) -> None:
    h5py = pytest.importorskip("h5py")
    p = make_images(two_convolutions)
    callbacks = Callbacks(p.model, progress_bar=False, output_file=tmp_path / "f.h5")
    callbacks.add_deconv_callback(p.data, p.data)
    fit(p, 1, callbacks)
    with h5py.File(tmp_path / "f.h5", "r") as file:
        assert file["deconv/max_act/0004/vis"].shape == (6, 7, 6, 2)
        images = next(iter(file["deconv/img"].values()))["HWC_uint8"]
        assert images.compression == "gzip"
        assert images.shape[:3] == (7, 6, 2)


@pytest.mark.parametrize("between", ["Linear", "ShiftBatchNorm", "Sequential"])
def test_the_way_back_ends_where_it_is_not_known(
    make_images: Make, fit: Make, caplog: pytest.LogCaptureFixture, between: str
) -> None:
    from neonport.initializers import Gaussian
    from neonport.layers import (
        Affine,
        BatchNorm,
        Convolution,
        Linear,
        Reshape,
        Sequential,
        SkipNode,
    )

    class ShiftBatchNorm(BatchNorm):
        pass

    caplog.set_level(logging.WARNING)
    init = Gaussian()
    unknown: dict[str, Any] = {
        "Linear": [Linear(18, init), Reshape((2, 3, 3))],
        "ShiftBatchNorm": [ShiftBatchNorm()],
        "Sequential": [Sequential([SkipNode()])],
    }
    p = make_images(
        lambda: [
            Convolution((3, 3, 4), init=init, name="low"),
            *unknown[between],
            Convolution((2, 2, 3), init=init, name="high"),
            Affine(3, init),
        ]
    )
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_deconv_callback(p.data, p.data, max_fm=2, dataset_pct=0)
    fit(p, 1, callbacks)
    assert list(callbacks.callback_data["deconv/max_act"].keys()) == ["0000"]
    assert f"the way back through {between}" in caplog.text
    assert "no pictures of high" in caplog.text


def test_mistakes_are_named(make_images: Make, make_problem: Make, fit: Make) -> None:
    p = make_problem()
    for wrong, words in ((0, "max_fm=0 must be 1 or more"), (True, "max_fm=True")):
        with pytest.raises(ConfigurationError, match=words):
            DeconvCallback(p.data, p.data, max_fm=wrong)
    with pytest.raises(ConfigurationError, match="dataset_pct=101 is no percentage"):
        DeconvCallback(p.data, p.data, dataset_pct=101)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_deconv_callback(p.data, p.data)
    with pytest.raises(ConfigurationError, match=r"inputs of shape .* are no images"):
        fit(p, 1, callbacks)
    from neonport.initializers import Gaussian
    from neonport.layers import Affine

    p = make_images(lambda: [Affine(3, Gaussian())])
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_deconv_callback(p.data, p.data)
    with pytest.raises(ConfigurationError, match="no Convolution at its beginning"):
        fit(p, 1, callbacks)


def test_a_network_in_sixteen_bits(make_images: Make) -> None:
    p = make_images(two_convolutions)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_deconv_callback(p.data, p.data, max_fm=2)
    p.model.fit(p.data, p.cost, p.optimizer, 1, callbacks, precision="bfloat16")
    pictures = callbacks.callback_data["deconv/max_act/0004/vis"][:]
    assert pictures.max(axis=(1, 2, 3)).tolist() == [255, 255]
