"""Neon's pooling, normalisation, regions of interest, lookup gradient."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError, NotDifferentiableError, ShapeError
from tests.ops import loops


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("f")


# ---- pooling -------------------------------------------------------------------------------------

GEOMETRIES = {
    "maps": {"C": 5, "H": 7, "W": 7, "J": 2, "R": 3, "S": 3, "str_c": 2, "str_h": 2, "str_w": 2},
    "padded": {"C": 2, "H": 6, "W": 5, "R": 3, "S": 3, "pad_h": 1, "pad_w": 2, "str_w": 2},
    "3-D": {"C": 2, "D": 4, "H": 4, "W": 5, "T": 2, "R": 2, "S": 2, "pad_d": 1},
    "default stride": {"C": 1, "H": 4, "W": 6, "R": 2, "S": 3},
}


def close(got, want, bound=1e-5):
    np.testing.assert_allclose(got.get().reshape(want.shape), want, rtol=bound, atol=bound)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64"])
@pytest.mark.parametrize("op", ["max", "avg", "l2"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_forward_and_backward(be, name, op, kind):
    layer = be.pool_layer(np.float32, op, N=3, **GEOMETRIES[name])
    x = random(*layer.dimI)
    images, out = be.array(x.reshape(layer.dimI2)), be.array(np.full(layer.dimO2, np.nan))
    argmax = be.empty(layer.dimO2, dtype=kind) if op == "max" else None
    geometry = layer.JTRS, layer.padding, layer.strides
    size = layer.dimO[:4]
    be.fprop_pool(layer, images, out, argmax)
    if op == "l2":
        close(out, np.sqrt(loops.pool(x**2, "sum", *geometry, size=size)))
        return
    close(out, loops.pool(x, op, *geometry, size=size))
    old, e = random(*layer.dimI, seed=2), random(*layer.dimO, seed=1)
    errors, deltas = be.array(e), be.array(np.full(layer.dimI2, np.nan))
    be.bprop_pool(layer, errors, deltas, argmax)
    if op == "max":
        index = loops.pool_index(x, *geometry, size=size)
        want = loops.max_pool_backward(e, index, *geometry, size=layer.dimI[:4])
    else:
        want = loops.avg_pool_backward(e, op, *geometry, size=layer.dimI[:4])
    close(deltas, want)
    deltas.set(old.reshape(layer.dimI2))
    be.bprop_pool(layer, errors, deltas, argmax, alpha=0.5, beta=2.0)
    close(deltas, 0.5 * want + 2 * old)
    np.testing.assert_array_equal(errors.get(), e)  # neon scaled it in place


def test_beta_of_the_forward_pass(be):
    layer = be.pool_layer(np.float32, "avg", 2, 1, H=4, W=4, R=2, S=2)
    x, old = random(*layer.dimI), random(*layer.dimO, seed=1)
    out = be.array(old)
    be.fprop_pool(layer, be.array(x), out, beta=0.5)
    want = loops.pool(x, "avg", layer.JTRS, layer.padding, layer.strides, layer.dimO[:4])
    close(out, want + 0.5 * old)


def test_sizes(be):
    layer = be.pool_layer(np.float32, "max", 2, 5, 1, 7, 6, 2, 1, 3, 2, str_h=2)
    assert (layer.op, layer.C, layer.K, layer.N) == ("max", 5, 2, 2)
    assert (layer.M, layer.P, layer.Q) == layer.MPQ == (1, 3, 3)
    assert (layer.JTRS, layer.padding, layer.strides) == ((2, 1, 3, 2), (0,) * 4, (2, 1, 2, 2))
    assert (layer.dimI, layer.dimO) == ((5, 1, 7, 6, 2), (2, 1, 3, 3, 2))
    assert (layer.dimI2, layer.dimO2, layer.dimF2) == ((210, 2), (18, 2), None)
    assert (layer.sizeI, layer.sizeO, layer.nOut, layer.DHW) == (420, 36, 18, (1, 7, 6))
    assert layer.overlap == 2


def test_caffe_rounds_up(make_backend):
    be = make_backend(batch_size=2, compat_mode="caffe")
    layer = be.pool_layer(np.float32, "avg", 2, 1, H=7, W=6, R=3, S=3, pad_h=1, str_h=2, str_w=2)
    assert layer.MPQ == (1, 4, 3)
    x, out = random(*layer.dimI), be.empty(layer.dimO2)
    be.fprop_pool(layer, be.array(x), out)
    close(out, loops.pool(x, "avg", layer.JTRS, layer.padding, layer.strides, layer.dimO[:4]))
    assert be.pool(be.array(x), "avg", 3, (1, 0), 2).shape == layer.dimO


@pytest.mark.parametrize(
    ("op", "values", "want"),
    [("avg", [1, 2, 3, 4, 6], [1.5, 3, 5]), ("max", [-3, -2, -1, -5, -4], [-2, -1, -4])],
)
def test_worked_values(be, op, values, want):
    layer = be.pool_layer(np.float32, op, 1, 1, W=5, S=3, pad_w=1, str_w=2)
    out = be.empty((3, 1))
    be.fprop_pool(layer, be.array(values), out, be.empty((3, 1), dtype=np.uint8))
    np.testing.assert_array_equal(out.get()[:, 0], want)


def test_a_window_over_a_whole_large_image(be):
    layer = be.pool_layer(np.float32, "max", 2, 1, H=20, W=20, R=20, S=20)
    x, out = random(*layer.dimI), be.empty(layer.dimO2)
    with pytest.raises(DtypeError, match=r"uint8 cannot number the 400 cells.*int32"):
        be.fprop_pool(layer, be.array(x), out, be.empty(layer.dimO2, dtype=np.uint8))
    argmax, deltas = be.empty(layer.dimO2, dtype=np.int16), be.empty(layer.dimI)
    be.fprop_pool(layer, be.array(x), out, argmax)
    be.bprop_pool(layer, be.ones(layer.dimO2), deltas, argmax)
    got = deltas.get()
    assert got.sum() == 2
    assert (got == (x == x.max((0, 1, 2, 3), keepdims=True))).all()


def test_a_window_in_the_padding_has_no_gradient(be):
    layer = be.pool_layer(np.float32, "max", 1, 1, H=3, W=3, R=2, S=2, pad_h=1, str_h=4)
    layer.padding = layer.params["padding"] = (0, 0, 3, 0)
    out, argmax = be.empty(layer.dimO2), be.empty(layer.dimO2, dtype=np.uint8)
    be.fprop_pool(layer, be.array(-np.ones(layer.dimI)), out, argmax)
    assert not out.get().reshape(layer.dimO)[:, :, 0].any()
    deltas = be.empty(layer.dimI)
    be.bprop_pool(layer, be.ones(layer.dimO2), deltas, argmax)
    want = loops.max_pool_backward(
        np.ones(layer.dimO), np.where(out.get().reshape(layer.dimO) == 0, -1, 2), layer.JTRS,
        layer.padding, layer.strides, layer.dimI[:4],
    )  # fmt: skip
    assert deltas.get().sum() == want.sum()


def test_mistakes_of_pooling(be):
    layer = be.pool_layer(np.float32, "max", 2, 1, H=4, W=4, R=2, S=2)
    x, out, e = be.zeros(layer.dimI), be.zeros(layer.dimO2), be.zeros(layer.dimO2)
    with pytest.raises(ConfigurationError, match="needs the argmax"):
        be.bprop_pool(layer, e, x)
    with pytest.raises(DtypeError, match="argmax of dtype float32"):
        be.fprop_pool(layer, x, out, be.zeros(layer.dimO2))
    with pytest.raises(ShapeError, match="argmax of shape"):
        be.fprop_pool(layer, x, out, be.zeros((3, 3), dtype=np.int32))
    with pytest.raises(ConfigurationError, match="op 'median'"):
        be.pool_layer(np.float32, "median", 2, 1, H=4, W=4, R=2, S=2)
    with pytest.raises(ValueError, match="padding 2 must be smaller than the window 2"):
        be.pool_layer(np.float32, "max", 2, 1, H=4, W=4, R=2, S=2, pad_h=2)
    l2 = be.pool_layer(np.float32, "l2", 2, 1, H=4, W=4, R=2, S=2)
    with pytest.raises(NotDifferentiableError, match="l2"):
        be.bprop_pool(l2, e, x)


def test_pool_as_a_tree(be):
    x = random(4, 2, 6, 5, 3)
    images = be.array(x)
    for args, full in (
        ((2,), ((1, 1, 2, 2), (0, 0, 0, 0), (1, 1, 2, 2), (4, 2, 3, 2))),
        ((3, 1, 2), ((1, 1, 3, 3), (0, 0, 1, 1), (1, 1, 2, 2), (4, 2, 3, 3))),
        (((2, 2, 2, 2),), ((2, 2, 2, 2), (0, 0, 0, 0), (2, 2, 2, 2), (2, 1, 3, 2))),
        (((3, 2), (1, 0), (3, 1)), ((1, 1, 3, 2), (0, 0, 1, 0), (1, 1, 3, 1), (4, 2, 2, 4))),
    ):  # fmt: skip
        for op in ("max", "avg", "sum"):
            tree = be.pool(images, op, *args)
            want = loops.pool(x, op, *full)
            assert tree.shape == want.shape
            close(tree, want)
        close(be.pool(images, "l2", *args), np.sqrt(loops.pool(x**2, "sum", *full)))
    assert be.pool(images, "max", 2, size=(4, 2, 1, 1)).shape == (4, 2, 1, 1, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda be, x: be.pool(x, "median", 2), ConfigurationError, "op 'median'"),
        (lambda be, x: be.pool(x, "max", 2, 2), ConfigurationError, "smaller than the window"),
        (lambda be, x: be.pool(x, "max", 0), ShapeError, "positive"),
        (lambda be, x: be.pool(x, "max", 9), ShapeError, "do not fit into images"),
        (lambda be, x: be.pool(x, "avg", (5, 1, 1, 1)), ShapeError, "do not fit into images"),
        (lambda be, x: be.pool(x, "max", 2, stride=0), ShapeError, "positive"),
        (lambda be, x: be.pool(x, "max", (1, 2, 3, 4, 5)), ShapeError, "up to 4 ints"),
        (lambda be, x: be.pool(x.reshape(4, -1), "max", 2), ShapeError, "must be"),
        (lambda be, x: be.pool(3.0, "max", 2), DtypeError, "needs a tensor"),
    ],
)
def test_mistakes_in_trees(be, call, error, words):
    with pytest.raises(error, match=words):
        call(be, be.zeros((4, 1, 6, 6, 2)))


# ---- local response normalisation ----------------------------------------------------------------


def test_normalisation_worked_values(make_backend):
    be = make_backend(batch_size=1, dtype=np.float64)
    layer = be.lrn_layer(np.float64, 1, 4, J=3)
    assert layer.dimO == layer.dimI == (4, 1, 1, 1, 1)
    x, out, denom = be.array([1, 2, 3, 4]), be.empty((4, 1)), be.empty((4, 1))
    be.fprop_lrn(layer, x, out, denom, ascale=0.3, bpower=0.75)
    close(denom, np.array([1.5, 2.4, 3.9, 3.5]), 1e-12)
    close(out, np.array([0.7377879, 1.0372216, 1.0809928, 1.5631799]), 1e-7)
    delta = be.array(np.full((4, 1), np.nan))
    be.bprop_lrn(layer, x, out, be.array([1, 0, 0, 0]), delta, denom, ascale=0.3, bpower=0.75)
    close(delta, np.array([0.6640092, -0.1475576, 0, 0]), 1e-7)


def test_normalisation_gradient(make_backend):
    be = make_backend(batch_size=2, dtype=np.float64)
    layer = be.lrn_layer(np.float64, 2, 6, H=3, W=2, J=5)
    x, e = (np.random.RandomState(i).normal(size=layer.dimI2) for i in (0, 1))
    images, out, denom, delta = be.array(x), *(be.empty(layer.dimI2) for _ in range(3))

    def loss(values):
        images.set(values)
        be.fprop_lrn(layer, images, out, denom, ascale=1.5, bpower=0.5)
        return (out.get() * e).sum()

    def slope(at, h=1e-6):
        step = np.zeros(x.shape)
        step[at] = h
        return (loss(x + step) - loss(x - step)) / (2 * h)

    want = np.array([slope(at) for at in np.ndindex(*x.shape)])
    loss(x)
    be.bprop_lrn(layer, images, out, be.array(e), delta, denom, ascale=1.5, bpower=0.5)
    close(delta, want.reshape(x.shape), 1e-6)
    first = delta.get()
    be.bprop_lrn(
        layer, images, out, be.array(e), delta, denom, alpha=2, beta=-1, ascale=1.5, bpower=0.5
    )
    close(delta, first, 1e-12)


def test_normalisation_as_a_tree(be):
    x = random(6, 1, 2, 3, 4)
    tree = be.lrn(be.array(x), 3, ascale=0.4, bpower=0.75) * 2
    close(tree, 2 * loops.lrn(x, 3, 0.4, 0.75))
    with pytest.raises(ConfigurationError, match="width=4 over maps must be odd"):
        be.lrn(be.array(x), 4)
    with pytest.raises(ShapeError, match=r"lrn: an operand of shape \(2, 3\) must be"):
        be.lrn(be.zeros((2, 3)), 3)


def test_the_target_of_a_normalisation_may_be_its_operand(be):
    x = random(4, 1, 1, 3, 2)
    layer = be.lrn_layer(np.float32, 2, 4, W=3, J=3)
    images, denom = be.array(x), be.empty(x.shape)
    be.fprop_lrn(layer, images, images, denom, ascale=0.5, bpower=0.75)
    close(images, loops.lrn(x, 3, 0.5, 0.75))
    close(denom, loops.lrn_denominator(x, 3, 0.5))


def test_an_even_window_is_refused(be):
    with pytest.raises(ConfigurationError, match="J=4 over maps must be odd"):
        be.lrn_layer(np.float32, 2, 6, J=4)


# ---- regions of interest -------------------------------------------------------------------------


def test_regions_of_interest(be):
    be.bsz = 3
    c, h, w, ph, pw, scale = 2, 9, 8, 3, 2, 0.5
    rng = np.random.RandomState(0)
    rois = np.sort(rng.uniform(-2, 20, (6, 4)).reshape(6, 2, 2), axis=1).reshape(6, 4)
    rois = np.concatenate([rng.randint(0, 3, (6, 1)), rois], 1).astype("f")
    x = random(c, h, w, 3)
    images, regions = be.array(x.reshape(-1, 3)), be.array(rois)
    form = (c, ph, pw, 6)
    out, argmax = be.empty((c * ph * pw, 6)), be.empty((c * ph * pw, 6), dtype=np.int32)
    sizes = 6, c, h, w, ph, pw, scale
    be.roipooling_fprop(images, regions, out, argmax, *sizes)
    close(out, loops.roi_pool(x, rois, (ph, pw), scale), 1e-6)
    e = np.rint(random(*form, seed=1) * 8)
    deltas = be.array(np.full((c * h * w, 3), np.nan))
    be.roipooling_bprop(be.array(e), regions, deltas, argmax, *sizes)
    index = loops.roi_index(x, rois, (ph, pw), scale)
    close(deltas, loops.roi_pool_backward(e, rois, index, (h, w, 3)), 1e-6)
    assert deltas.get().sum() == e[index >= 0].sum()


def test_regions_worked_values(be):
    x = np.zeros((1, 6, 6, 1), "f")
    x[0] = np.arange(36).reshape(6, 6, 1)
    out, argmax = be.empty((4, 1)), be.empty((4, 1), dtype=np.int32)
    rois = be.array([[0, 2, 2, 8, 6]])
    be.roipooling_fprop(be.array(x), rois, out, argmax, 1, 1, 6, 6, 2, 2, 0.5)
    # rows [1, 3) and [2, 4), columns [1, 3) and [3, 5)
    assert out.get()[:, 0].tolist() == [14, 16, 20, 22]


def test_mistakes_of_regions(be):
    x, rois = be.zeros((2 * 36, 2)), be.zeros((3, 5))
    out, argmax = be.zeros((8, 3)), be.zeros((8, 3), dtype=np.int32)
    sizes = 3, 2, 6, 6, 2, 2, 1.0
    with pytest.raises(ShapeError, match="rois of shape"):
        be.roipooling_fprop(x, be.zeros((2, 5)), out, argmax, *sizes)
    with pytest.raises(ShapeError, match="no images of 72 cells"):
        be.roipooling_fprop(be.zeros((7, 3)), rois, out, argmax, *sizes)
    with pytest.raises(DtypeError, match="argmax of dtype float32"):
        be.roipooling_fprop(x, rois, out, be.zeros((8, 3)), *sizes)
    with pytest.raises(ShapeError, match="O of shape"):
        be.roipooling_fprop(x, rois, be.zeros((7, 3)), argmax, *sizes)


# ---- suppression ---------------------------------------------------------------------------------


def greedy(boxes, threshold, off):
    """Non-maximum suppression, box by box."""

    def union(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0]) + off
        height = min(a[3], b[3]) - max(a[1], b[1]) + off
        common = max(width, 0) * max(height, 0)
        areas = [(c[2] - c[0] + off) * (c[3] - c[1] + off) for c in (a, b)]
        return common / (areas[0] + areas[1] - common)

    kept = []
    for i, box in enumerate(boxes):
        if box[4] != 0 and all(union(boxes[k], box) <= threshold for k in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.5, 0.7])
@pytest.mark.parametrize("normalized", [False, True])
def test_suppression(be, threshold, normalized):
    rng = np.random.RandomState(0)
    low = rng.uniform(0, 60, (300, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 40, (300, 2)), np.zeros((300, 1))], 1)
    boxes[:280, 4] = np.sort(rng.uniform(0.1, 1, 280))[::-1]
    boxes = boxes.astype("f")
    want = greedy(boxes, threshold, 0 if normalized else 1)
    got = be.nms(be.array(boxes), threshold, normalized)
    assert got == want
    assert all(type(i) is int for i in got)
    assert be.nms(boxes, threshold, normalized) == want


def test_suppression_at_the_threshold_and_of_nothing(be):
    pair = np.array([[0, 0, 1, 2, 0.9], [0, 0, 2, 2, 0.8], [0, 0, 1, 2, 0.0]], "f")
    assert be.nms(pair, 0.5, normalized=True) == [0, 1]  # exactly half survives
    assert be.nms(pair, 0.49, normalized=True) == [0]
    assert be.nms(np.zeros((0, 5)), 0.5) == []
    with pytest.raises(ShapeError, match=r"\(n, 5\)"):
        be.nms(np.zeros((3, 4)), 0.5)


# ---- lookup table --------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [None, 2])
@pytest.mark.parametrize("column", [False, True])
def test_gradient_of_a_lookup_table(be, pad, column):
    words = np.array([3, 0, 2, 3, 2, 5, 3], np.int32)
    error = random(4, 7)
    inputs = be.array(words.reshape((-1, 1) if column else (1, -1)), dtype=np.int32)
    update = be.zeros((6, 4))
    be.compound_bprop_lut(7, inputs, be.array(error), be.empty((7, 4)), update, pad)
    want = np.zeros((6, 4))
    for i, word in enumerate(words):
        if word != pad:
            want[word] += error[:, i]
    close(update, want)


def test_a_padded_word_takes_no_nan(be):
    error = np.array([[1, np.nan, 2.0]])
    update = be.zeros((3, 1))
    inputs = be.array([[0, 1, 2]], dtype=np.int32)
    be.compound_bprop_lut(3, inputs, be.array(error), None, update, 1)
    assert update.get()[:, 0].tolist() == [1, 0, 2]
