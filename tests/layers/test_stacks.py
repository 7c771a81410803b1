"""Gradient checks of whole small networks in float64."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.initializers import Constant, Gaussian
from neonport.layers import (
    Activation,
    Affine,
    BatchNorm,
    BatchNormAutodiff,
    Bias,
    Dropout,
    Linear,
    OpTreeLayer,
    Reshape,
    Sequential,
    SkipNode,
)
from neonport.transforms import Logistic, Tanh


class Gate(OpTreeLayer):
    def forward(self, x):
        w = self.parameter("w", (x.shape[0], x.shape[0]), Gaussian())
        return x * self.be.sig(self.be.dot(w, x))


STACKS = {
    "mlp": (
        5,
        lambda: [
            Affine(4, Gaussian(), bias=Gaussian(), activation=Tanh()),
            Affine(3, Gaussian(), bias=Gaussian(), activation=Logistic()),
        ],
    ),
    "batch norm": (
        (3, 2),
        lambda: [
            Affine(4, Gaussian(), batch_norm=True, activation=Tanh()),
            Linear(3, Gaussian()),
            BatchNormAutodiff(eps=1e-3),
            Dropout(0.7),
            Linear(2, Gaussian()),
        ],
    ),
    "image": (
        (2, 3, 2),
        lambda: [
            BatchNorm(),
            Bias(Gaussian()),
            Activation(Tanh()),
            Reshape((6, 2)),
            Affine(3, Gaussian(), bias=Gaussian()),
            Reshape(-1),
            Linear(2, Gaussian()),
        ],
    ),
    "nested": (
        4,
        lambda: [
            Linear(7, Gaussian()),
            Sequential([Linear(9, Gaussian()), Bias(Gaussian()), SkipNode()]),
            Gate(),
            Sequential([Dropout(0.5), Linear(2, Gaussian())]),
        ],
    ),
    "skip first": (3, lambda: [SkipNode(), Bias(Constant(1)), Gate(), Activation(Tanh())]),
}


@pytest.mark.parametrize("name", STACKS)
def test_gradients(be64, tools, name):
    in_shape, make = STACKS[name]
    net = tools.drive(Sequential(make()), in_shape)
    x = np.random.RandomState(0).randn(*be64.iobuf(in_shape).shape)
    assert tools.check_gradients(be64, net, x) < 1e-7


def test_a_wrong_gradient_is_found(be64, tools):
    class Wrong(Linear):
        def bprop(self, error, alpha=1.0, beta=0.0):
            result = super().bprop(error, alpha, beta)
            self.dW[:] = self.dW * 1.00001
            return result

    net = tools.drive(Sequential([Wrong(3, Gaussian()), Activation(Tanh())]), 4)
    assert tools.check_gradients(be64, net, np.random.RandomState(0).randn(4, 4)) > 1e-6
