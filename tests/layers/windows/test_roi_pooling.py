from __future__ import annotations

import math

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.initializers import Gaussian
from neonport.layers import Affine, RoiPooling, Sequential
from neonport.layers.base import Layer
from tests.layers.windows.definitions import randn

# image, xmin, ymin, xmax, ymax: inside, one cell, over the edge, upside down
REGIONS = np.array(
    [[0, 0, 0, 7, 5], [1, 4, 2, 4, 2], [1, 6, 8, 30, 30], [0, 2, 2, 9, 11], [0, 5, 5, 1, 1],
     [1, 0, 1, 13, 4]], np.float32,
)  # fmt: skip


def pooled(x, regions, size, scale):
    """Maxima (C, h, w, regions) and the cells that they are from."""
    C, H, W, _ = x.shape
    y = np.zeros((C, *size, len(regions)))
    cells = {}
    for r, (image, *corners) in enumerate(regions):
        x0, y0, x1, y1 = (int(np.rint(np.float32(c) * np.float32(scale))) for c in corners)
        tall, wide = max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1)
        for i in range(size[0]):
            for j in range(size[1]):
                top, low = i * tall // size[0] + y0, math.ceil((i + 1) * tall / size[0]) + y0
                left, right = j * wide // size[1] + x0, math.ceil((j + 1) * wide / size[1]) + x0
                rows = range(min(max(top, 0), H), min(max(low, 0), H))
                columns = range(min(max(left, 0), W), min(max(right, 0), W))
                for c in range(C):
                    inside = [(x[c, h, w, int(image)], h, w) for h in rows for w in columns]
                    if inside:
                        y[c, i, j, r], h, w = max(inside, key=lambda cell: cell[0])
                        cells[c, i, j, r] = (c, h, w, int(image))
    return y, cells


def test_against_the_definition(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(RoiPooling((2, 3), spatial_scale=0.5), [(3, 6, 7), (5, 3)])
    assert layer.out_shape == (18, 3)
    x, error = randn(3, 6, 7, 2), randn(18, 6, seed=1)
    inputs = (be.array(x.reshape(-1, 2)), be.array(REGIONS.T))
    for _ in range(2):
        y = layer.fprop(inputs)
        wanted, cells = pooled(x.astype("f4"), REGIONS, (2, 3), 0.5)
        np.testing.assert_allclose(y.get(), wanted.reshape(18, 6), atol=1e-6)
        deltas = layer.bprop(be.array(error))
        assert deltas is layer.error
        dx = np.zeros_like(x)
        shaped = error.reshape(wanted.shape)
        for place, cell in cells.items():
            dx[cell] += shaped[place]
        np.testing.assert_allclose(deltas.get().reshape(x.shape), dx, atol=1e-5)


def test_without_a_gradient(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(RoiPooling((1, 1), bprop_enabled=False), [(1, 4, 4), (5, 1)])
    layer.fprop((be.iobuf((1, 4, 4)).fill(1.0), be.array(REGIONS[:2].T)))
    assert not layer.bprop(be.iobuf((1, 1)).fill(1.0)).get().any()


def test_in_a_chain(make_backend, tools):
    be = make_backend(batch_size=2, rng_seed=0)
    net = Sequential([RoiPooling((2, 3), spatial_scale=0.5), Affine(4, Gaussian())])
    tools.drive(net, [(3, 6, 7), (5, 3)])
    y = net.fprop((be.array(randn(126, 2)), be.array(REGIONS.T)))
    assert y.shape == (4, 6)
    assert net.bprop(y).shape == (126, 2)
    below = Layer()  # one that gives images and regions
    below.in_shape = 1
    below.out_shape = [(3, 6, 7), (5, 3)]
    layer = RoiPooling().configure(below)
    assert layer.prev_layer is below
    assert layer.out_shape == (3 * 49, 3)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3, 6, 7), "pair"),
        ([(3, 6, 7)], "pair"),
        ([(3, 6), (5, 2)], r"\(C, H, W\)"),
        ([(3, 6, 7), (4, 2)], "regions of an image"),
    ],
)
def test_shapes_are_checked(be, shape, words):
    with pytest.raises(ConfigurationError, match=words):
        RoiPooling().configure(shape)


def test_inputs_are_checked(make_backend, tools):
    be = make_backend(batch_size=2)
    layer = tools.drive(RoiPooling(), [(1, 4, 4), (5, 1)])
    images, rois = be.iobuf((1, 4, 4)), be.empty((5, 2))
    with pytest.raises(DtypeError, match="pair of tensors"):
        layer.fprop(images)
    with pytest.raises(ShapeError, match=r"expected \(5, 2\)"):
        layer.fprop((images, be.empty((2, 5))))
    with pytest.raises(DtypeError, match="ndarray"):
        layer.fprop((images, np.zeros((5, 2))))
    with pytest.raises(ShapeError, match="buffers were made for"):
        layer.fprop((rois, rois))
    with pytest.raises(ConfigurationError, match="down and across"):
        RoiPooling(HW=7)
