"""Gradient trees of every op give on the backend under test what the NumPy evaluator gives."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.autodiff.vjps import ROWS
from neonport.backends.cpu.device import CPUBackend
from neonport.ops.op import OPS, Kind
from neonport.optree.node import apply

X = np.random.RandomState(3).permutation(24).reshape(4, 6) / 16 + 0.2
Y = np.random.RandomState(4).permutation(24).reshape(4, 6) / 17 + 0.25
ROW = np.linspace(0.4, 1.6, 6).reshape(1, 6)
INDEX = np.array([5, 0, 2, 2, 1], dtype=np.int32)
CONV = {"padding": (0, 1, 1), "stride": (1, 1, 2), "dilation": (1, 1, 1)}
POOL = {"window": (1, 1, 2, 2), "padding": (0, 0, 1, 0), "stride": (1, 1, 2, 1)}
CELLS, POOLED = (2, 1, 3, 2), (2, 1, 2, 1)
ROIS = np.array([[0, 0, 0, 1, 2], [1, 1, 0, 3, 1]], np.float32)
STEPS = {"activation": "tanh", "steps": 2, "reverse": False}
FIRST_ORDER = {"rnn", "lstm", "gru"}  # no gradients of gradients
CUT = {"starts": (3, 1), "steps": (-2, 2), "shape": (2, 3)}


def reshaped(*shape):
    return lambda t: t.reshape(*shape) if hasattr(t, "storage") else apply(
        "reshape", t, shape=shape
    )  # fmt: skip


# the 24 numbers of x or y in the shapes that window ops need
images, maps = reshaped(2, 1, 3, 2, 2), reshaped(2, 3, 2, 2)
filters, results = reshaped(2, 1, 3, 2, 2), reshaped(2, 1, 3, 2, 2)


def pooled(t):
    return apply("slice", images(t), starts=(0,) * 5, steps=(1,) * 5, shape=(*POOLED, 2))


def bins(t):
    return apply("slice", maps(t), starts=(0,) * 4, steps=(1,) * 4, shape=(2, 2, 1, 2))


def picks(t):
    return apply("pool_index", images(t), **POOL, size=POOLED)


def regions(t):
    return t.backend.array(ROIS, dtype=np.float32)


def spots(t):
    return apply("roi_index", maps(t), regions(t), size=(2, 1), scale=1.0)


def order(t):
    return apply("argsort", t, axis=1, descending=True, size=3)


LRN = {"width": 3, "ascale": 0.5, "bpower": 0.75}
SPECIAL = {
    "where": lambda x, y, row, i: apply("where", x > 0.8, x * row, y),
    "sum": lambda x, y, row, i: apply("sum", x * y, axes=(0,)) * row,
    "max": lambda x, y, row, i: apply("max", x * row, axes=(1,)) * y,
    "min": lambda x, y, row, i: apply("min", x * row, axes=(0, 1)) * y,
    "var": lambda x, y, row, i: apply("var", x * row, axes=(1,)) * y,
    "prod": lambda x, y, row, i: apply("prod", x * row, axes=(1,)) * y,
    "cumsum": lambda x, y, row, i: apply("cumsum", x * row, axis=1, reverse=False) * y,
    "cumprod": lambda x, y, row, i: (
        apply("cumprod", x * row, axis=1, reverse=True, exclusive=True) * y
    ),
    "linear_recurrence": lambda x, y, row, i: (
        apply("linear_recurrence", x * 0.5, y * row, axis=0, reverse=False) * y
    ),
    "sort": lambda x, y, row, i: apply("sort", x * row, axis=1, descending=False) * y,
    "take_along_axis": lambda x, y, row, i: (
        apply("take_along_axis", x * row, order(y), axis=1) * y[:, :3]
    ),
    "scatter_add_along_axis": lambda x, y, row, i: (
        apply("scatter_add_along_axis", x[:, :3] * 2, order(y), axis=1, size=6) * y * row
    ),
    "concat": lambda x, y, row, i: (
        apply("concat", apply("concat", x * row, y, axis=0), row * 2, axis=0) ** 2
    ),
    "transpose": lambda x, y, row, i: (x * row).T * apply("reshape", y, shape=(6, 4)),
    "reshape": lambda x, y, row, i: apply("reshape", x * row, shape=(6, 4)) * y.T,
    "broadcast": lambda x, y, row, i: apply("broadcast", row, shape=(4, 6)) * x,
    "slice": lambda x, y, row, i: apply("slice", x * y, **CUT) * y[:2, :3],
    "pad_region": lambda x, y, row, i: (
        apply("pad_region", x[:2, :3] * 2, **{**CUT, "shape": (4, 6)}) * y
    ),
    "take": lambda x, y, row, i: apply("take", x * row, i, axis=1) * y[:, :5],
    "scatter_add": lambda x, y, row, i: apply("scatter_add", x[:, 1:] * 2, i, axis=1, size=6) * y,
    "conv": lambda x, y, row, i: apply("conv", images(x * row), filters(y) * 1.5, **CONV),
    "conv_backward_data": lambda x, y, row, i: apply(
        "conv_backward_data", filters(y) * 2, results(x * row), **CONV, size=(1, 3, 3)
    ),
    "conv_backward_filter": lambda x, y, row, i: apply(
        "conv_backward_filter", images(x * row), results(y), **CONV, size=(1, 3, 2)
    ),
    "pool": lambda x, y, row, i: (
        apply("pool", images(x * row), how="max", **POOL, size=POOLED)
        + apply("pool", images(x * y), how="avg", **POOL, size=POOLED)
    ),
    "avg_pool_backward": lambda x, y, row, i: (
        apply("avg_pool_backward", pooled(x * row), how="avg", **POOL, size=CELLS) * images(y)
    ),
    "max_pool_backward": lambda x, y, row, i: (
        apply("max_pool_backward", pooled(x * row), picks(x), **POOL, size=CELLS) * images(y)
    ),
    "max_pool_gather": lambda x, y, row, i: apply(
        "max_pool_gather", images(x * row), picks(y), **POOL
    ),
    "lrn_denominator": lambda x, y, row, i: (
        apply("lrn_denominator", images(x * row), width=3, ascale=0.5) * images(y)
    ),
    "lrn": lambda x, y, row, i: apply("lrn", images(x * row), **LRN) * images(y),
    "lrn_backward": lambda x, y, row, i: apply("lrn_backward", images(x * row), images(y), **LRN),
    "roi_pool": lambda x, y, row, i: apply(
        "roi_pool", maps(x * row), regions(x), size=(2, 1), scale=1.0
    ),
    "roi_pool_backward": lambda x, y, row, i: (
        apply("roi_pool_backward", bins(x * row), regions(x), spots(y), size=(3, 2, 2)) * maps(y)
    ),
    "roi_pool_gather": lambda x, y, row, i: apply(
        "roi_pool_gather", maps(x * row), regions(x), spots(y)
    ),
    "rnn": lambda x, y, row, i: apply("rnn", x * row, y[:, :4], row[:, :1], 0.0, **STEPS) * y,
    "lstm": lambda x, y, row, i: apply(
        "lstm", x * row, y[:, :1], 0.0, x[:1, :3], 0.5, gate_activation="logistic", **STEPS
    ),
    "gru": lambda x, y, row, i: apply(
        "gru", x[:3] * row, y[:3, :1], 0.0, x[:1, :3], gate_activation="logistic", **STEPS
    ),
    "dot": lambda x, y, row, i: apply("dot", x * row, y.T) + apply("dot", y, x.T),
    "batched_dot": lambda x, y, row, i: apply(
        "batched_dot", x.reshape(2, 2, 6), y.T * 1.5, reduce=False
    ),
}


def tree(op, x, y, row, i):
    """An expression with the op in it; elementwise ops see a broadcast operand as well."""
    if op in SPECIAL:
        return SPECIAL[op](x, y, row, i)
    assert OPS[op].kind is Kind.ELEMENTWISE
    if OPS[op].arity == 1:
        return apply(op, x * row) * y
    return apply(op, x, row * 0.9) * y


def gradients(be, op):
    """First derivatives and, where there are, second ones, each evaluated in one statement."""
    x, y, row, e = (be.array(v) for v in (X, Y, ROW, np.ones((1, 1))))
    i = be.array(INDEX, dtype=np.int32)
    function = tree(op, x, y, row, i) * e
    results = []
    inputs = [x, y, row]
    first = Autodiff(function, be).get_grad_op_tree(inputs)
    for t in (function,) if op in FIRST_ORDER else (function, first[0] * first[0]):
        buffers = [be.empty(v.shape) for v in inputs]
        Autodiff(t, be).back_prop_grad(inputs, buffers)
        results += [b.get() for b in buffers]
    return results


@pytest.mark.parametrize("op", sorted(ROWS))
def test_op(be, monkeypatch, op):
    found = gradients(be, op)
    reference = CPUBackend(rng_seed=0)
    monkeypatch.setattr(reference.executor, "run", reference.executor.interpret)
    expected = gradients(reference, op)
    reference.cleanup_backend()
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-4)
