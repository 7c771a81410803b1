"""Which class of layers or transforms is what in ONNX: the tables, and how they are read.

A row adds the nodes of a layer to the graph and returns the value of its outputs. A class of your
own gets its row by the same decorator:

    @onnx_row(Scale)
    def _scale(graph, layer, x):
        gain = graph.weights("gain", layer.parameters["gain"].value.get().ravel())
        return Value(graph.node("Mul", x.name, gain), layer.out_shape)

A subclass needs a row of its own: what it computes may be something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.checks import label
from neonport.models.onnx.graph import Graph, Value

CALL = "export_onnx"
Row = Callable[[Graph, Any, Any], Any]
ROWS: dict[type, Row] = {}
TRANSFORMS: dict[type, Row] = {}


def onnx_row(*layers: type) -> Callable[[Row], Row]:
    """Decorate the function that adds layers of these classes to a graph.

    Args:
        layers: exactly these classes, without those that inherit from them.

    Returns:
        The decorator, for a function (graph, layer, inputs) -> outputs; `inputs` and outputs are a
        `neonport.models.onnx.graph.Value`.

    Example:
        @onnx_row(SkipNode)
        def _same(graph, layer, x):
            return x
    """

    def enter(row: Row) -> Row:
        ROWS.update(dict.fromkeys(layers, row))
        return row

    return enter


def transform_row(*transforms: type) -> Callable[[Row], Row]:
    """Decorate the function that adds transforms of these classes to a graph."""

    def enter(row: Row) -> Row:
        TRANSFORMS.update(dict.fromkeys(transforms, row))
        return row

    return enter


def refusal(layer: Any, why: str) -> ConfigurationError:
    """The error of a layer that cannot be exported."""
    return ConfigurationError(
        f"{CALL}: {label(layer)} cannot become a part of an ONNX graph: {why}"
    )


def emit(graph: Graph, layer: Any, inputs: Any) -> Any:
    """Add a layer to the graph.

    Args:
        graph: it grows.
        layer: configured, with weights.
        inputs: a value, or a list of them for a container with several inputs; None for a path that
            begins at a BranchNode.

    Returns:
        The value of its outputs, or a list of several.

    Raises:
        ConfigurationError: nothing in ONNX corresponds to it.
    """
    row = ROWS.get(type(layer))
    if row is None:
        raise refusal(
            layer,
            f"there is no row for {type(layer).__module__}.{type(layer).__name__}; write one with "
            "neonport.models.onnx.onnx_row, or leave the layer out",
        )
    graph.scope = graph.names.get(layer, graph.scope)
    return row(graph, layer, inputs)


def transformed(graph: Graph, layer: Any, transform: Any, inputs: Value) -> Value:
    """Add a transform of a layer's to the graph.

    Raises:
        ConfigurationError: nothing in ONNX corresponds to it.
    """
    row = TRANSFORMS.get(type(transform))
    if row is None:
        raise refusal(layer, f"there is no row for its transform {type(transform).__name__}")
    found: Value = row(graph, transform, inputs)
    return found
