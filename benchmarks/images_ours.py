"""Our training step of a network for pictures: neon's calls on buffers that are made once."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from benchmarks.images import EPSILON, MOMENTUM, RATE, Conv, Dense, Images, Part, Pool, Shape

RHO = 0.9


class Norm:
    """Batch norm and rectifier of (maps, columns)."""

    def __init__(self, be: Any, maps: int, columns: int) -> None:
        self.be = be
        self.y = be.empty((maps, columns))
        self.gamma, self.beta = be.ones((maps, 1)), be.zeros((maps, 1))
        self.grad_gamma, self.grad_beta = be.zeros((maps, 1)), be.zeros((maps, 1))
        self.mean, self.var = be.zeros((maps, 1)), be.zeros((maps, 1))
        self.running = be.zeros((maps, 1)), be.ones((maps, 1))
        self.states: tuple[list[Any], list[Any]] = [], []

    def fprop(self, x: Any) -> None:
        self.x = x
        self.be.compound_fprop_bn(
            x, self.mean, self.var, *self.running, self.gamma, self.beta, self.y,
            EPSILON, RHO, compute_batch_sum=True, relu=True,
        )  # fmt: skip

    def bprop(self, error: Any) -> None:
        """Turn the gradient of the output into that of the input, in place."""
        error[:] = self.be.bprop_relu(None, self.y) * error
        self.be.compound_bprop_bn(
            error, self.grad_gamma, self.grad_beta, error, self.x, self.mean, self.var,
            self.gamma, EPSILON,
        )  # fmt: skip

    def params(self) -> list[Any]:
        return [
            ((self.beta, self.grad_beta), self.states[0]),
            ((self.gamma, self.grad_gamma), self.states[1]),
        ]


class ConvBlock:
    """Convolution, batch norm, rectifier.

    Attributes:
        outputs: what `fprop` writes.
        deltas: gradient of the input, None in a first layer.
    """

    def __init__(
        self, be: Any, part: Conv, shape: Shape, result: Shape, w: np.ndarray, first: bool
    ) -> None:
        self.be = be
        self.layer = be.conv_layer(
            np.float32, be.bsz, shape[0], part.maps, H=shape[1], W=shape[2], R=part.size,
            S=part.size, pad_h=part.padding, pad_w=part.padding,
        )  # fmt: skip
        self.w = be.array(w.reshape(self.layer.dimF2))
        self.dw, self.states = be.zeros(self.layer.dimF2), []
        maps = (part.maps, self.layer.sizeO // part.maps)
        self.z, self.norm = be.empty(maps), Norm(be, *maps)
        self.outputs = self.norm.y
        self.deltas = None if first else be.empty(self.layer.dimI2)

    def fprop(self, x: Any) -> Any:
        self.x = x
        self.be.fprop_conv(self.layer, x, self.w, self.z)
        self.norm.fprop(self.z)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        self.norm.bprop(error.reshape(self.z.shape))
        self.be.update_conv(self.layer, self.x, error, self.dw)
        if self.deltas is not None:
            self.be.bprop_conv(self.layer, self.w, error, self.deltas)
        return self.deltas

    def get_params(self) -> list[Any]:
        return [((self.w, self.dw), self.states), *self.norm.params()]


class PoolBlock:
    """Pooling by maximum."""

    def __init__(self, be: Any, part: Pool, shape: Shape) -> None:
        self.be = be
        self.layer = be.pool_layer(
            np.float32, "max", be.bsz, shape[0], H=shape[1], W=shape[2], R=part.size, S=part.size
        )
        self.outputs, self.deltas = be.empty(self.layer.dimO2), be.empty(self.layer.dimI2)
        self.where = be.empty(self.layer.dimO2, dtype=np.uint8)

    def fprop(self, x: Any) -> Any:
        self.be.fprop_pool(self.layer, x, self.outputs, self.where)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        self.be.bprop_pool(self.layer, error, self.deltas, self.where)
        return self.deltas

    def get_params(self) -> list[Any]:
        return []


class DenseBlock:
    """A product, with batch norm and rectifier unless it is the last."""

    def __init__(self, be: Any, part: Dense, w: np.ndarray, first: bool) -> None:
        self.be = be
        self.w, self.dw, self.states = be.array(w), be.zeros(w.shape), []
        self.z = be.empty((part.outputs, be.bsz))
        self.norm = None if part.last else Norm(be, *self.z.shape)
        self.outputs = self.norm.y if self.norm else self.z
        self.deltas = None if first else be.empty((w.shape[1], be.bsz))

    def fprop(self, x: Any) -> Any:
        self.x = x.reshape(self.w.shape[1], -1)
        self.be.compound_dot(self.w, self.x, self.z)
        if self.norm:
            self.norm.fprop(self.z)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        if self.norm:
            self.norm.bprop(error)
        self.be.compound_dot(error, self.x.T, self.dw)
        if self.deltas is not None:
            self.be.compound_dot(self.w.T, error, self.deltas)
        return self.deltas

    def get_params(self) -> list[Any]:
        found = self.norm.params() if self.norm else []
        return [((self.w, self.dw), self.states), *found]


def block(be: Any, part: Part, shape: Shape, result: Shape, w: Any, first: bool) -> Any:
    """Make the block of a layer."""
    if isinstance(part, Conv):
        return ConvBlock(be, part, shape, result, w, first)
    return PoolBlock(be, part, shape) if isinstance(part, Pool) else DenseBlock(be, part, w, first)


def ours_images(be: Any, images: Images, data: dict[str, np.ndarray]) -> Any:
    """Build the step; what is compared is the loss of the last one."""
    from neonport.optimizers import GradientDescentMomentum

    x = be.array(data["x"].reshape(prod(data["x"].shape[:3]), -1))
    t = be.array(data["t"])
    blocks = [
        block(be, *shapes, data.get(f"w{number}"), number == 0)
        for number, shapes in enumerate(images.shapes())
    ]
    error, loss = be.empty(t.shape), be.zeros((1, 1))
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)

    def step() -> None:
        y = x
        for b in blocks:
            y = b.fprop(y)
        p = be.fprop_softmax(y, axis=0)
        cost = be.mean(be.sum(-t * be.safelog(p), axis=0), axis=1)
        be.assign_many([(loss, cost), (error, p - t)])
        delta = error
        for b in reversed(blocks):
            delta = b.bprop(delta)
        optimizer.optimize(blocks, epoch=0)

    return step, lambda: [loss.get()]
