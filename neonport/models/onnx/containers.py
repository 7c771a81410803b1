"""Rows of containers."""

from __future__ import annotations

from typing import Any

from neonport.layers.branch import BranchNode
from neonport.layers.containers.merge_broadcast import MergeBroadcast, MergeMultistream
from neonport.layers.containers.merge_sum import MergeSum
from neonport.layers.containers.tree import SingleOutputTree, Tree
from neonport.layers.sequential import Sequential
from neonport.layers.shapes import interpret_in_shape
from neonport.models.onnx.graph import Graph, Value
from neonport.models.onnx.rows import emit, onnx_row


@onnx_row(Sequential)
def _sequential(graph: Graph, layer: Any, x: Any) -> Any:
    for member in layer.layers:
        x = emit(graph, member, x)
    return x


@onnx_row(BranchNode)
def _branch(graph: Graph, layer: Any, x: Any) -> Any:
    if x is not None:
        graph.branches[layer] = x
    return graph.branches[layer]


@onnx_row(Tree)
def _tree(graph: Graph, layer: Any, x: Any) -> Any:
    trunk, *others = layer.layers
    return [emit(graph, trunk, x), *(emit(graph, path, None) for path in others)]


@onnx_row(SingleOutputTree)
def _trunk(graph: Graph, layer: Any, x: Any) -> Any:
    return emit(graph, layer.layers[0], x)


@onnx_row(MergeSum)
def _merge_sum(graph: Graph, layer: Any, x: Any) -> Any:
    found = [emit(graph, path, x) for path in layer.layers]
    names = [graph.as_shape(value, layer.out_shape).name for value in found]
    graph.scope = ""
    return Value(graph.node("Sum", *names) if len(names) > 1 else names[0], layer.out_shape)


@onnx_row(MergeBroadcast, MergeMultistream)
def _merge(graph: Graph, layer: Any, x: Any) -> Any:
    given = x if isinstance(layer, MergeMultistream) else [x] * len(layer.layers)
    found = [emit(graph, path, value) for path, value in zip(layer.layers, given, strict=True)]
    graph.scope = ""
    if layer.merge == "recurrent":
        parts = [graph.steps(value, *interpret_in_shape(value.shape)) for value in found]
        return graph.from_steps(graph.node("Concat", *parts, axis=0), *layer.out_shape)
    if layer.merge == "stack":
        rows = [graph.rows(value) for value in found]
        return Value(graph.node("Concat", *rows, axis=1), layer.out_shape)
    axis = 2 if found[0].is_sequence else 1
    return Value(graph.node("Concat", *(value.name for value in found), axis=axis), layer.out_shape)
