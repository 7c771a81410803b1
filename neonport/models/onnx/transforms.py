"""Rows of transforms, and the activations within ONNX's recurrent operators."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from neonport.layers.activation import Activation
from neonport.layers.data_transform import DataTransform
from neonport.models.onnx.graph import Graph, Value
from neonport.models.onnx.rows import onnx_row, refusal, transform_row, transformed
from neonport.transforms.elementwise import Identity, Logistic, Normalizer, Tanh
from neonport.transforms.rectifiers import Explin, Rectlin, Rectlinclip
from neonport.transforms.sign import Sign
from neonport.transforms.smooth_rectifiers import CUBIC, GELU, SiLU, Softplus
from neonport.transforms.softmax import PixelwiseSoftmax, Softmax


@onnx_row(Activation, DataTransform)
def _activation(graph: Graph, layer: Any, x: Value) -> Value:
    if isinstance(layer.transform, Softmax) and layer.transform.axis % 2:
        raise refusal(layer, "its Softmax(axis=1) goes across samples, which are open in a graph")
    return transformed(graph, layer, layer.transform, x)


@transform_row(Identity)
def _identity(graph: Graph, transform: Any, x: Value) -> Value:
    return x


@transform_row(Logistic)
def _logistic(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Sigmoid", x.name), x.shape)


@transform_row(Tanh)
def _tanh(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Tanh", x.name), x.shape)


@transform_row(Normalizer)
def _normalizer(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Div", x.name, graph.number(transform.divisor)), x.shape)


@transform_row(Rectlin)
def _rectifier(graph: Graph, transform: Any, x: Value) -> Value:
    if not transform.slope:
        return Value(graph.node("Relu", x.name), x.shape)
    return Value(graph.node("LeakyRelu", x.name, alpha=transform.slope), x.shape)


@transform_row(Rectlinclip)
def _clipped(graph: Graph, transform: Any, x: Value) -> Value:
    rectified = _rectifier(graph, transform, x).name
    return Value(graph.node("Min", rectified, graph.number(transform.xcut)), x.shape)


@transform_row(Explin)
def _exponential(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Elu", x.name, alpha=transform.alpha), x.shape)


@transform_row(Sign)
def _sign(graph: Graph, transform: Any, x: Value) -> Value:
    positive = graph.node("GreaterOrEqual", x.name, graph.number(0))
    signs = graph.node("Where", positive, graph.number(1), graph.number(-1))
    return Value(signs, x.shape)


@transform_row(Softplus)
def _softplus(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Softplus", x.name), x.shape)


@transform_row(SiLU)
def _silu(graph: Graph, transform: Any, x: Value) -> Value:
    return Value(graph.node("Mul", x.name, graph.node("Sigmoid", x.name)), x.shape)


@transform_row(GELU)
def _gelu(graph: Graph, transform: Any, x: Value) -> Value:
    def times(a: str, number: float) -> str:
        return str(graph.node("Mul", a, graph.number(number)))

    if transform.approximate is None:
        bent = graph.node("Erf", times(x.name, sqrt(0.5)))
    else:
        cube = graph.node("Mul", graph.node("Mul", x.name, x.name), x.name)
        inner = graph.node("Add", x.name, times(cube, CUBIC))
        bent = graph.node("Tanh", times(inner, sqrt(2.0 / pi)))
    share = times(graph.node("Add", bent, graph.number(1)), 0.5)
    return Value(graph.node("Mul", x.name, share), x.shape)


@transform_row(Softmax)
def _softmax(graph: Graph, transform: Any, x: Value) -> Value:
    if x.is_sequence:
        return Value(graph.node("Softmax", x.name, axis=-1), x.shape)
    return graph.from_rows(graph.node("Softmax", graph.rows(x), axis=-1), x.shape)


@transform_row(PixelwiseSoftmax)
def _pixelwise(graph: Graph, transform: Any, x: Value) -> Value:
    pixels = graph.reshape(graph.rows(x), 0, transform.c, -1)
    softmax = graph.node("Softmax", pixels, axis=1)
    return graph.from_rows(graph.node("Flatten", softmax, axis=1), x.shape)


def recurrent_activation(layer: Any, transform: Any) -> tuple[str, float, float]:
    """Name, alpha and beta of an activation within a recurrent operator; 0 where it has none.

    Raises:
        ConfigurationError: the operators have no such activation.
    """
    kind = type(transform)
    if kind is Rectlin:
        return ("LeakyRelu", transform.slope, 0.0) if transform.slope else ("Relu", 0.0, 0.0)
    if kind is Explin:
        return "Elu", transform.alpha, 0.0
    names = {Tanh: "Tanh", Logistic: "Sigmoid", Softplus: "Softplus", Identity: "Affine"}
    if kind not in names:
        raise refusal(layer, f"ONNX's recurrent operators have no activation as {kind.__name__} is")
    return names[kind], float(kind is Identity), 0.0
