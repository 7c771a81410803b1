"""Window ops over geometries: convolution and its adjoints, pooling, regions of interest.

The sizes are tiny: what differs between the cases is where windows lie, how operands lie in memory,
and dtypes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.ops.op import OPS
from neonport.optree.node import apply
from neonport.testing.cases import FLOATS, Batch, Case, Statement, defined
from neonport.testing.inputs import generator, numbers
from neonport.testing.layouts import Target
from neonport.testing.operands import Operands

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
Ints = tuple[int, ...]


class Conv(NamedTuple):
    """Sizes of a convolution.

    Attributes:
        x, f: shapes of images and filters.
        padding, stride, dilation: parameters.
    """

    x: Ints
    f: Ints
    padding: Ints = (0, 0, 0)
    stride: Ints = (1, 1, 1)
    dilation: Ints = (1, 1, 1)


CONVS: dict[str, Conv] = {
    "2-D": Conv((3, 1, 5, 6, 4), (3, 1, 3, 3, 5)),
    "2-D padded": Conv((3, 1, 4, 5, 3), (3, 1, 3, 3, 2), (0, 1, 1)),
    "3-D": Conv((2, 3, 4, 5, 2), (2, 2, 3, 2, 3)),
    "unequal steps": Conv((2, 4, 5, 6, 3), (2, 2, 3, 4, 3), (1, 0, 2), (2, 1, 3)),
    "dilated": Conv((2, 5, 6, 7, 2), (2, 2, 2, 3, 3), (2, 1, 0), (1, 2, 1), (3, 2, 2)),
    "1x1x1": Conv((5, 1, 3, 4, 2), (5, 1, 1, 1, 7)),
    "1x1x1 with steps": Conv((3, 2, 5, 4, 2), (3, 1, 1, 1, 5), (0, 1, 0), (1, 2, 3)),
    "wide": Conv((1, 1, 1, 20, 3), (1, 1, 1, 11, 2)),
    "mostly padding": Conv((1, 1, 2, 2, 1), (1, 1, 2, 2, 2), (0, 3, 4), (1, 2, 1)),
    "one position": Conv((2, 2, 3, 4, 2), (2, 2, 3, 4, 2)),
    "cells left over": Conv((2, 1, 6, 7, 2), (2, 1, 2, 3, 2), (0, 0, 0), (1, 3, 5)),
    "one of everything": Conv((1, 1, 1, 1, 1), (1, 1, 1, 1, 1)),
    "large batch": Conv((2, 1, 4, 4, 33), (2, 1, 2, 2, 17), (0, 1, 0)),
    "no images": Conv((2, 1, 4, 4, 0), (2, 1, 2, 2, 3)),
    "no maps": Conv((0, 1, 4, 4, 2), (0, 1, 2, 2, 3)),
}


class Pool(NamedTuple):
    """Sizes of a pooling.

    Attributes:
        cells, size: (C, D, H, W) and (K, M, P, Q).
        window, padding, stride: parameters.
    """

    cells: Ints
    size: Ints
    window: Ints
    stride: Ints
    padding: Ints = (0, 0, 0, 0)

    @property
    def params(self) -> dict[str, Ints]:
        """The parameters but for the size of the result."""
        return {"window": self.window, "padding": self.padding, "stride": self.stride}


POOLS: dict[str, Pool] = {
    "2x2": Pool((3, 1, 4, 6), (3, 1, 2, 3), (1, 1, 2, 2), (1, 1, 2, 2)),
    "overlapping": Pool((2, 1, 5, 6), (2, 1, 3, 4), (1, 1, 3, 3), (1, 1, 1, 1)),
    "3-D": Pool((1, 4, 5, 3), (1, 2, 2, 3), (1, 2, 3, 1), (1, 2, 2, 1)),
    "over maps": Pool((5, 1, 3, 2), (2, 1, 2, 1), (2, 1, 2, 2), (2, 1, 1, 1)),
    "neighbours": Pool((6, 1, 2, 2), (6, 1, 2, 2), (3, 1, 1, 1), (1, 1, 1, 1), (1, 0, 0, 0)),
    "padded": Pool((2, 2, 5, 5), (2, 3, 3, 3), (1, 2, 3, 3), (1, 1, 2, 2), (0, 1, 1, 1)),
    "rounded up": Pool((2, 1, 5, 6), (2, 1, 3, 4), (1, 1, 2, 3), (1, 1, 2, 2), (0, 0, 0, 1)),
    "windows outside": Pool((2, 2, 3, 3), (2, 6, 4, 3), (1, 1, 2, 2), (1, 1, 3, 4), (0, 2, 3, 1)),
    "apart": Pool((2, 1, 9, 7), (2, 1, 3, 2), (1, 1, 2, 2), (1, 1, 4, 3), (0, 0, 1, 0)),
    "all cells": Pool((2, 1, 17, 18), (2, 1, 1, 1), (1, 1, 17, 18), (1, 1, 1, 1)),
    "1x1": Pool((2, 1, 3, 3), (2, 1, 3, 3), (1, 1, 1, 1), (1, 1, 1, 1)),
    "nothing": Pool((2, 1, 4, 4), (2, 1, 0, 2), (1, 1, 2, 2), (1, 1, 2, 2)),
}
IMAGES = 3  # samples of a pooling
LAYOUTS = ("plain", "transposed", "strided", "reversed", "offset", "permuted")
INDEX_DTYPES = ("int32", "uint8", "int64", "uint16")
FEW_CONVS = ("2-D padded", "unequal steps", "dilated", "1x1x1")
FEW_POOLS = ("2x2", "padded", "over maps")

ROI_IMAGES = (2, 8, 7, 3)
ROIS = np.array(
    [
        [0, 0, 0, 3, 3],
        [1, 2, 1, 6, 4],
        [2, 4, 4, 1, 1],  # ends before it begins
        [1, 5, 6, 20, 9],  # leaves the image
        [0, -4, -3, 2, 1],
        [2, 1, 3, 1, 3],  # one cell; halved, corners are rounded to even
        [0, 30, 30, 40, 40],  # outside of the image
        [3, 0, 0, 2, 2],  # no such image
        [1, 0, 0, np.nan, 2],
    ],
    np.float32,
)
ROI_FORMS: dict[str, tuple[Ints, float]] = {
    "1x1": ((1, 1), 1.0),
    "2x3 halved": ((2, 3), 0.5),
    "more bins than cells": ((7, 5), 0.75),
}


class Maker:
    """Statements of a batch: ops on tensors, and on computed values."""

    def __init__(self, be: Backend, dtype: str, layout: str, computed: bool) -> None:
        self.be = be
        self.operands = Operands(be)
        self.dtype = dtype
        self.layout = layout
        self.computed = computed
        self.statements: list[Statement] = []

    def tensor(self, seed: int, shape: Ints) -> Any:
        """Random numbers; doubled, which is exact, if operands are to be computed."""
        t = self.operands.add(seed, numbers(seed, shape, self.dtype), self.layout)
        return apply("mul", t, 2.0) if self.computed else t

    def index(self, shape: Ints, low: int, high: int, dtype: str) -> Any:
        """Random indices, some of them outside."""
        info, rng = np.iinfo(dtype), generator(5)
        values = rng.randint(max(low, info.min), min(high, info.max + 1), shape)
        return self.operands.add("index", values.astype(dtype), self.layout)

    def add(self, op: str, *args: Any, **params: Any) -> None:
        """An op stored in a target of its own."""
        tree = apply(op, *args, **params)
        dtype = "int32" if tree.dtype.kind == "i" and not self.computed else self.dtype
        out = Target(self.be, tree.shape, dtype, self.layout)
        want = defined(tree, self.operands.values, out)
        if self.computed:  # what stands after is a kernel of its own; a sign rounds nothing
            tree = apply("neg", tree)
            others = tuple(-other for other in want.others)
            want = want._replace(values=-want.values, others=others)
        self.statements.append(Statement(out, tree, want))


def _convolutions(
    conv: Conv, dtype: str, layout: str, computed: bool, be: Backend
) -> list[Statement]:
    make = Maker(be, dtype, layout, computed)
    steps = {"padding": conv.padding, "stride": conv.stride, "dilation": conv.dilation}
    x, f = make.tensor(1, conv.x), make.tensor(2, conv.f)
    e = make.tensor(3, apply("conv", x, f, **steps).shape)
    make.add("conv", x, f, **steps)
    make.add("conv_backward_data", f, e, **steps, size=conv.x[1:4])
    make.add("conv_backward_filter", x, e, **steps, size=conv.f[1:4])
    return make.statements


POOL_FORMS: Sequence[tuple[str, str]] = (
    ("pool", "max"),
    ("pool", "avg"),
    ("pool", "sum"),
    ("pool_index", ""),
    ("max_pool_backward", ""),
    ("max_pool_gather", ""),
    ("avg_pool_backward", "avg"),
    ("avg_pool_backward", "sum"),
)


def _poolings(
    pool: Pool, dtype: str, layout: str, index_dtype: str, computed: bool, be: Backend
) -> list[Statement]:
    make = Maker(be, dtype, layout, computed)
    x, e = make.tensor(1, (*pool.cells, IMAGES)), make.tensor(2, (*pool.size, IMAGES))
    last = int(np.prod(pool.window))
    index = make.index((*pool.size, IMAGES), -1, last + 1, index_dtype)
    for op, how in POOL_FORMS:
        params: dict[str, Any] = {**pool.params, **({"how": how} if how else {})}
        if op in ("pool", "pool_index"):
            make.add(op, x, **_ordered(op, params, pool.size))
        elif op == "avg_pool_backward":
            make.add(op, e, **_ordered(op, params, pool.cells))
        elif op == "max_pool_backward":
            make.add(op, e, index, **_ordered(op, params, pool.cells))
        else:
            make.add(op, x, index, **params)
    return make.statements


def _ordered(op: str, params: dict[str, Any], size: Ints) -> dict[str, Any]:
    full = {**params, "size": size}
    return {name: full[name] for name in OPS[op].params}


def _special(be: Backend) -> list[Statement]:
    """Ties, infinities and nan: where the maximum is."""
    make = Maker(be, "float32", "plain", False)
    pool = POOLS["overlapping"]
    shape = (*pool.cells, IMAGES)
    ties = np.rint(numbers(1, shape, "float32") / 4)
    wild = numbers(2, shape, "float32")
    wild.flat[::7], wild.flat[::5], wild.flat[3::4] = np.nan, -np.inf, np.inf
    low = np.full(shape, -np.inf, "float32")
    for key, values in (("ties", ties), ("wild", wild), ("low", low)):
        x = make.operands.add(key, values, "plain")
        make.add("pool", x, how="max", **pool.params, size=pool.size)
        make.add("pool_index", x, **pool.params, size=pool.size)
    return make.statements


ROI_OPS = ("roi_pool", "roi_index", "roi_pool_backward", "roi_pool_gather")


def _regions(
    form: tuple[Ints, float], dtype: str, layout: str, computed: bool, be: Backend
) -> list[Statement]:
    make = Maker(be, dtype, layout, computed)
    size, scale = form
    x = make.tensor(1, ROI_IMAGES)
    rois = make.operands.add("rois", ROIS, layout)
    index_shape = (ROI_IMAGES[0], *size, len(ROIS))
    e = make.tensor(2, index_shape)
    index = make.index(index_shape, -1, ROI_IMAGES[1] * ROI_IMAGES[2] + 2, "int32")
    make.add("roi_pool", x, rois, size=size, scale=scale)
    make.add("roi_index", x, rois, size=size, scale=scale)
    make.add("roi_pool_backward", e, rois, index, size=ROI_IMAGES[1:])
    make.add("roi_pool_gather", x, rois, index)
    return make.statements


# label: shape of the images, width, ascale, bpower
LRNS: dict[str, tuple[Ints, int, float, float]] = {
    "five maps": ((7, 1, 3, 5, 4), 5, 0.3, 0.75),
    "root": ((4, 2, 3, 1, 3), 3, 1.5, 0.5),
    "reciprocal": ((3, 1, 2, 2, 300), 3, 2.0, 1.0),
    "any power": ((6, 1, 2, 3, 2), 3, 0.7, 1.3),
    "wider than the maps": ((3, 1, 4, 1, 2), 9, 0.5, 0.75),
    "one map": ((1, 1, 2, 2, 2), 1, 0.5, 0.75),
}
LRN_OPS = ("lrn_denominator", "lrn", "lrn_backward")


def _normalisations(
    form: tuple[Ints, int, float, float], dtype: str, layout: str, computed: bool, be: Backend
) -> list[Statement]:
    make = Maker(be, dtype, layout, computed)
    shape, width, ascale, bpower = form
    x, e = make.tensor(1, shape), make.tensor(2, shape)
    make.add("lrn_denominator", x, width=width, ascale=ascale)
    make.add("lrn", x, width=width, ascale=ascale, bpower=bpower)
    make.add("lrn_backward", x, e, width=width, ascale=ascale, bpower=bpower)
    return make.statements


def variants(few: bool) -> Iterator[tuple[str, str, bool]]:
    """(dtype, layout, whether operands are computed)."""
    yield "float32", "plain", False
    if not few:
        return
    for layout in LAYOUTS[1:]:
        yield "float32", layout, False
    yield "float32", "plain", True
    for dtype in FLOATS:
        if dtype != "float32":
            yield dtype, "plain", False
    yield "float16", "offset", True


def label_of(name: str, dtype: str, layout: str, computed: bool) -> str:
    """What is special about a case."""
    return f"{dtype} {layout} {name}{', computed' if computed else ''}"


def cases() -> Iterator[Case]:
    """All cases of window ops."""
    for name, conv in CONVS.items():
        for variant in variants(name in FEW_CONVS):
            names = [
                (op, label_of(name, *variant))
                for op in ("conv", "conv_backward_data", "conv_backward_filter")
            ]
            yield from Batch(names, partial(_convolutions, conv, *variant), [variant[0]]).cases()
    for name, pool in POOLS.items():
        for dtype, layout, computed in variants(name in FEW_POOLS):
            plain = (dtype, layout, computed) == ("float32", "plain", False)
            kinds = INDEX_DTYPES if plain and name in FEW_POOLS else INDEX_DTYPES[:1]
            for kind in kinds:
                label = f"{label_of(name, dtype, layout, computed)} by {kind}"
                names = [(op, f"{label}, {how}" if how else label) for op, how in POOL_FORMS]
                build = partial(_poolings, pool, dtype, layout, kind, computed)
                yield from Batch(names, build, [dtype]).cases()
    special = [(op, f"float32 {what}") for what in ("ties", "infinities and nan", "-infinity")
               for op in ("pool", "pool_index")]  # fmt: skip
    yield from Batch(special, _special, ["float32"]).cases()
    for name, form in ROI_FORMS.items():
        for variant in variants(name == "2x3 halved"):
            names = [(op, label_of(name, *variant)) for op in ROI_OPS]
            yield from Batch(names, partial(_regions, form, *variant), [variant[0]]).cases()
    for name, lrn in LRNS.items():
        for variant in variants(name == "five maps"):
            names = [(op, label_of(name, *variant)) for op in LRN_OPS]
            yield from Batch(names, partial(_normalisations, lrn, *variant), [variant[0]]).cases()
