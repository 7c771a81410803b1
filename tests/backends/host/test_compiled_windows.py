"""Compiled convolutions and poolings of the cpu backend: all ways to cut them, and without."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.backends.host import threads
from neonport.backends.host.kernels import direct_convolution as conv_direct
from neonport.backends.host.kernels import library as native
from neonport.backends.host.kernels.direct_convolution import direct_of
from neonport.errors import CompileError
from neonport.ops.op import OPS
from neonport.optree.node import apply
from tests.backends.host.test_windows import random
from tests.ops.test_windows import CONVS, POOLS, windows

pytestmark = pytest.mark.skipif(
    native.library("conv.c", REAL="float32") is None, reason="there is no C compiler here"
)
ROOMS = {
    "as it is": {},
    "patches of few maps": {"patch": 2000},
    "few filters at a time": {"room": 1200},
    "small patches": {"patch": 900, "room": 700},
}


@pytest.fixture
def be():
    return gen_backend("cpu", batch_size=2)


def parameters(name, samples):
    """Arrays of a convolution with so many samples, its parameters, result and its gradient."""
    (*images, _), filters, *geometry = CONVS[name]
    params = dict(zip(("padding", "stride", "dilation"), geometry, strict=True))
    x, f = random(*images, samples), random(*filters, seed=1)
    want = meaning("conv", x, f, **params)
    return x, f, params, want, random(*want.shape, seed=2)


def meaning(op, *operands, **params):
    """What NumPy says; `tests/ops/test_windows.py` compares it with loops."""
    return OPS[op].numpy(*operands, **params)


def check(be, op, operands, want, **params):
    """Run an op twice, and compare; sums of thousands of numbers round by their largest."""
    tensors = [be.array(v, dtype=v.dtype) for v in operands]
    out = be.empty(want.shape, dtype=operands[0].dtype)
    out.fill(7)
    for _ in range(2):
        out[:] = apply(op, *tensors, **params)
        bound = 3e-6 if out.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(out.get(), want, rtol=0, atol=bound * abs(want).max())


def spied(monkeypatch):
    """Names of the compiled functions that are bound from now on."""
    seen, bind = [], native.Library.bind

    def watched(self, function, *args):
        seen.append(function)
        return bind(self, function, *args)

    monkeypatch.setattr(native.Library, "bind", watched)
    return seen


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("samples", [64, 70])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONVS)
def test_convolution(be, monkeypatch, name, dtype, samples, room):
    direct = direct_of(dtype)
    for attribute, value in ROOMS[room].items():
        monkeypatch.setattr(direct, attribute, value)
    direct._patch_of_sums.cache_clear()
    direct._patch_of_filter.cache_clear()
    try:
        seen = spied(monkeypatch)
        x, f, params, want, e = parameters(name, samples)
        x, f, e = (a.astype(dtype) for a in (x, f, e))
        check(be, "conv", [x, f], want.astype(dtype), **params)
        data = {**params, "size": x.shape[1:4]}
        want = meaning("conv_backward_data", f, e, **data).astype(dtype)
        check(be, "conv_backward_data", [f, e], want, **data)
        filters = {**params, "size": f.shape[1:4]}
        want = meaning("conv_backward_filter", x, e, **filters).astype(dtype)
        check(be, "conv_backward_filter", [x, e], want, **filters)
    finally:
        direct._patch_of_sums.cache_clear()
        direct._patch_of_filter.cache_clear()
    if name != "1x1x1" and room == "as it is":  # that one is a product
        assert {"neo_conv", "neo_conv_backward_filter"} <= set(seen)


@pytest.mark.parametrize("filters", [1, 3, 4, 5, 8, 9, 20])
def test_blocks_of_filters_that_are_not_full(be, filters):
    x, f = random(3, 1, 5, 5, 33).astype("f"), random(3, 1, 3, 3, filters, seed=1).astype("f")
    params = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    want = meaning("conv", x, f, **params).astype("f")
    check(be, "conv", [x, f], want, **params)
    e = random(*want.shape, seed=2).astype("f")
    size = {**params, "size": (1, 3, 3)}
    check(
        be,
        "conv_backward_filter",
        [x, e],
        meaning("conv_backward_filter", x, e, **size).astype("f"),
        **size,
    )


def test_nan_behind_the_samples_of_a_row_takes_no_part(be):
    x, e = random(1, 1, 3, 9, 9).astype("f"), random(1, 1, 3, 8, 9, seed=1).astype("f")
    x[:, :, :, 8] = np.nan  # seen by the second cell of a window only
    params = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    tree = apply("conv_backward_filter", be.array(x), be.array(e), **params, size=(1, 1, 2))
    got = tree.get().ravel()
    np.testing.assert_allclose(got[0], np.sum(x[..., :8, :] * e, dtype="d"), rtol=1e-5)
    assert np.isnan(got[1])


def check_threads(trees):
    """The bits of trees, with some numbers of threads."""
    before = threads.num_threads()
    try:
        found = []
        for count in (1, 2, 5):
            threads.set_num_threads(count)
            found.append([tree.get() for tree in trees])
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def three(be, x, f, e):
    """Trees of the convolution, padded so that pictures keep their size, and of both gradients."""
    size = f.shape[1:4]
    padding = tuple(n // 2 for n in size)
    params = {"padding": padding, "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    return [
        apply("conv", be.array(x), be.array(f), **params),
        apply("conv_backward_data", be.array(f), be.array(e), **params, size=x.shape[1:4]),
        apply("conv_backward_filter", be.array(x), be.array(e), **params, size=size),
    ]


def test_bits_do_not_depend_on_the_number_of_threads(be):
    x, f = random(16, 1, 12, 12, 40).astype("f"), random(16, 1, 3, 3, 24, seed=1).astype("f")
    check_threads(three(be, x, f, random(24, 1, 12, 12, 40, seed=2).astype("f")))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("samples", [64, 100])
@pytest.mark.parametrize("name", POOLS)
def test_pooling_of_many_samples(be, monkeypatch, name, samples, dtype):
    seen = spied(monkeypatch)
    cells, params, size = windows(name)
    x = np.rint(random(*cells, samples) * 2).astype(dtype)  # equal ones
    x.flat[::7], x.flat[3::11] = np.nan, np.inf
    e = random(*size, samples, seed=1).astype(dtype)
    index = meaning("pool_index", x, **params, size=size).astype(np.int32)
    got = apply("pool_index", be.array(x, dtype=dtype), **params, size=size)
    np.testing.assert_array_equal(got.get(), index)
    want = meaning("pool", x, how="max", **params, size=size).astype(dtype)
    got = apply("pool", be.array(x, dtype=dtype), how="max", **params, size=size)
    np.testing.assert_array_equal(got.get(), want)
    finite = np.nan_to_num(x)
    want = meaning("max_pool_gather", finite, index, **params).astype(dtype)
    check(be, "max_pool_gather", [finite, index], want, **params)
    want = meaning("max_pool_backward", e, index, **params, size=cells).astype(dtype)
    check(be, "max_pool_backward", [e, index], want, **params, size=cells)
    assert {
        "neo_pool_index",
        "neo_pool_max",
        "neo_max_pool_gather",
        "neo_max_pool_backward",
    } <= set(seen)


def test_an_index_too_small_for_the_cells_of_a_window_names_none_of_them(be):
    cells, window = (1, 1, 20, 20), (1, 1, 20, 20)
    params = {"window": window, "padding": (0, 0, 0, 0), "stride": (1, 1, 1, 1)}
    index = np.full((1, 1, 1, 1, 2), 44, np.uint8)  # 300 is another cell
    e = np.ones((1, 1, 1, 1, 2), "f")
    tree = apply(
        "max_pool_backward", be.array(e), be.array(index, dtype="uint8"), **params, size=cells
    )
    got = tree.get()
    assert got.sum() == 2
    assert (got[0, 0, 2, 4] == 1).all()


@pytest.mark.parametrize("fault", ["no compiler", "a failing compiler"])
def test_without_compiled_code_numpy_does_it(be, monkeypatch, fault):
    def refuse(*_):
        raise CompileError("cc: internal error")

    x, f, params, want, _ = parameters("dilated", 64)
    native.library.cache_clear()
    monkeypatch.setattr(native, "shared_jit", (lambda: None) if fault == "no compiler" else refuse)
    try:
        if fault == "no compiler":
            check(be, "conv", [x, f], want, **params)
        else:
            with pytest.warns(RuntimeWarning, match=r"conv\.c is not compiled.*internal error"):
                check(be, "conv", [x, f], want, **params)
        assert native.library("conv.c", REAL="float64") is None
    finally:
        native.library.cache_clear()


def test_rows_that_are_too_short_go_to_the_blas(be, monkeypatch):
    seen = spied(monkeypatch)
    x, f = random(4, 1, 6, 6, 1).astype("f"), random(4, 1, 3, 3, 4, seed=1).astype("f")
    params = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    check(be, "conv", [x, f], meaning("conv", x, f, **params).astype("f"), **params)
    assert "neo_conv" not in seen


def test_patches_of_tiles_cut_the_positions_into_equal_parts():
    windows = conv_direct.Windows(1, (1, 9, 9), (1, 7, 7), (1, 1, 1), ((0, 0, 0), (0, 2, 2)), 4)
    tiles = {patch.tile for patch in conv_direct.patches(windows, 10**6)}
    sides = {7, 4, 3, 2, 1}
    assert tiles == {(1, p, q) for p in sides for q in sides}


@pytest.mark.parametrize("op", ["max_pool_backward", "avg_pool_backward"])
def test_a_share_of_minus_zero_is_added_to_zero(be, op):
    e, index = -np.zeros((2, 1, 2, 2, 64), "f"), np.zeros((2, 1, 2, 2, 64), np.uint8)
    params = {"window": (1, 1, 2, 2), "padding": (0,) * 4, "stride": (1, 1, 2, 2)}
    params |= {"size": (2, 1, 4, 4)} | ({} if op == "max_pool_backward" else {"how": "avg"})
    operands = [be.array(e), *([be.array(index, dtype=np.uint8)] if "how" not in params else [])]
    got = apply(op, *operands, **params).get()
    assert not np.signbit(got).any()
