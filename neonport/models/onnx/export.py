"""`export_onnx`: a model as a file that onnxruntime and others run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

import neonport
from neonport.errors import ConfigurationError
from neonport.foundation.extras import need
from neonport.io.atomic_write import write_file
from neonport.layers.containers.broadcast import Broadcast
from neonport.layers.containers.merge_broadcast import MergeMultistream
from neonport.layers.containers.tree import Tree
from neonport.layers.sequential import Sequential
from neonport.layers.shapes import is_flat
from neonport.models.onnx import containers, dense, images, recurrent, transforms
from neonport.models.onnx.graph import PURPOSE, Graph, Value
from neonport.models.onnx.rows import CALL, emit
from neonport.models.weights.names import named_layers

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # of the file, the oldest that goes with it
LARGEST = 2**31 - 1  # bytes of a message of protobuf
FAMILIES = containers, dense, images, recurrent, transforms  # imported for their rows


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """See `Model.export_onnx`."""
    if not model.initialized:
        raise ConfigurationError(
            f"{CALL}: model {model.name!r} does not know the shape of a sample yet; call "
            "initialize(shape), fit or predict first"
        )
    data = _serialized(model, os.fspath(path))

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(path, write)


def _serialized(model: Any, path: str) -> bytes:
    onnx, checker = need("onnx", PURPOSE), need("onnx.checker", PURPOSE)
    graph = Graph()
    graph.names = {layer: name for name, layer in named_layers(model.layers).items()}
    shapes = [model.layers.in_shape] if is_flat(model.layers.in_shape) else model.layers.in_shape
    inputs, values = [], []
    for k, shape in enumerate(shapes):
        readers = list(_readers(model.layers, k))
        ids = bool(readers) and all(isinstance(layer, dense.LOOKUPS) for layer in readers)
        name = "input" if len(shapes) == 1 else f"input_{k}"
        made, value = graph.input(name, shape, whole=ids)
        inputs.append(made)
        values.append(value)
    found = list(_leaves(emit(graph, model.layers, values if len(shapes) > 1 else values[0])))
    names = ["output"] if len(found) == 1 else [f"output_{k}" for k in range(len(found))]
    outputs = [graph.output(name, value) for name, value in zip(names, found, strict=True)]
    made = graph.helper.make_graph(graph.nodes, model.name, inputs, outputs, graph.constants)
    proto = graph.helper.make_model(
        made,
        opset_imports=[graph.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="neonport",
        producer_version=neonport.__version__,
    )
    size = proto.ByteSize()
    if size > LARGEST:
        raise ConfigurationError(
            f"{CALL}: {path!r} would have {size:,} bytes; a file of ONNX holds {LARGEST:,}"
        )
    checker.check_model(proto, full_check=True)
    assert isinstance(proto, onnx.ModelProto)
    data: bytes = proto.SerializeToString()
    return data


def _leaves(found: Any) -> Iterator[Value]:
    """The outputs in order, also of a tree in a tree."""
    if isinstance(found, Value):
        yield found
    else:
        for part in found:
            yield from _leaves(part)


def _readers(layer: Any, stream: int) -> Iterator[Any]:
    """The layers that read an input of the model."""
    if isinstance(layer, MergeMultistream):
        yield from _readers(layer.layers[stream], stream)
    elif isinstance(layer, Broadcast):
        for path in layer.layers:
            yield from _readers(path, stream)
    elif isinstance(layer, (Sequential, Tree)):
        yield from _readers(layer.layers[0], stream)
    else:
        yield layer
