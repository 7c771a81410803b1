"""Convolutions of 3 x 3 and 5 x 5 cells with fewer multiplications, and those not made so."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.backends.host.kernels import library as native
from neonport.backends.host.kernels.direct_convolution import direct_of
from neonport.backends.host.kernels.winograd import FILES
from neonport.optree.node import apply
from tests.backends.host.test_compiled_windows import check, check_threads, meaning, spied, three
from tests.backends.host.test_windows import random

pytestmark = pytest.mark.skipif(
    native.library(FILES[0], REAL="float32") is None, reason="there is no C compiler here"
)
PLAIN = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
ALL = {"neo_winograd", "neo_winograd_sums", "neo_winograd_join"}
# maps, (depth, height, width), samples, filters, padding
SIZES = {
    "even sides": (16, (1, 6, 8), 32, 32, (0, 1, 1)),
    "odd sides": (16, (1, 5, 7), 32, 32, (0, 1, 1)),
    "no padding": (16, (1, 5, 6), 32, 32, (0, 0, 0)),
    "wide padding": (16, (1, 4, 3), 32, 32, (0, 3, 2)),
    "two positions": (16, (1, 3, 4), 64, 32, (0, 0, 0)),
    "planes": (16, (3, 4, 5), 32, 32, (0, 1, 1)),
    "many samples": (16, (1, 4, 4), 96, 32, (0, 1, 1)),
    "samples left over": (16, (1, 4, 5), 100, 32, (0, 1, 1)),
    "a few samples left over": (16, (1, 4, 5), 67, 32, (0, 1, 1)),
    "maps left over": (21, (1, 4, 6), 32, 32, (0, 1, 1)),
    "filters left over": (16, (1, 4, 6), 32, 37, (0, 1, 1)),
    "a few filters left over": (16, (1, 4, 6), 32, 49, (0, 1, 1)),
    "many of both": (130, (1, 4, 4), 32, 71, (0, 1, 1)),
    "many tiles": (17, (1, 14, 14), 64, 33, (0, 1, 1)),
    "many filters": (16, (1, 4, 4), 32, 330, (0, 1, 1)),
}
# those of 5 x 5 cells
LARGE = {
    "even sides": (16, (1, 8, 10), 32, 32, (0, 2, 2)),
    "odd sides": (16, (1, 9, 7), 32, 32, (0, 2, 2)),
    "no padding": (16, (1, 9, 12), 64, 32, (0, 0, 0)),
    "all padding": (16, (1, 6, 5), 32, 32, (0, 4, 4)),
    "wide padding": (16, (1, 2, 3), 32, 32, (0, 7, 6)),
    "planes": (16, (3, 6, 6), 32, 32, (0, 2, 2)),
    "samples left over": (16, (1, 6, 7), 100, 32, (0, 2, 2)),
    "maps left over": (21, (1, 6, 6), 32, 32, (0, 2, 2)),
    "a few filters left over": (16, (1, 6, 6), 32, 49, (0, 2, 2)),
    "many of both": (130, (1, 6, 6), 32, 71, (0, 2, 2)),
    "many tiles": (17, (1, 14, 14), 64, 33, (0, 2, 2)),
    "many filters": (16, (1, 6, 6), 32, 330, (0, 2, 2)),
}
CASES = [*((3, name) for name in SIZES), *((5, name) for name in LARGE)]


@pytest.fixture
def be():
    return gen_backend("cpu", batch_size=2)


def operands(maps, images, samples, filters, side=3):
    """Images and filters."""
    f = random(maps, 1, side, side, filters, seed=1)
    return random(maps, *images, samples).astype("f"), f.astype("f")


def check_all(be, monkeypatch, side, name):
    """The convolution and both gradients, made so."""
    maps, images, samples, filters, padding = (SIZES if side == 3 else LARGE)[name]
    seen = spied(monkeypatch)
    x, f = operands(maps, images, samples, filters, side)
    params = {**PLAIN, "padding": padding}
    want = meaning("conv", x, f, **params).astype("f")
    check(be, "conv", [x, f], want, **params)
    e = random(*want.shape, seed=2).astype("f")
    data = {**params, "size": images}
    check(
        be,
        "conv_backward_data",
        [f, e],
        meaning("conv_backward_data", f, e, **data).astype("f"),
        **data,
    )
    size = {**params, "size": (1, side, side)}
    check(
        be,
        "conv_backward_filter",
        [x, e],
        meaning("conv_backward_filter", x, e, **size).astype("f"),
        **size,
    )
    assert set(seen) >= ALL
    assert seen.count("neo_winograd") == 2 * seen.count("neo_winograd_sums")


@pytest.mark.parametrize(("side", "name"), CASES)
def test_values(be, monkeypatch, side, name):
    check_all(be, monkeypatch, side, name)


@pytest.mark.parametrize("side", [3, 5])
def test_errors_are_as_small_as_those_of_sums_of_products(be, side):
    x, f = operands(32, (1, 12, 12), 64, 32, side)
    e = random(32, 1, 12, 12, 64, seed=2).astype("f")
    params = {**PLAIN, "padding": (0, side // 2, side // 2)}
    calls = [
        ("conv", x, f, params),
        ("conv_backward_data", f, e, {**params, "size": (1, 12, 12)}),
        ("conv_backward_filter", x, e, {**params, "size": (1, side, side)}),
    ]
    for op, a, b, options in calls:
        want = meaning(op, a.astype("d"), b.astype("d"), **options)
        got = apply(op, be.array(a), be.array(b), **options).get()
        assert np.abs(got - want).max() <= 6e-7 * np.abs(want).max()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="options of x86")
@pytest.mark.parametrize("without", [["avx512f"], ["avx512f", "avx2", "avx"]], ids="-".join)
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("name", ["many of both", "samples left over"])
def test_narrower_vectors(be, monkeypatch, name, side, without):
    """What a processor of another age compiles."""
    flags = (*native.FLAGS, *(f"-mno-{feature}" for feature in without))
    monkeypatch.setattr(native, "FLAGS", flags)
    native.library.cache_clear()
    try:
        assert direct_of("float32").winograds[0].panel <= {1: 16, 3: 8}[len(without)]
        check_all(be, monkeypatch, side, name)
    finally:
        native.library.cache_clear()


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("at_once", [1, 3, 4])
def test_panels_of_a_task_change_nothing(be, monkeypatch, at_once, side):
    x, f = operands(16, (1, 6, 10), 32, 40, side)
    want = apply("conv", be.array(x), be.array(f), **PLAIN).get()
    monkeypatch.setattr(direct_of("float32").winograds[side // 4], "values", 16 * at_once)
    got = apply("conv", be.array(x), be.array(f), **PLAIN).get()
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["image", "filter"])
@pytest.mark.parametrize("side", [3, 5])
def test_what_is_not_finite_reaches_its_own_results_only(be, value, where, side):
    """3e38 is finite, but sums of two such cells are not; their products with small numbers are."""
    size = (1, 12, 12)
    x, f = operands(16, size, 32, 32, side)
    e = random(32, *size, 32, seed=2).astype("f")
    params = {**PLAIN, "padding": (0, side // 2, side // 2)}
    for array in (f, e) if where == "image" else (x, e):
        array *= 0.01
    if where == "image":
        x[5, 0, 2, 2:4, 7] = value
    else:
        f[5, 0, side // 2, side // 2, 7] = value  # in the middle, where no padding meets it
        x[5] = e[7] = 0.01  # infinite times 0 would be nan
    calls = [
        ("conv", x, f, params),
        ("conv_backward_data", f, e, {**params, "size": size}),
        ("conv_backward_filter", x, e, {**params, "size": (1, side, side)}),
    ]
    for op, a, b, params in calls:
        with np.errstate(invalid="ignore"):
            want = meaning(op, a, b, **params).astype("f")
        got = apply(op, be.array(a), be.array(b), **params).get()
        touched = ~np.isfinite(want)
        np.testing.assert_array_equal(got[touched], want[touched])
        np.testing.assert_allclose(got[~touched], want[~touched], rtol=1e-3, atol=1e-4)
        assert touched.sum() <= want.size // 4


def test_a_result_that_was_not_finite_is_forgotten(be, monkeypatch):
    x, f = operands(16, (1, 4, 4), 32, 32)
    images, out = be.array(x), be.empty((32, 1, 4, 4, 32))
    statement = be.executor.bind([(out, apply("conv", images, be.array(f), **PLAIN))])
    statement.run()
    want = out.get()
    images[:] = np.full_like(x, np.inf)
    statement.run()
    assert not np.isfinite(out.get()).any()
    images[:] = x
    statement.run()
    np.testing.assert_array_equal(out.get(), want)


@pytest.mark.parametrize("side", [3, 5])
def test_bits_do_not_depend_on_the_number_of_threads(be, side):
    x, f = operands(40, (1, 12, 12), 64, 72, side)
    check_threads(three(be, x, f, random(72, 1, 12, 12, 64, seed=2).astype("f")))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float64"},
        {"more samples than a panel": -1},
        {"more samples than a panel": 1},
        {"maps": 15},
        {"filters": 15},
        {"stride": (1, 2, 1)},
        {"dilation": (1, 1, 2)},
        {"window": (1, 3, 5)},
        {"window": (3, 3, 3)},
        {"depth": 1},
        {"height and width": (3, 5)},
        {"window": (1, 5, 5), "height and width": (5, 7)},
    ],
    ids=lambda change: "-".join(str(part) for pair in change.items() for part in pair),
)
def test_other_convolutions_are_sums_of_products(be, monkeypatch, change):
    dtype, maps, filters = (
        change.get(key, usual)
        for key, usual in (("dtype", "float32"), ("maps", 16), ("filters", 32))
    )
    more = change.get("more samples than a panel")
    samples = 32 if more is None else direct_of("float32").winograds[0].panel + more
    params = {k: change.get(k, v) for k, v in PLAIN.items()}
    if "depth" in change:
        params["padding"] = (1, 1, 1)
    seen = spied(monkeypatch)
    if "height and width" in change:
        params["padding"] = (0, 0, 0)  # so few positions that tiles are mostly empty
    x = random(maps, 3, *change.get("height and width", (7, 7)), samples).astype(dtype)
    f = random(maps, *change.get("window", (1, 3, 3)), filters, seed=1).astype(dtype)
    want = meaning("conv", x, f, **params).astype(dtype)
    check(be, "conv", [x, f], want, **params)
    e = random(*want.shape, seed=2).astype(dtype)
    size = {**params, "size": f.shape[1:4]}
    check(
        be,
        "conv_backward_filter",
        [x, e],
        meaning("conv_backward_filter", x, e, **size).astype(dtype),
        **size,
    )
    assert "neo_conv" in seen
    assert not ALL.intersection(seen)


def test_gradients_of_few_filters_are_sums_of_products(be, monkeypatch):
    seen = spied(monkeypatch)
    filters = direct_of("float32").winograds[0].panel - 1
    x, _ = operands(16, (1, 6, 6), 32, filters)
    e = random(filters, 1, 6, 6, 32, seed=2).astype("f")
    size = {**PLAIN, "size": (1, 3, 3)}
    check(
        be,
        "conv_backward_filter",
        [x, e],
        meaning("conv_backward_filter", x, e, **size).astype("f"),
        **size,
    )
    assert not ALL.intersection(seen)


SMALL_STACK = """
import sys, threading
import numpy as np
from neonport.backends import gen_backend
from neonport.backends.host import threads
from neonport.optree.node import apply

be, maps = gen_backend("cpu", batch_size=2), int(sys.argv[1])
threads.set_num_threads(1)
side = int(sys.argv[2])
x, f = be.ones((maps, 1, 6, 6, 32)), be.ones((maps, 1, side, side, 32))
params = {"padding": (0, side // 2, side // 2), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
trees = [
    apply("conv", x, f, **params),
    apply("conv_backward_filter", x, x, **params, size=(1, side, side)),
]
for tree in trees:
    tree.get()  # compilers are called from here
results = []
threading.stack_size(128 << 10)
thread = threading.Thread(target=lambda: results.extend(tree.get() for tree in trees))
thread.start()
thread.join()
assert results[0].max() == side**2 * maps
"""


@pytest.mark.parametrize(("maps", "side"), [(8, 3), (64, 3), (64, 5)])
def test_threads_with_small_stacks(maps, side):
    """8 maps are sums of products."""
    subprocess.run([sys.executable, "-c", SMALL_STACK, str(maps), str(side)], check=True)


def test_a_compiler_that_does_not_make_it_leaves_sums_of_products(be, monkeypatch):
    made = native.library

    def without(file, **dtypes):
        return None if file in FILES else made(file, **dtypes)

    monkeypatch.setattr(native, "library", without)
    seen = spied(monkeypatch)
    x, f = operands(16, (1, 6, 6), 32, 32)
    check(be, "conv", [x, f], meaning("conv", x, f, **PLAIN).astype("f"), **PLAIN)
    assert "neo_conv" in seen
    assert not ALL.intersection(seen)
