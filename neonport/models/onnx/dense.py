"""Rows of layers that look at one sample and time step, and of lookup tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.layers.batchnorm import BatchNorm
from neonport.layers.batchnorm_autodiff import BatchNormAutodiff
from neonport.layers.bias import Bias
from neonport.layers.dropout import Dropout
from neonport.layers.gaussian_noise import GaussianNoise
from neonport.layers.layernorm import LayerNorm
from neonport.layers.linear import Linear
from neonport.layers.lookup import Embedding, LookupTable
from neonport.layers.positional import PositionalEncoding, waves
from neonport.layers.rearranging import Slice, Transpose
from neonport.layers.reshape import Reshape
from neonport.layers.shapes import is_int
from neonport.layers.skip import SkipNode
from neonport.models.onnx.graph import Graph, Value
from neonport.models.onnx.rows import onnx_row

LOOKUPS = (LookupTable, Embedding)


@onnx_row(Linear)
def _linear(graph: Graph, layer: Any, x: Value) -> Value:
    source = x.name if x.is_sequence else graph.rows(x)
    product = graph.node("MatMul", source, graph.weights("W", layer.W.get().T))
    return Value(product, layer.out_shape)


def _of_maps(x: Value, numbers: Any) -> np.ndarray:
    """One number a feature or map, in the shape that goes with the tensor of a value."""
    column = np.ravel(numbers)
    return column.reshape(-1, *(1,) * (len(x.sizes) - 1)) if x.is_image else column


@onnx_row(Bias)
def _bias(graph: Graph, layer: Any, x: Value) -> Value:
    bias = graph.weights("bias", _of_maps(x, layer.W.get()))
    return Value(graph.node("Add", x.name, bias), x.shape)


@onnx_row(BatchNorm, BatchNormAutodiff)
def _batch_norm(graph: Graph, layer: Any, x: Value) -> Value:
    found = {key: np.ravel(getattr(layer, key).get()) for key in ("gamma", "beta", "gmean", "gvar")}
    if not x.is_sequence:
        names = [graph.weights(key, array) for key, array in found.items()]
        return Value(graph.node("BatchNormalization", x.name, *names, epsilon=layer.eps), x.shape)
    return Value(scaled(graph, x.name, found, layer.eps), x.shape)


def scaled(graph: Graph, name: str, statistics: dict[str, np.ndarray], eps: float) -> str:
    """A tensor whose last axis is normalised by running statistics."""
    exact = {key: np.asarray(array, np.float64) for key, array in statistics.items()}
    scale = exact["gamma"] / np.sqrt(exact["gvar"] + eps)
    shift = exact["beta"] - exact["gmean"] * scale
    product = graph.node("Mul", name, graph.weights("scale", scale))
    return str(graph.node("Add", product, graph.weights("shift", shift)))


@onnx_row(LayerNorm)
def _layer_norm(graph: Graph, layer: Any, x: Value) -> Value:
    gain, bias = (np.ravel(layer.parameters[key].value.get()) for key in ("gain", "bias"))
    source = x.name if x.is_sequence else graph.rows(x)
    names = graph.weights("gain", gain), graph.weights("bias", bias)
    found = graph.node("LayerNormalization", source, *names, axis=-1, epsilon=layer.eps)
    return Value(found, x.shape) if x.is_sequence else graph.from_rows(found, x.shape)


@onnx_row(Dropout)
def _dropout(graph: Graph, layer: Any, x: Value) -> Value:
    if layer.caffe_mode or layer.keep == 1:
        return x
    return Value(graph.node("Mul", x.name, graph.number(layer.keep)), x.shape)


@onnx_row(SkipNode, GaussianNoise)
def _same(graph: Graph, layer: Any, x: Value) -> Value:
    return x


@onnx_row(PositionalEncoding)
def _positional(graph: Graph, layer: Any, x: Value) -> Value:
    features, steps = layer.in_shape
    if "positions" in layer.parameters:
        vectors = layer.parameters["positions"].value.get().reshape(features, steps)
    else:
        vectors = waves(features, steps)
    vectors = vectors.T[:, None] if x.is_sequence else vectors.T
    return Value(graph.node("Add", x.name, graph.weights("positions", vectors)), x.shape)


# ---- other shapes ------------------------------------------------------------------------------


@onnx_row(Reshape)
def _reshape(graph: Graph, layer: Any, x: Value) -> Value:
    return graph.as_shape(x, layer.out_shape)


@onnx_row(Slice)
def _slice(graph: Graph, layer: Any, x: Value) -> Value:
    axis = layer.axis % len(x.sizes)
    chosen = range(x.sizes[axis])[layer.start : layer.stop]
    apart = graph.reshape(graph.rows(x), 0, *x.sizes)
    limits = (graph.whole(n) for n in (chosen.start, chosen.stop, axis + 1))
    part = graph.node("Slice", apart, *limits)
    return graph.from_rows(graph.node("Flatten", part, axis=1), layer.out_shape)


@onnx_row(Transpose)
def _transpose(graph: Graph, layer: Any, x: Value) -> Value:
    order = range(len(x.sizes))[::-1] if layer.axes is None else layer.axes
    apart = graph.reshape(graph.rows(x), 0, *x.sizes)
    turned = graph.transpose(apart, 0, *(axis + 1 for axis in order))
    return graph.from_rows(graph.node("Flatten", turned, axis=1), layer.out_shape)


# ---- lookup tables -----------------------------------------------------------------------------


def _picked(graph: Graph, layer: Any, ids: str, sizes: list[int]) -> str:
    """The rows of ids, (..., embedding_dim); ids outside of their table read zeros.

    Args:
        graph: it grows.
        layer: the lookup table.
        ids: tensor whose last axis has an id of each table, or any number for one table.
        sizes: rows of each table.
    """
    table = layer.W.get()
    rows = np.concatenate([table, np.zeros((1, table.shape[1]), table.dtype)])
    ids = graph.node("Cast", ids, to=int(graph.helper.np_dtype_to_tensor_dtype(np.dtype("int64"))))
    firsts = np.cumsum([0, *sizes[:-1]])
    inside = graph.node(
        "And",
        graph.node("GreaterOrEqual", ids, graph.whole(0)),
        graph.node("Less", ids, graph.whole(*sizes)),
    )
    if len(sizes) > 1:
        ids = graph.node("Add", ids, graph.whole(*map(int, firsts)))
    places = graph.node("Where", inside, ids, graph.whole(len(table)))
    return str(graph.node("Gather", graph.weights("W", rows), places, axis=0))


@onnx_row(LookupTable)
def _lookup(graph: Graph, layer: Any, x: Value) -> Value:
    found = _picked(graph, layer, graph.rows(x), [layer.W.shape[0]])  # (N, T, E)
    return graph.from_steps(graph.transpose(found, 1, 0, 2), *layer.out_shape)


@onnx_row(Embedding)
def _embedding(graph: Graph, layer: Any, x: Value) -> Value:
    sizes = [layer.vocab_size] if is_int(layer.vocab_size) else list(layer.vocab_size)
    found = _picked(graph, layer, x.name if x.is_sequence else graph.rows(x), sizes)
    if layer.combine == "sum":
        found = graph.node("ReduceSum", found, graph.whole(-2), keepdims=0)
    else:
        leading = (0, 0) if x.is_sequence else (0,)
        found = graph.reshape(found, *leading, layer.nin * layer.embedding_dim)
    return Value(found, layer.out_shape)
