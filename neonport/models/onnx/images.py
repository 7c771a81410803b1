"""Rows of layers that slide windows over images."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.layers.windows.convolution import Convolution, Convolution_bias
from neonport.layers.windows.deconvolution import Deconvolution
from neonport.layers.windows.lrn import LRN
from neonport.layers.windows.pooling import Pooling
from neonport.layers.windows.upsample import Upsample
from neonport.models.onnx.graph import Graph, Value
from neonport.models.onnx.rows import onnx_row, refusal


def _windows(layer: Any, x: Value, window: Any) -> slice:
    """Which of depth, height and width the operator has: all of them if the depth matters."""
    flat = len(x.sizes) == 3 and window[0] == 1 and len(layer.out_shape) == 3
    return slice(1, None) if flat else slice(None)


def _volume(graph: Graph, x: Value, axes: slice) -> str:
    """The images, with an axis for the depth if the operator has one."""
    if axes.start is None and len(x.sizes) == 3:
        return graph.reshape(x.name, 0, x.sizes[0], 1, *x.sizes[1:])
    return x.name


def _result(graph: Graph, layer: Any, name: str, axes: slice) -> Value:
    """The value of an operator's output, whose depth of 1 logical shapes leave out."""
    if axes.start is None and len(layer.out_shape) == 3:
        name = graph.reshape(name, 0, *layer.out_shape)
    return Value(name, layer.out_shape)


@onnx_row(Convolution, Convolution_bias)
def _convolution(graph: Graph, layer: Any, x: Value) -> Value:
    sizes = layer.nglayer
    axes = _windows(layer, x, sizes.TRS)
    W = layer.W.get().T.reshape(sizes.K, sizes.C, *sizes.TRS[axes])
    names = [graph.weights("W", W)]
    if isinstance(layer, Convolution_bias):
        names.append(graph.weights("bias", layer.weight_bias.get().ravel()))
    found = graph.node(
        "Conv", _volume(graph, x, axes), *names, kernel_shape=sizes.TRS[axes],
        strides=sizes.strides[axes], pads=sizes.padding[axes] * 2, dilations=sizes.dilation[axes],
    )  # fmt: skip
    return _result(graph, layer, found, axes)


@onnx_row(Deconvolution)
def _deconvolution(graph: Graph, layer: Any, x: Value) -> Value:
    sizes = layer.nglayer  # those of the convolution that it is the adjoint of
    axes = _windows(layer, x, sizes.TRS)
    W = layer.W.get().T.reshape(sizes.K, sizes.C, *sizes.TRS[axes])
    found = graph.node(
        "ConvTranspose", _volume(graph, x, axes), graph.weights("W", W),
        kernel_shape=sizes.TRS[axes], strides=sizes.strides[axes], pads=sizes.padding[axes] * 2,
        dilations=sizes.dilation[axes],
    )  # fmt: skip
    return _result(graph, layer, found, axes)


@onnx_row(Pooling)
def _pooling(graph: Graph, layer: Any, x: Value) -> Value:
    sizes = layer.nglayer
    if sizes.K != sizes.C:
        raise refusal(layer, "its windows step across maps")
    window, steps, before = sizes.JTRS[1:], sizes.strides[1:], sizes.padding[1:]
    # as many cells behind the image as the last window needs: a size is rounded up in caffe's mode
    behind = [
        max(pad, (count - 1) * step + cells - size - pad)
        for count, step, cells, size, pad in zip(
            sizes.MPQ, steps, window, sizes.DHW, before, strict=True
        )
    ]
    axes = _windows(layer, x, window)
    attributes = {
        "kernel_shape": window[axes],
        "strides": steps[axes],
        "pads": (*before[axes], *behind[axes]),
    }
    op = "MaxPool" if layer.op == "max" else "AveragePool"
    if layer.op == "avg":
        attributes["count_include_pad"] = 0
    found = graph.node(op, _volume(graph, x, axes), **attributes)
    return _result(graph, layer, found, axes)


@onnx_row(LRN)
def _response_norm(graph: Graph, layer: Any, x: Value) -> Value:
    maps, *rest = x.sizes
    images = x.name if len(rest) == 2 else graph.reshape(x.name, 0, maps, rest[0], -1)
    found = graph.node(
        "LRN", images, size=layer.depth, alpha=layer.ascale, beta=layer.bpower, bias=1.0
    )
    return Value(found if len(rest) == 2 else graph.reshape(found, 0, *x.sizes), x.shape)


@onnx_row(Upsample)
def _upsample(graph: Graph, layer: Any, x: Value) -> Value:
    factors = layer._factors
    if layer.mode == "bilinear" and (len(x.sizes) > 3 or factors[0] > 1):
        raise refusal(layer, "bilinear interpolation of volumes is not exported")
    axes = slice(1, None) if factors[0] == 1 and len(x.sizes) == 3 else slice(None)
    scales = graph.weights("scales", np.array((1, 1, *factors[axes])))
    mode: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    if layer.mode == "bilinear":
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    found = graph.node("Resize", _volume(graph, x, axes), "", scales, **mode)
    return _result(graph, layer, found, axes)
