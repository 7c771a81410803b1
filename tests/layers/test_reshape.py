from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers import Reshape


@pytest.mark.parametrize(
    ("in_shape", "request_", "expected"),
    [
        ((3, 4, 5), (12, 5), (12, 5)),
        ((3, 4, 5), (0, -1), (3, 20)),
        ((3, 4, 5), (0, 0, -1), (3, 4, 5)),
        ((3, 4, 5), (-1,), (60,)),
        ((3, 4, 5), -1, (60,)),
        ((3, 4, 5), 60, (60,)),
        ((12, 5), (3, 4, 5), (3, 4, 5)),
        (60, (3, 4, -1), (3, 4, 5)),
        ((12, 5), (-1, 10), (6, 10)),
    ],
)
def test_shapes_and_order_of_elements(be, tools, in_shape, request_, expected):
    layer = tools.drive(Reshape(request_), in_shape)
    assert layer.out_shape == expected
    x = be.iobuf(in_shape)
    values = np.arange(x.size, dtype=np.float32).reshape(x.shape)
    x.set(values)
    y = layer.fprop(x)
    assert y.shape == be.iobuf(expected).shape
    np.testing.assert_array_equal(y.get(), values.reshape(y.shape))
    back = layer.bprop(y)
    assert back.shape == x.shape
    np.testing.assert_array_equal(back.get(), values)


def test_it_is_a_view(be, tools):
    layer = tools.drive(Reshape((6, 1)), (2, 3, 1))
    x = be.iobuf((2, 3, 1))
    assert tools.shares_memory(x, layer.fprop(x))
    error = be.iobuf((6, 1))
    assert tools.shares_memory(error, layer.bprop(error))


def test_what_is_not_contiguous_is_copied_every_time(be, tools):
    layer = tools.drive(Reshape((2, 3)), (3, 2))
    wide = be.zeros((3, 100))
    part = wide[:, 10:74]
    for value in (1.0, 2.0):
        wide.fill(value)
        assert (layer.fprop(part).get() == value).all()
    wide_error = be.zeros((2, 200))
    assert (layer.bprop(wide_error[:, :96].fill(3.0)).get() == 3).all()


def test_other_tensors_are_noticed(be, tools):
    layer = tools.drive(Reshape((6, 1)), (2, 3, 1))
    for value in (1.0, 2.0):
        assert (layer.fprop(be.iobuf((2, 3, 1)).fill(value)).get() == value).all()
        assert (layer.bprop(be.iobuf((6, 1)).fill(value)).get() == value).all()


@pytest.mark.parametrize("bad", [(7, 2), (0, 0, 0), (-1, 7), 59])
def test_products_that_do_not_match(be, bad):
    with pytest.raises(ConfigurationError, match=r"Reshape.*\(5, 12\)"):
        Reshape(bad).configure((5, 12))


@pytest.mark.parametrize("bad", [(-1, -1), (2, -3), (), (2.5, 2)])
def test_what_is_no_request(bad):
    with pytest.raises(ConfigurationError, match="sizes"):
        Reshape(bad)


def test_configuring_does_not_change_what_was_asked(be):
    layer = Reshape((0, -1))
    layer.configure((3, 4, 5))
    assert layer.get_description()["config"]["reshape"] == (0, -1)
    assert layer.configure((2, 4, 5)).out_shape == (2, 20)
