"""Neon's convolution calls and their epilogues against loops."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DtypeError, ShapeError
from tests.ops import loops

SIZES = {"N": 2, "C": 3, "K": 4, "D": 2, "H": 5, "W": 6, "T": 1, "R": 3, "S": 2}
STEPS = {"pad_h": 1, "pad_w": 2, "str_h": 2, "str_w": 1, "dil_w": 2}


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("f")


@pytest.fixture
def layer(be):
    return be.conv_layer(np.float32, **SIZES, **STEPS)


def arrays(layer):
    return (
        random(*layer.dimI),
        random(*layer.dimF, seed=1),
        random(*layer.dimO, seed=2),
        random(*layer.dimO, seed=3),
    )


def convolved(layer, x, f):
    return loops.conv(x, f, layer.padding, layer.strides, layer.dilation)


def gradients(layer, x, f, e):
    steps = layer.padding, layer.strides, layer.dilation
    return (
        loops.conv_backward_data(f, e, *steps, size=layer.DHW),
        loops.conv_backward_filter(x, e, *steps, size=layer.TRS),
    )


def close(got, want):
    np.testing.assert_allclose(got.get().reshape(want.shape), want, rtol=1e-5, atol=1e-5)


def test_sizes(layer):
    assert (layer.C, layer.K, layer.N, layer.NCK) == (3, 4, 2, (2, 3, 4))
    assert (layer.M, layer.P, layer.Q) == layer.MPQ == (2, 3, 8)
    assert (layer.dimI, layer.dimF, layer.dimO) == (
        (3, 2, 5, 6, 2),
        (3, 1, 3, 2, 4),
        (4, 2, 3, 8, 2),
    )
    assert (layer.dimI2, layer.dimF2, layer.dimO2) == ((180, 2), (18, 4), (192, 2))
    assert (layer.sizeI, layer.sizeF, layer.sizeO, layer.nOut) == (360, 72, 384, 192)
    assert (layer.padding, layer.strides, layer.dilation) == ((0, 1, 2), (1, 2, 1), (1, 1, 2))
    assert (layer.dimS, layer.TRS, layer.DHW) == ((4, 1), (1, 3, 2), (2, 5, 6))
    assert layer.get_is_mklop() is False
    layer.set_is_mklop()
    assert layer.get_is_mklop() is True
    layer.set_not_mklop()
    assert layer.get_is_mklop() is False


def test_forward_and_backward_with_operands_as_layers_hold_them(be, layer):
    x, f, e, _ = arrays(layer)
    images, filters = be.array(x.reshape(layer.dimI2)), be.array(f.reshape(layer.dimF2))
    out, errors = be.empty(layer.dimO2), be.array(e.reshape(layer.dimO2))
    deltas, update = be.empty(layer.dimI2), be.empty(layer.dimF2)
    for _ in range(2):
        be.fprop_conv(layer, images, filters, out)
        close(out, convolved(layer, x, f))
        be.bprop_conv(layer, filters, errors, deltas)
        be.update_conv(layer, images, errors, update)
        dx, df = gradients(layer, x, f, e)
        close(deltas, dx)
        close(update, df)


def test_ones_and_zeros_are_exact(be, layer):
    ones = [np.ones(shape, "f") for shape in (layer.dimI, layer.dimF)]
    out = be.empty(layer.dimO)
    be.fprop_conv(layer, be.array(ones[0]), be.array(ones[1]), out)
    np.testing.assert_array_equal(out.get(), convolved(layer, *ones))
    be.fprop_conv(layer, be.zeros(layer.dimI), be.array(ones[1]), out)
    assert not out.get().any()


def epilogue(y, x, bias=None, alpha=1.0, beta=0.0, relu=False, brelu=False, slope=0.0):
    """The steps in their order: alpha, bias, relu, beta, brelu."""
    y = alpha * y
    if bias is not None:
        y = y + bias.reshape(-1, 1, 1, 1, 1)
    if relu:
        y = np.maximum(y, 0) + slope * np.minimum(y, 0)
    if beta:
        y = y + beta * x
    if brelu:
        y = y * ((x > 0) + slope * (x < 0))
    return y


FORMS = [
    {"alpha": 0.5},
    {"beta": 2.0},
    {"alpha": -1.5, "beta": 0.25},
    {"relu": True},
    {"relu": True, "slope": 0.1},
    {"brelu": True},
    {"brelu": True, "slope": 0.1},
    {"alpha": 0.5, "beta": 0.25, "relu": True, "slope": 0.1},
    {"alpha": 0.5, "beta": 0.25, "relu": True, "brelu": True, "slope": 0.2},
]


@pytest.mark.parametrize("call", ["fprop_conv", "bprop_conv"])
@pytest.mark.parametrize("other", ["the output", "X"])
@pytest.mark.parametrize("biased", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_epilogue(be, layer, call, form, biased, other):
    x, f, e, _ = arrays(layer)
    forward = call == "fprop_conv"
    plain = convolved(layer, x, f) if forward else gradients(layer, x, f, e)[0]
    maps = len(plain)
    old, bias = random(*plain.shape, seed=4), random(maps, 1, seed=5) if biased else None
    out, sums = be.array(old), be.empty((maps, 1))
    extra = random(*plain.shape, seed=6)
    operands = {"X": be.array(extra)} if other == "X" else {}
    if biased:
        operands["bias"] = be.array(bias)
    first = [be.array(x), be.array(f)] if forward else [be.array(f), be.array(e)]
    getattr(be, call)(layer, *first, out, bsum=sums, **operands, **form)
    want = epilogue(plain, extra if other == "X" else old, bias, **form)
    np.testing.assert_allclose(out.get(), want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sums.get()[:, 0], want.sum((1, 2, 3, 4)), rtol=1e-4, atol=1e-3)


def test_update_with_factors_and_bias(be, layer):
    x, f, e, _ = arrays(layer)
    old = random(*layer.dimF, seed=4)
    update, bias = be.array(old), be.empty((4, 1))
    be.update_conv(layer, be.array(x), be.array(e), update, alpha=0.5, beta=2.0, grad_bias=bias)
    close(update, 0.5 * gradients(layer, x, f, e)[1] + 2 * old)
    np.testing.assert_allclose(bias.get()[:, 0], e.sum((1, 2, 3, 4)), rtol=1e-4, atol=1e-4)


def test_with_beta_0_nothing_old_is_read(be, layer):
    x, f, e, _ = arrays(layer)
    out, deltas = be.array(np.full(layer.dimO, np.nan)), be.array(np.full(layer.dimI, np.nan))
    update = be.array(np.full(layer.dimF, np.nan))
    be.fprop_conv(layer, be.array(x), be.array(f), out, beta=0.0, relu=True)
    be.bprop_conv(layer, be.array(f), be.array(e), deltas, beta=0)
    be.update_conv(layer, be.array(x), be.array(e), update, beta=0)
    for t in (out, deltas, update):
        assert np.isfinite(t.get()).all()


def test_deconvolution(be):
    layer = be.deconv_layer(
        np.float32, 2, 3, 4, 1, 3, 4, R=3, S=2, pad_h=1, str_h=2, str_w=3, dil_w=2
    )
    assert layer.DHW == (1, 5, 12)
    assert layer.dimI == (3, 1, 5, 12, 2)
    assert layer.MPQ == (1, 3, 4)
    assert layer.nOut == 3 * 5 * 12
    x, f, e, _ = arrays(layer)  # e is what comes in, x the gradient of what comes out
    out, deltas, update = be.empty(layer.dimI2), be.empty(layer.dimO2), be.empty(layer.dimF2)
    be.bprop_conv(layer, F=be.array(f), E=be.array(e), grad_I=out)
    be.fprop_conv(layer, I=be.array(x), F=be.array(f), O=deltas)
    be.update_conv(layer, I=be.array(x), E=be.array(e), U=update)
    dx, df = gradients(layer, x, f, e)
    close(out, dx)
    close(deltas, convolved(layer, x, f))
    close(update, df)


def test_dilation_is_a_filter_with_zeros_between(be):
    sizes = {"N": 2, "C": 2, "K": 3, "H": 11, "W": 12}
    for stride, dilation in ((1, 2), (3, 3), (6, 2)):
        step = {"str_h": stride, "str_w": stride, "pad_h": 2, "pad_w": 1}
        dilated = be.conv_layer(
            np.float32, **sizes, R=3, S=2, **step, dil_h=dilation, dil_w=dilation
        )
        stuffed = be.conv_layer(np.float32, **sizes, R=2 * dilation + 1, S=dilation + 1, **step)
        x, f = random(*dilated.dimI), random(*dilated.dimF, seed=1)
        wide = np.zeros(stuffed.dimF, "f")
        wide[:, :, ::dilation, ::dilation] = f
        outs = []
        for layer, filters in ((dilated, f), (stuffed, wide)):
            outs.append(be.empty(layer.dimO2))
            be.fprop_conv(layer, be.array(x), be.array(filters), outs[-1])
        np.testing.assert_allclose(outs[0].get(), outs[1].get(), rtol=1e-4, atol=1e-4)


def test_filters_that_are_a_transposed_view(be, layer):
    x, f, _, _ = arrays(layer)
    out = be.empty(layer.dimO2)
    filters = be.array(np.ascontiguousarray(f.reshape(layer.dimF2).T)).T
    be.fprop_conv(layer, be.array(x), filters, out)
    close(out, convolved(layer, x, f))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(be, dtype):
    layer = be.conv_layer(dtype, **SIZES, **STEPS)
    x, f = (v.astype(dtype) for v in arrays(layer)[:2])
    out = be.empty(layer.dimO2, dtype=dtype)
    be.fprop_conv(layer, be.array(x, dtype=dtype), be.array(f, dtype=dtype), out)
    want = convolved(layer, x.astype("d"), f.astype("d"))
    bound = 1e-12 if dtype == "float64" else 4e-3
    np.testing.assert_allclose(out.get().reshape(want.shape), want, rtol=bound, atol=bound)


def test_a_layer_without_output_can_be_made(be):
    assert be.conv_layer(np.float32, 2, 3, 4, H=2, W=2, R=5, S=5).P <= 0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"I": lambda be, layer: be.zeros((7, 2))}, ShapeError, "fprop_conv: I of shape"),
        ({"F": lambda be, layer: be.zeros((7, 2))}, ShapeError, "fprop_conv: F of shape"),
        ({"O": lambda be, layer: be.zeros((7, 2))}, ShapeError, "fprop_conv: O of shape"),
        ({"O": lambda be, layer: np.zeros(layer.dimO)}, DtypeError, "fprop_conv: O must be"),
        ({"bias": lambda be, layer: be.zeros((3, 1))}, ShapeError, "fprop_conv: bias of shape"),
        ({"bsum": lambda be, layer: be.zeros((3, 1))}, ShapeError, "fprop_conv: bsum of shape"),
        ({"X": lambda be, layer: be.zeros((3, 1)), "beta": 1.0}, ShapeError, "X of shape"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_anything_is_written(be, layer, change, error, words):
    x, f, _, old = arrays(layer)
    out = be.array(old)
    operands = {"I": be.array(x), "F": be.array(f), "O": out}
    given = {k: v(be, layer) if callable(v) else v for k, v in change.items()}
    with pytest.raises(error, match=words):
        be.fprop_conv(layer, **{**operands, **given})
    np.testing.assert_array_equal(out.get(), old)


# ---- op-trees ------------------------------------------------------------------------------------


def test_conv_as_a_tree(be):
    x, f = random(2, 2, 5, 6, 3), random(2, 1, 3, 2, 4, seed=1)
    images, filters = be.array(x), be.array(f)
    for args, full in (
        ({}, ((0, 0, 0), (1, 1, 1), (1, 1, 1))),
        ({"padding": 1, "stride": 2}, ((0, 1, 1), (1, 2, 2), (1, 1, 1))),
        ({"padding": (1, 2), "dilation": 2}, ((0, 1, 2), (1, 1, 1), (1, 2, 2))),
        ({"padding": (1, 0, 1), "stride": (2, 1, 3)}, ((1, 0, 1), (2, 1, 3), (1, 1, 1))),
    ):
        tree = be.conv(images, filters, **args)
        want = loops.conv(x, f, *full)
        assert tree.shape == want.shape
        np.testing.assert_allclose((tree * 2).get(), want * 2, rtol=1e-5, atol=1e-5)


def test_deconv_as_a_tree(be):
    x, f = random(4, 1, 3, 4, 2), random(3, 1, 3, 2, 4, seed=1)
    tree = be.deconv(be.array(x), be.array(f), padding=1, stride=2)
    want = loops.conv_backward_data(f, x, (0, 1, 1), (1, 2, 2), (1, 1, 1), (1, 5, 6))
    assert tree.shape == want.shape
    np.testing.assert_allclose(tree.get(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda be, x, f: be.conv(x, be.zeros((3, 1, 2, 2, 4))), ShapeError, "maps of x"),
        (lambda be, x, f: be.conv(x, f, stride=0), ShapeError, "each at least 1"),
        (lambda be, x, f: be.conv(x, f, padding=-1), ShapeError, "each at least 0"),
        (lambda be, x, f: be.conv(x, f, padding=(1, 2, 3, 4)), ShapeError, "up to 3 ints"),
        (lambda be, x, f: be.conv(x, f, stride=1.5), DtypeError, "integers only"),
        (lambda be, x, f: be.conv(x, f, dilation=9), ShapeError, "does not fit into 5 cells"),
        (lambda be, x, f: be.conv(x.reshape(2, -1), f), ShapeError, r"must be \(C, D, H, W, N\)"),
        (lambda be, x, f: be.conv(2.0, f), ShapeError, r"must be \(C, D, H, W, N\)"),
        (lambda be, x, f: be.deconv(x.reshape(2, -1), f), ShapeError, "reshape them"),
        (lambda be, x, f: be.deconv(x, f), ShapeError, "maps of filters"),
        (lambda be, x, f: be.deconv(x, f, padding=9), ShapeError, "nothing is left"),
    ],
)  # fmt: skip
def test_mistakes_in_trees(be, call, error, words):
    with pytest.raises(error, match=words):
        call(be, be.zeros((2, 1, 5, 6, 3)), be.zeros((2, 1, 3, 2, 4)))
