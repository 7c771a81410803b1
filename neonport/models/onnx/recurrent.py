"""Rows of recurrent layers, of what reduces sequences, and of attention."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from neonport.layers.attention import MultiHeadAttention
from neonport.layers.recurrent.bibnrnn import DEFAULTS, EPSILON, BiBNRNN
from neonport.layers.recurrent.bidirectional import BiLSTM, BiRNN
from neonport.layers.recurrent.outputs import (
    BiSum,
    RecurrentLast,
    RecurrentMean,
    RecurrentOutput,
    RecurrentSum,
)
from neonport.layers.recurrent.recurrent import GRU, LSTM, Recurrent
from neonport.models.onnx.dense import scaled
from neonport.models.onnx.graph import Graph, Value
from neonport.models.onnx.rows import onnx_row, refusal
from neonport.models.onnx.transforms import recurrent_activation
from neonport.transforms.elementwise import Logistic

# operator, and which of our gates stands at each place there
RNN = "RNN", (0,)
FOUR_GATES = "LSTM", (0, 2, 1, 3)  # i, f, o, g here; i, o, f, c there
THREE_GATES = "GRU", (1, 0, 2)  # r, z, candidate here; z, r, h there
UPDATE = 1  # our gate z multiplies the candidate, the operator's the state before


def _matrix(layer: Any, gates: tuple[int, ...], array: Any) -> np.ndarray:
    """Weights of all gates, in the operator's order."""
    blocks = np.split(np.asarray(array, np.float64), len(gates))
    if isinstance(layer, GRU):
        blocks[UPDATE] = -blocks[UPDATE]  # logistic(-a) = 1 - logistic(a)
    return np.concatenate([blocks[gate] for gate in gates])


def _activations(layer: Any, op: str) -> dict[str, Any]:
    """Attributes for the activations of one direction."""
    act = recurrent_activation(layer, layer.activation)
    chosen = [act]
    if op != "RNN":
        if op == "GRU" and type(layer.gate_activation) is not Logistic:
            raise refusal(layer, "ONNX's GRU updates the other way round, which is the same for "
                          "gate_activation=Logistic() only")  # fmt: skip
        chosen = [recurrent_activation(layer, layer.gate_activation), act]
        chosen += [act] if op == "LSTM" else []
    found: dict[str, Any] = {"activations": [name for name, _, _ in chosen]}
    named = [
        (alpha, beta) for name, alpha, beta in chosen if name in ("LeakyRelu", "Elu", "Affine")
    ]
    if named:
        found["activation_alpha"] = [alpha for alpha, _ in named]
        found["activation_beta"] = [beta for _, beta in named]
    return found


def _direction(
    graph: Graph, layer: Any, x: str, kind: tuple[str, tuple[int, ...]], suffix: str, W: Any = None
) -> str:
    """One direction of a layer over (steps, samples, features); returns (steps, samples, units).

    Args:
        graph: it grows.
        layer: the layer.
        x: its inputs.
        kind: operator and order of the gates.
        suffix: of the attributes that hold this direction's weights.
        W: input weights, None for the layer's.
    """
    op, gates = kind
    given = getattr(layer, f"W_input{suffix}").get() if W is None else W
    recurrent, bias = (getattr(layer, f"{key}{suffix}").get() for key in ("W_recur", "b"))
    biases = _matrix(layer, gates, bias).ravel()
    names = (
        graph.weights(f"W{suffix}", _matrix(layer, gates, given)[None]),
        graph.weights(f"R{suffix}", _matrix(layer, gates, recurrent)[None]),
        graph.weights(f"B{suffix}", np.concatenate([biases, 0 * biases])[None]),
    )
    found = graph.node(
        op, x, *names, hidden_size=layer.nout,
        direction="reverse" if suffix == "_b" else "forward", **_activations(layer, op),
    )  # fmt: skip
    return str(graph.node("Squeeze", found, graph.whole(1)))


def _one_way(graph: Graph, layer: Any, x: Value, kind: tuple[str, tuple[int, ...]]) -> Value:
    steps = graph.steps(x, layer.nin, layer.nsteps)
    return graph.from_steps(_direction(graph, layer, steps, kind, ""), layer.nout, layer.nsteps)


@onnx_row(Recurrent)
def _recurrent(graph: Graph, layer: Any, x: Value) -> Value:
    return _one_way(graph, layer, x, RNN)


@onnx_row(LSTM)
def _lstm(graph: Graph, layer: Any, x: Value) -> Value:
    return _one_way(graph, layer, x, FOUR_GATES)


@onnx_row(GRU)
def _gru(graph: Graph, layer: Any, x: Value) -> Value:
    return _one_way(graph, layer, x, THREE_GATES)


@onnx_row(BiRNN, BiLSTM)
def _both_ways(graph: Graph, layer: Any, x: Value) -> Value:
    kind = FOUR_GATES if isinstance(layer, BiLSTM) else RNN
    steps = graph.steps(x, layer.nin, layer.nsteps)
    parts = graph.node("Split", steps, axis=2, outputs=2) if layer.split_inputs else [steps] * 2
    found = [
        _direction(graph, layer, part, kind, suffix)
        for part, suffix in zip(parts, layer.suffixes, strict=True)
    ]
    return _joined(graph, layer, found)


@onnx_row(BiBNRNN)
def _normalised(graph: Graph, layer: Any, x: Value) -> Value:
    steps = graph.steps(x, layer.nin, layer.nsteps)
    parts = graph.node("Split", steps, axis=2, outputs=2) if layer.split_inputs else [steps] * 2
    found = []
    for k, (part, suffix) in enumerate(zip(parts, layer.suffixes, strict=True)):
        W = getattr(layer, f"W_input{suffix}").get()
        product = graph.node("MatMul", part, graph.weights(f"W_input{suffix}", W.T))
        rows = slice(k * layer.nout, (k + 1) * layer.nout)
        statistics = {key: getattr(layer, key).get().ravel()[rows] for key in DEFAULTS}
        fed = scaled(graph, product, statistics, EPSILON)
        found.append(_direction(graph, layer, fed, RNN, suffix, np.eye(layer.nout)))
    return _joined(graph, layer, found)


def _joined(graph: Graph, layer: Any, directions: list[str]) -> Value:
    whole = graph.node("Concat", *directions, axis=2)
    return graph.from_steps(whole, 2 * layer.nout, layer.nsteps)


# ---- reductions --------------------------------------------------------------------------------


def _reduced(graph: Graph, layer: RecurrentOutput, x: Value, op: str) -> Value:
    assert layer.nin is not None
    steps = graph.steps(x, layer.nin, layer.nsteps)
    if op == "ReduceSum":
        found = graph.node(op, steps, graph.whole(0), keepdims=0)
    elif op == "ReduceMean":
        found = graph.node(op, steps, axes=[0], keepdims=0)
    else:
        last = graph.node("Gather", steps, graph.whole(layer.nsteps - 1), axis=0)
        found = graph.node("Squeeze", last, graph.whole(0))
    return Value(found, layer.out_shape)


@onnx_row(RecurrentSum)
def _sum(graph: Graph, layer: Any, x: Value) -> Value:
    return _reduced(graph, layer, x, "ReduceSum")


@onnx_row(RecurrentMean)
def _mean(graph: Graph, layer: Any, x: Value) -> Value:
    return _reduced(graph, layer, x, "ReduceMean")


@onnx_row(RecurrentLast)
def _last(graph: Graph, layer: Any, x: Value) -> Value:
    return _reduced(graph, layer, x, "Gather")


@onnx_row(BiSum)
def _sum_of_directions(graph: Graph, layer: Any, x: Value) -> Value:
    steps = graph.steps(x, 2 * layer.nout, layer.nsteps)
    halves = graph.node("Split", steps, axis=2, outputs=2)
    return graph.from_steps(graph.node("Add", *halves), layer.nout, layer.nsteps)


# ---- attention ---------------------------------------------------------------------------------


@onnx_row(MultiHeadAttention)
def _attention(graph: Graph, layer: Any, x: Value) -> Value:
    features, steps = layer.in_shape
    size = features // layer.heads
    parameters = {key: found.value.get() for key, found in layer.parameters.items()}

    def linear(source: str, key: str) -> str:
        product = graph.node("MatMul", source, graph.weights(key, parameters[key].T))
        if layer.bias is None:
            return str(product)
        bias = graph.weights(f"{key}_bias", parameters[f"{key}_bias"].ravel())
        return str(graph.node("Add", product, bias))

    samples_first = graph.transpose(graph.steps(x, features, steps), 1, 0, 2)
    rows = graph.reshape(linear(samples_first, "qkv"), 0, 0, 3, layer.heads, size)
    parts = graph.node("Split", graph.transpose(rows, 2, 0, 3, 1, 4), axis=0, outputs=3)
    q, k, v = (graph.node("Squeeze", part, graph.whole(0)) for part in parts)  # (N, heads, T, d)
    q = graph.node("Mul", q, graph.number(1 / sqrt(size)))
    scores = graph.node("MatMul", q, graph.transpose(k, 0, 1, 3, 2))
    if layer.causal and steps > 1:
        mask = np.triu(np.full((steps, steps), -np.inf), 1)  # keys after the query
        scores = graph.node("Add", scores, graph.weights("mask", mask))
    values = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
    merged = graph.reshape(graph.transpose(values, 0, 2, 1, 3), 0, 0, features)
    found = graph.transpose(linear(merged, "out"), 1, 0, 2)
    return graph.from_steps(found, features, steps)
