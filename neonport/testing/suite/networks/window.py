"""Cases of small networks: layers that slide windows, batch norm, a product, forward and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.ops.op import OPS
from neonport.testing.cases import Case, Outcome, compare
from neonport.testing.suite.networks.layers import EPSILON, near

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
IMAGE = (2, 1, 5, 5)  # maps, depth, height, width
WINDOW = {"window": (1, 1, 2, 3), "stride": (1, 1, 1, 2), "padding": (0, 0, 1, 1)}
POOLED = (3, 1, 6, 3)
FIRST: dict[str, Any] = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
SECOND: dict[str, Any] = {"padding": (0, 0, 0), "stride": (1, 2, 1), "dilation": (1, 1, 2)}


def _random(seed: int, *shape: int) -> Array:
    """Numbers with few bits, exact in every dtype."""
    return np.rint(np.random.RandomState(seed).randn(*shape) * 16) / 16


class _Weights:
    """Filters (C, T, R, S, K) of two convolutions and the bias of the second."""

    first = _random(1, 2, 1, 3, 3, 3)
    second = _random(2, 3, 1, 2, 2, 2)
    bias = _random(3, 2, 1)


def _wanted(pooling: str, x: Array, error: Array) -> dict[str, Array]:
    """Outputs and gradients by the definitions of the ops."""
    numpy = {name: op.numpy for name, op in OPS.items()}
    w = _Weights
    z = numpy["conv"](x, w.first, **FIRST)
    axes = (1, 2, 3, 4)
    inverse = 1 / np.sqrt(z.var(axes, keepdims=True) + EPSILON)
    hat = (z - z.mean(axes, keepdims=True)) * inverse
    a = np.maximum(hat, 0)
    p = numpy["pool"](a, pooling, WINDOW["window"], WINDOW["padding"], WINDOW["stride"], POOLED)
    y = numpy["conv"](p, w.second, **SECOND) + w.bias.reshape(-1, 1, 1, 1, 1)
    e = error.reshape(y.shape)
    found = {
        "outputs": y,
        "gradient of the second filters": numpy["conv_backward_filter"](
            p, e, **SECOND, size=w.second.shape[1:4]
        ),
        "gradient of the bias": e.sum(axes),
    }
    e = numpy["conv_backward_data"](w.second, e, **SECOND, size=POOLED[1:])
    places = {**WINDOW, "size": a.shape[:4]}
    if pooling == "max":
        index = numpy["pool_index"](a, **WINDOW, size=POOLED)
        e = numpy["max_pool_backward"](e, index, **places)
    else:
        e = numpy["avg_pool_backward"](e, "avg", **places)
    e = e * (hat > 0)
    shift, gain = e.sum(axes, keepdims=True), (e * hat).sum(axes, keepdims=True)
    found["gradient of the shift"], found["gradient of the gain"] = shift, gain
    e = (e - (hat * gain + shift) / (z.size // len(z))) * inverse
    found["gradient of the first filters"] = numpy["conv_backward_filter"](
        x, e, **FIRST, size=w.first.shape[1:4]
    )
    found["gradient of the images"] = numpy["conv_backward_data"](
        w.first, e, **FIRST, size=IMAGE[1:]
    )
    return found


def _network(pooling: str, be: Backend) -> Outcome:
    """Convolution, batch norm, rectifier, pooling, convolution with bias."""
    from neonport.layers import Conv, Pooling, Sequential
    from neonport.transforms import Rectlin

    w = _Weights
    weights = [f.reshape(-1, f.shape[-1]) for f in (w.first, w.second)]
    net = Sequential(
        [
            Conv((3, 3, 3), weights[0], padding=1, batch_norm=True, activation=Rectlin()),
            Pooling((2, 3), pooling, strides={"str_w": 2, "str_h": 1}, padding=1),
            Conv((2, 2, 2), weights[1], {"str_h": 2}, dilation={"dil_w": 2}, bias=w.bias),
        ]
    )
    net.set_backend(be)
    net.configure((IMAGE[0], *IMAGE[2:]))
    net.layers[0].prev_layer = True  # so that there is a gradient of the images
    net.allocate()
    net.allocate_deltas()
    x = _random(4, *IMAGE, be.bsz)
    y = net.fprop(be.array(x.reshape(-1, be.bsz)))
    error = _random(5, *y.shape)
    deltas = net.bprop(be.array(error))
    (first, norm, _, _, second) = net.layers
    found = {
        "outputs": y,
        "gradient of the second filters": second.dW,
        "gradient of the bias": second.grad_bias,
        "gradient of the shift": norm.grad_beta,
        "gradient of the gain": norm.grad_gamma,
        "gradient of the first filters": first.dW,
        "gradient of the images": deltas,
    }
    dtype = np.dtype(be.default_dtype).name
    for name, wanted in _wanted(pooling, x, error).items():
        got = found[name].get()
        scale = max(1.0, float(np.abs(wanted).max()))  # rounding is that of the largest terms
        want = near(wanted.reshape(got.shape) / scale, dtype)
        outcome = compare(got.astype(np.float64) / scale, want)
        if outcome.message:
            return outcome._replace(message=f"{name}: {outcome.message}")
    return Outcome()


def cases() -> Iterator[Case]:
    """All cases of networks, in the default dtype of the backend."""
    for pooling in ("max", "avg"):
        yield Case(
            "layers", f"convolution, batch norm, {pooling} pooling", partial(_network, pooling)
        )
