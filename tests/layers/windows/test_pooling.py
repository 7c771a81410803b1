from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import Pooling
from tests.layers.windows.definitions import pool, randn

# in_shape, arguments, out_shape, (d, h, w) of window, stride, padding
CASES = {
    "side by side": ((2, 5, 6), {"fshape": 2}, (2, 2, 3), (1, 2, 2), (1, 2, 2), (0, 0, 0)),
    "overlapping": (
        (2, 6, 5), {"fshape": (3, 2), "strides": (2, 1), "padding": 1}, (2, 3, 6),
        (1, 3, 2), (1, 2, 1), (0, 1, 1),
    ),
    "all": ((3, 5, 7), {"fshape": "all"}, (3, 1, 1), (1, 5, 7), (1, 5, 7), (0, 0, 0)),
    "volume": (
        (2, 4, 3, 5), {"fshape": [2, 2, 3], "strides": {"str_d": 1}}, (2, 3, 1, 1),
        (2, 2, 3), (1, 2, 3), (0, 0, 0),
    ),
    "volume, all": (
        (2, 3, 2, 2), {"fshape": "all"}, (2, 3, 1, 1), (1, 2, 2), (1, 2, 2), (0, 0, 0),
    ),
}  # fmt: skip
CAFFE = {
    "rounded up": ((2, 5, 6), {"fshape": 2}, (2, 3, 3), (1, 2, 2), (1, 2, 2), (0, 0, 0)),
    "with padding": (
        (1, 5, 5), {"fshape": 3, "strides": 2, "padding": 1}, (1, 3, 3),
        (1, 3, 3), (1, 2, 2), (0, 1, 1),
    ),
    "none beyond": (
        (1, 3, 3), {"fshape": 2, "strides": 2, "padding": 1}, (1, 2, 2),
        (1, 2, 2), (1, 2, 2), (0, 1, 1),
    ),
}  # fmt: skip


def check(be, tools, case, op):
    in_shape, kwargs, out_shape, *slides = case
    layer = tools.drive(Pooling(op=op, **kwargs), in_shape)
    assert layer.out_shape == out_shape
    sizes = layer.nglayer
    x, error = randn(*sizes.dimI), randn(*sizes.dimO, seed=1)
    y = layer.fprop(be.array(x.reshape(sizes.dimI2)))
    assert y is layer.outputs
    wanted, dx = pool(x, op, *slides, sizes.MPQ, error)
    np.testing.assert_allclose(y.get().reshape(sizes.dimO), wanted, atol=1e-6)
    deltas = layer.bprop(be.array(error.reshape(sizes.dimO2)))
    assert deltas is layer.deltas
    np.testing.assert_allclose(deltas.get().reshape(sizes.dimI), dx, atol=1e-5)


@pytest.mark.parametrize("op", ["max", "avg"])
def test_ones_are_exact(make_backend, tools, op):
    be = make_backend(batch_size=3)
    layer = tools.drive(Pooling(3, op=op, strides=2, padding=1), (2, 5, 5))
    assert (layer.fprop(be.iobuf((2, 5, 5)).fill(1.0)).get() == 1).all()
    deltas = layer.bprop(be.iobuf((2, 3, 3)).fill(1.0)).get()
    if op == "max":
        assert set(np.unique(deltas)) <= {0.0, 1.0, 2.0, 3.0, 4.0}  # whole errors, wherever they go
    np.testing.assert_allclose(deltas.sum(axis=0), 2 * 9, rtol=0 if op == "max" else 1e-6)


@pytest.mark.parametrize("op", ["max", "avg"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_against_the_definition(make_backend, tools, case, op):
    check(make_backend(batch_size=3), tools, CASES[case], op)


@pytest.mark.parametrize("op", ["max", "avg"])
@pytest.mark.parametrize("case", CAFFE)
def test_sizes_of_caffe(make_backend, tools, case, op):
    check(make_backend(batch_size=3, compat_mode="caffe"), tools, CAFFE[case], op)


@pytest.mark.parametrize("op", ["max", "avg"])
def test_alpha_beta_and_parts_of_a_batch(make_backend, tools, op):
    be = make_backend(batch_size=3)
    layer = tools.drive(Pooling(2, op), (1, 2, 2))
    layer.outputs.fill(10.0)
    y = layer.fprop(be.iobuf((1, 2, 2)).fill(1.0), beta=0.5)
    assert (y.get() == 1 + 5).all()
    layer.deltas.fill(4.0)
    deltas = layer.bprop(be.iobuf((1, 1, 1)).fill(4.0), alpha=2.0, beta=0.5).get()
    assert (deltas.sum(0) == 8 + 4 * 2).all()
    layer.set_batch_size(1)
    assert layer.fprop(be.iobuf((1, 2, 2)).fill(2.0)).get().tolist() == [[2, 6, 6]]
    layer.set_batch_size(None)
    assert layer.fprop(be.iobuf((1, 2, 2)).fill(2.0)).get().tolist() == [[2, 2, 2]]


def test_windows_of_more_cells_than_a_byte_can_number(make_backend, tools):
    be = make_backend(batch_size=1)
    layer = tools.drive(Pooling("all"), (1, 17, 17))
    x = np.zeros((289, 1))
    x[270] = 1
    assert layer.fprop(be.array(x)).get() == 1
    deltas = layer.bprop(be.array([[3.0]])).get()
    assert deltas[270] == 3
    assert deltas.sum() == 3


def test_windows_over_maps(make_backend, tools):
    be = make_backend(batch_size=1)
    layer = tools.drive(Pooling(1, strides={"str_c": 2}), (4, 1, 1))
    assert layer.out_shape == (2, 1, 1)
    assert layer.fprop(be.array([[1.0], [2.0], [3.0], [4.0]])).get().tolist() == [[1], [3]]


def test_a_first_layer_has_no_deltas(make_backend, tools):
    be = make_backend(batch_size=1)
    layer = tools.drive(Pooling(2), (1, 2, 2), first=True)
    layer.fprop(be.iobuf((1, 2, 2)))
    assert layer.bprop(be.iobuf((1, 1, 1))) is None


def test_text_and_description(be):
    layer = Pooling("all", "avg", name="p")
    assert str(layer) == "Pooling Layer 'p': ? inputs, ? outputs"
    layer.configure((3, 5, 7))
    assert str(layer) == "Pooling Layer 'p': 3 x (5x7) inputs, 3 x (1x1) outputs"
    layer = Pooling(2).configure((3, 4, 6, 8))
    assert str(layer).endswith("3 x (4x6x8) inputs, 3 x (4x3x4) outputs")
    entry = Pooling((3, 3), strides=2, padding=1, name="p").get_description()
    assert entry == {
        "type": "neon.layers.layer.Pooling",
        "config": {"fshape": (3, 3), "strides": 2, "padding": 1, "name": "p"},
    }


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"fshape": 0}, "'all'"),
        ({"fshape": "some"}, "'all'"),
        ({"fshape": (1, 2, 3, 4)}, "'all'"),
        ({"fshape": 2, "op": "l2"}, "'max' or 'avg'"),
        ({"fshape": 2, "strides": 0}, "at least 1"),
    ],
)
def test_arguments_are_checked(be, kwargs, words):
    with pytest.raises(ConfigurationError, match=words):
        Pooling(**kwargs)


@pytest.mark.parametrize("error", [ConfigurationError, ValueError])
def test_sizes_are_checked(be, error):
    with pytest.raises(error, match=r"Pooling 'p': .*padding 2 must be smaller"):
        Pooling(2, padding=2, name="p").configure((1, 8, 8))
    with pytest.raises(error, match="windows of 3x3 do not fit into images of 2x8"):
        Pooling(3).configure((1, 2, 8))
    with pytest.raises(error, match=r"images: \(C, H, W\)"):
        Pooling(3).configure((20, 4))
