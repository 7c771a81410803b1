"""The representative statements of `test_golden_plans.py`; a new one is a function with `@tree`.

Those of `golden_calls.py` follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neonport import optimizers
from neonport.autodiff.autodiff import Autodiff

Build = Callable[[Any], Any]
TREES: dict[str, Build] = {}


def tree(name: str) -> Callable[[Build], Build]:
    """Add a function to the table.

    It takes a backend and returns a tree or (target, value) pairs, or runs statements and returns
    None.
    """

    def add(build: Build) -> Build:
        assert name not in TREES
        TREES[name] = build
        return build

    return add


# ---- elementwise -------------------------------------------------------------------------------


@tree("elementwise chain, a row and a column broadcast")
def chain(be):
    x, row, column = be.zeros((40, 30)), be.zeros((1, 30)), be.zeros((40, 1))
    return be.tanh(x * row + 1.5) / (be.exp(-x) + be.sqrt(abs(column)))


@tree("elementwise chain of 100 ops")
def long_chain(be):
    x = be.zeros((40, 30))
    value = x
    for _ in range(50):
        value = be.sqrt(value + 1.0)
    return value


@tree("shared parts of two targets")
def shared_parts(be):
    x, y, z = (be.zeros((40, 30)) for _ in range(3))
    return [(y, be.exp(x * 2.0) + 1.0), (z, be.exp(x * 2.0) - 1.0)]


@tree("two targets of different shapes")
def two_shapes(be):
    x, y, z = be.zeros((40, 30)), be.zeros((40, 30)), be.zeros((7, 5))
    return [(y, x * 2.0), (z, z + 1.0)]


@tree("sum and elements of one tree")
def sum_and_elements(be):
    x, y, s = be.zeros((40, 30)), be.zeros((40, 30)), be.zeros((40, 1))
    return [(y, be.exp(x)), (s, be.sum(be.exp(x), axis=1))]


@tree("where of a comparison")
def selection(be):
    x = be.zeros((40, 30))
    return be.where(x > 0, x, 0.1 * x)


@tree("cast of bfloat16 to float32")
def cast_up(be):
    x, y = be.zeros((40, 30), dtype="bfloat16"), be.zeros((40, 30))
    return [(y, x)]


@tree("cast of float32 to int8, rounded and clipped")
def cast_down(be):
    x, y = be.zeros((40, 30)), be.zeros((40, 30), dtype=np.int8)
    return [(y, be.clip(be.rint(x), -128, 127))]


@tree("mixed dtypes")
def mixed(be):
    x, i, y = (
        be.zeros((40, 30), dtype=np.float16),
        be.zeros((40, 30), dtype=np.int32),
        be.zeros((40, 30)),
    )
    return x * i + y


# ---- reductions --------------------------------------------------------------------------------


@tree("sum over axis 0")
def sum_rows(be):
    return be.sum(be.zeros((40, 30)), axis=0)


@tree("sum over axis 1")
def sum_columns(be):
    return be.sum(be.zeros((40, 30)), axis=1)


@tree("sum over all axes")
def sum_all(be):
    return be.sum(be.zeros((40, 30)))


@tree("sum over the middle axis of three")
def sum_middle(be):
    return be.sum(be.zeros((4, 5, 6)), axis=1)


@tree("sum over the outer axes of three")
def sum_outer(be):
    return be.sum(be.zeros((4, 5, 6)), axis=(0, 2))


@tree("sum of a sum over the other axis")
def nested_sums(be):
    return be.sum(be.sqrt(be.sum(be.square(be.zeros((40, 30))), axis=1)), axis=0)


@tree("sums of one tensor over both axes")
def both_axes(be):
    x, rows, columns = be.zeros((40, 30)), be.zeros((40, 1)), be.zeros((1, 30))
    return [(rows, be.sum(x, axis=1)), (columns, be.sum(x, axis=0))]


@tree("mean and variance over axis 1")
def moments(be):
    x, m, v = be.zeros((40, 30)), be.zeros((40, 1)), be.zeros((40, 1))
    return [(m, be.mean(x, axis=1)), (v, be.var(x, axis=1))]


@tree("argmax over axis 0")
def argmax(be):
    return be.argmax(be.zeros((40, 30)), axis=0)


@tree("accuracy: argmax against argmax, mean")
def accuracy(be):
    y, t = be.zeros((10, 64)), be.zeros((10, 64))
    return be.mean(be.equal(be.argmax(y, axis=0), be.argmax(t, axis=0)))


# ---- softmax, cross-entropy, normalisation -----------------------------------------------------


@tree("softmax over axis 0")
def softmax_columns(be):
    return be.fprop_softmax(be.zeros((10, 64)), 0)


@tree("softmax over axis 1")
def softmax_rows(be):
    return be.fprop_softmax(be.zeros((10, 64)), 1)


@tree("std over axis 1")
def spread(be):
    return be.std(be.zeros((10, 64)), axis=1)


@tree("std over axis 1, gradient")
def spread_gradient(be):
    x = be.zeros((10, 64))
    return Autodiff(be.std(x, axis=1), be).get_grad_op_tree([x])[0]


@tree("rows divided by their norm")
def unit_rows(be):
    x = be.zeros((10, 64))
    return x / be.norm(x, axis=1)


@tree("rows divided by their norm, gradient")
def unit_rows_gradient(be):
    x, g = be.zeros((10, 64)), be.zeros((10, 64))
    return Autodiff(x / be.norm(x, axis=1), be, next_error=g).get_grad_op_tree([x])[0]


@tree("norm of order inf over axis 0")
def largest(be):
    return be.norm(be.zeros((10, 64)), float("inf"), 0)


@tree("logsumexp over axis 1")
def logsumexp(be):
    return be.logsumexp(be.zeros((10, 64)), axis=1)


@tree("logsumexp over axis 1, gradient")
def logsumexp_gradient(be):
    x = be.zeros((10, 64))
    return Autodiff(be.logsumexp(x, axis=1), be).get_grad_op_tree([x])[0]


@tree("log_softmax over axis 1")
def log_softmax(be):
    return be.log_softmax(be.zeros((10, 64)), axis=1)


@tree("cross-entropy by log_softmax, gradient")
def log_softmax_gradient(be):
    x, t = be.zeros((10, 64)), be.zeros((10, 64))
    return Autodiff(be.sum(-t * be.log_softmax(x, axis=0)), be).get_grad_op_tree([x])[0]


@tree("rounding with a gradient of its own")
def straight_through(be):
    x = be.zeros((10, 64))
    return be.tanh(be.custom_gradient(be.rint(x) * 2.0, lambda g, x: g)) + x


def cross_entropy(be, x, t):
    return be.sum(-t * be.safelog(be.fprop_softmax(x, 0)), axis=0)


@tree("cross-entropy of a softmax")
def cross_entropy_value(be):
    return cross_entropy(be, be.zeros((10, 64)), be.zeros((10, 64)))


@tree("cross-entropy of a softmax, gradient")
def cross_entropy_gradient(be):
    x, t = be.zeros((10, 64)), be.zeros((10, 64))
    return Autodiff(cross_entropy(be, x, t), be).get_grad_op_tree([x])[0]


def normalised(be, x, gamma, beta, axis):
    centred = x - be.mean(x, axis=axis)
    return centred / be.sqrt(be.var(x, axis=axis) + 1e-5) * gamma + beta


def normalisation_gradient(be, axis):
    shapes = ((40, 30), (40, 1), (40, 1))
    leaves, buffers = ([be.zeros(s) for s in shapes] for _ in range(2))
    root = normalised(be, *leaves, axis)
    Autodiff(root, be, next_error=be.zeros((40, 30))).back_prop_grad(leaves, buffers)


@tree("layer norm (over axis 0)")
def layer_norm(be):
    return normalised(be, be.zeros((40, 30)), be.zeros((40, 1)), be.zeros((40, 1)), 0)


@tree("layer norm (over axis 0), gradients of x, gamma, beta")
def layer_norm_gradient(be):
    normalisation_gradient(be, 0)


@tree("batch norm (over axis 1)")
def batch_norm(be):
    return normalised(be, be.zeros((40, 30)), be.zeros((40, 1)), be.zeros((40, 1)), 1)


@tree("batch norm (over axis 1), gradients of x, gamma, beta")
def batch_norm_gradient(be):
    normalisation_gradient(be, 1)


@tree("compound_fprop_bn")
def batch_norm_forward(be):
    x, y = be.zeros((16, 256)), be.zeros((16, 256))
    be.compound_fprop_bn(x, *(be.zeros((16, 1)) for _ in range(6)), y, 1e-3, 0.9, True)


@tree("compound_bprop_bn")
def batch_norm_backward(be):
    x, d = be.zeros((16, 256)), be.zeros((16, 256))
    s = [be.zeros((16, 1)) for _ in range(5)]
    be.compound_bprop_bn(d, s[0], s[1], d, x, s[2], s[3], s[4], 1e-3)


# ---- optimizers --------------------------------------------------------------------------------


class OneParameter:
    """The least that an optimizer asks of a layer."""

    def __init__(self, be):
        self.entry = ((be.zeros((40, 30)), be.zeros((40, 30))), [])

    def get_params(self):
        return self.entry


@tree("gradient descent with momentum")
def momentum(be):
    optimizers.GradientDescentMomentum(0.1, 0.9, wdecay=1e-4).optimize([OneParameter(be)], 0)


@tree("RMSProp")
def rmsprop(be):
    optimizers.RMSProp().optimize([OneParameter(be)], 0)


@tree("Adam")
def adam(be):
    optimizers.Adam().optimize([OneParameter(be)], 0)


@tree("RMSProp, clipped by norm")
def clipped(be):
    optimizers.RMSProp(gradient_clip_norm=5.0).optimize([OneParameter(be)], 0)
