"""Mistakes that were accepted, or reported in the name of another operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport import Autodiff
from neonport.errors import DtypeError, ShapeError

N, C, K = 4, 3, 8


@pytest.mark.parametrize(
    "op", ["mean", "std", "var", "sum", "softmax", "log_softmax", "logsumexp", "fprop_softmax"]
)
def test_an_axis_that_is_not_there_is_of_the_op_that_was_called(be: Any, op: str) -> None:
    a = be.ones((3, 4))
    for axis, error in ((5, ShapeError), ("a", DtypeError), ((0, 0), ShapeError)):
        with pytest.raises(error, match=rf"^{op}: axis"):
            getattr(be, op)(a, axis=axis)


def test_masked_elements_are_refused_and_the_target_is_untouched(be: Any) -> None:
    masked = np.ma.masked_less(np.arange(12.0).reshape(3, 4), 3)
    y = be.zeros((3, 4))
    for call in (
        lambda: be.array(masked),
        lambda: y.set(masked),
        lambda: y.__setitem__(..., masked),
    ):
        with pytest.raises(DtypeError, match=r"masked elements.*filled\(0\)"):
            call()
    assert (y.get() == 0).all()
    whole = np.ma.masked_less(np.ones((3, 4)), 0)
    np.testing.assert_array_equal(be.array(whole).get(), np.ones((3, 4)))


def test_no_tree_is_said_to_be_none(be: Any) -> None:
    with pytest.raises(TypeError, match="op_tree is None; give an op-tree"):
        Autodiff(None, be)


def sizes(be: Any) -> Any:
    return be.conv_layer(np.float32, N, C, K, 1, 6, 6, 1, 3, 3)


@pytest.mark.parametrize("shape", [(C * 36, N), (C, 36, N), (C, 6, 6, N), (C * 36 * N, 1)])
def test_axes_taken_together_are_images(be: Any, shape: tuple[int, ...]) -> None:
    layer, rng = sizes(be), np.random.RandomState(0)
    images, filters = rng.rand(*layer.dimI), rng.rand(*layer.dimF)
    wanted, found = be.empty(layer.dimO), be.empty((K * 16, N))
    be.fprop_conv(layer, be.array(images), be.array(filters), wanted)
    be.fprop_conv(layer, be.array(images.reshape(shape)), be.array(filters.reshape(-1, K)), found)
    np.testing.assert_array_equal(found.get(), wanted.get().reshape(K * 16, N))


def test_turned_images_and_filters_are_refused(be: Any) -> None:
    layer = sizes(be)
    i, f, o = be.ones((C * 36, N)), be.ones((C * 9, K)), be.zeros((K * 16, N))
    turned_i, turned_f, turned_o = be.ones((N, C * 36)), be.ones((K, C * 9)), be.zeros((N, K * 16))
    other = be.ones((36, C * N))
    pool = be.pool_layer(np.float32, "max", N, C, 1, 6, 6, 1, 1, 2, 2)
    for call, words in (
        (lambda: be.fprop_conv(layer, turned_i, f, o), r"I of shape \(4, 108\).*transposed"),
        (lambda: be.fprop_conv(layer, other, f, o), r"I of shape \(36, 12\).*not its axes"),
        (lambda: be.fprop_conv(layer, i, turned_f, o), "F of shape"),
        (lambda: be.fprop_conv(layer, i, f, turned_o), "O of shape"),
        (lambda: be.bprop_conv(layer, turned_f, o, i), "bprop_conv: F of shape"),
        (lambda: be.update_conv(layer, i, o, turned_f), "update_conv: U of shape"),
        (lambda: be.fprop_pool(pool, turned_i, be.empty(pool.dimO)), "fprop_pool: I of shape"),
    ):
        with pytest.raises(ShapeError, match=words):
            call()
    assert (o.get() == 0).all()
    assert (turned_o.get() == 0).all()
