"""Exported models give onnxruntime's outputs what `predict` gives, for every kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.layers import (
    GRU,
    LRN,
    LSTM,
    Activation,
    Affine,
    BatchNorm,
    Bias,
    BiBNRNN,
    BiLSTM,
    BinaryAffine,
    BiRNN,
    BranchNode,
    Conv,
    Convolution,
    DataTransform,
    Deconv,
    Deconvolution,
    DeepBiLSTM,
    DeepBiRNN,
    Dropout,
    Embedding,
    GaussianNoise,
    LayerNorm,
    Linear,
    LookupTable,
    MergeBroadcast,
    MergeMultistream,
    MergeSum,
    MultiHeadAttention,
    Pooling,
    PositionalEncoding,
    Recurrent,
    RecurrentLast,
    RecurrentMean,
    RecurrentSum,
    Reshape,
    Sequential,
    SingleOutputTree,
    SkipNode,
    Slice,
    Transpose,
    Tree,
    Upsample,
)
from neonport.layers.batchnorm_autodiff import BatchNormAutodiff
from neonport.layers.recurrent.outputs import BiSum
from neonport.models import Model
from neonport.models.onnx.rows import ROWS, TRANSFORMS
from neonport.transforms import (
    GELU,
    Explin,
    Identity,
    Logistic,
    Normalizer,
    PixelwiseSoftmax,
    Rectlin,
    Rectlinclip,
    Sign,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from tests.models.onnx.conftest import Same, with_random_weights

pytestmark = pytest.mark.onnx

INIT = Gaussian(scale=0.5)
GATES = {"activation": Tanh(), "gate_activation": Logistic()}
IDS = np.random.RandomState(3).randint(-2, 9, (5, 6))  # of a vocabulary of 7, some outside


def mlp() -> list[Any]:
    return [
        Affine(7, INIT, bias=INIT, activation=Rectlin()),
        Dropout(0.8),
        Affine(3, INIT, batch_norm=True, activation=Softmax()),
    ]


def conv_net() -> list[Any]:
    return [
        Conv((3, 3, 6), init=INIT, bias=INIT, padding=1, activation=Rectlin()),
        Pooling(3, strides=2, padding=1),
        Conv((3, 3, 5), init=INIT, batch_norm=True, strides=2, activation=Rectlin()),
        Pooling(2, op="avg"),
        Dropout(0.5),
        Affine(4, INIT, bias=INIT, activation=Softmax()),
    ]


def residual() -> list[Any]:
    left = [Conv((3, 3, 4), init=INIT, padding=1, activation=Rectlin()),
            Convolution((1, 1, 3), init=INIT)]  # fmt: skip
    return [MergeSum([left, SkipNode()]), Activation(Rectlin()), Pooling("all", op="avg")]


def inception() -> list[Any]:
    paths = [
        Conv((1, 1, 2), init=INIT),
        [Pooling(3, strides=1, padding=1), Conv((1, 1, 3), init=INIT)],
    ]
    return [MergeBroadcast(paths, merge="depth"), Affine(4, INIT)]


def branches(kind: type) -> Any:
    node = BranchNode("fork")
    trunk = [Affine(6, INIT, activation=Tanh()), node, Affine(3, INIT, activation=Softmax())]
    return kind([trunk, [node, Affine(2, INIT, activation=Logistic())]])


def transformer() -> list[Any]:
    block = [LayerNorm(), MultiHeadAttention(2, INIT, bias=INIT, causal=True), SkipNode()]
    return [PositionalEncoding(), MergeSum([block, SkipNode()]), LayerNorm(),
            MultiHeadAttention(4, INIT), Affine(3, INIT, activation=Softmax())]  # fmt: skip


CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "mlp": (mlp, 6),
    "conv net": (conv_net, (3, 17, 15)),
    "lstm": (lambda: [LSTM(6, INIT, **GATES), Affine(4, INIT, activation=Softmax())], (3, 5)),
    "linear of an image": (lambda: [Linear(4, INIT), Bias(INIT)], (2, 3, 4)),
    "linear of steps": (lambda: [Linear(4, INIT), Bias(INIT), Activation(Softmax())], (3, 5)),
    "norm of features": (lambda: [Linear(4, INIT), BatchNorm()], 6),
    "norm of steps": (lambda: [Linear(4, INIT), BatchNorm(), BatchNormAutodiff()], (3, 5)),
    "norm of maps": (lambda: [Conv((2, 2, 3), init=INIT), BatchNorm(), Bias(INIT)], (2, 4, 4)),
    "layer norm": (lambda: [LayerNorm(), Linear(3, INIT), LayerNorm()], (2, 3, 2)),
    "dilated": (
        lambda: [Conv((3, 2, 4), init=INIT, strides=(2, 1), padding=(2, 1), dilation=2)],
        (3, 9, 8),
    ),
    "volume": (
        lambda: [Conv((2, 3, 3, 4), init=INIT, bias=INIT), Pooling((2, 2, 2), "avg")],
        (2, 4, 6, 7),
    ),
    "volume to image": (
        lambda: [Conv((2, 2, 2, 3), init=INIT), Conv((2, 2, 3), init=INIT)], (2, 2, 5, 5)
    ),
    "image to volume": (
        lambda: [Deconvolution((3, 2, 2, 2), init=INIT), Pooling((2, 2, 2))], (3, 3, 3)
    ),
    "deconv": (
        lambda: [Deconv((4, 3, 2), init=INIT, strides=2, padding=1, activation=Tanh())], (3, 4, 5)
    ),
    "overlapping means": (lambda: [Pooling(3, op="avg", strides=2, padding=1)], (2, 7, 6)),
    "response norm": (lambda: [LRN(3, ascale=0.5, bpower=0.75), Conv((2, 2, 2), init=INIT)],
                      (6, 4, 3)),
    "response norm of a volume": (lambda: [LRN(5, ascale=0.5, bpower=0.75)], (6, 2, 4, 3)),
    "upsample": (lambda: [Upsample((2, 3)), Upsample(2, mode="bilinear")], (2, 3, 4)),
    "upsampled volume": (lambda: [Upsample((2, 1, 2))], (2, 2, 3, 4)),
    "caption": (lambda: [Conv((3, 3, 4), init=INIT), Recurrent(5, INIT, activation=Tanh())],
                (2, 6, 7)),
    "rnn": (lambda: [Recurrent(5, INIT, activation=Rectlin(slope=0.1))], (3, 5)),
    "rnn, elu": (lambda: [Recurrent(5, INIT, activation=Explin(0.5))], (3, 5)),
    "rnn, one step": (lambda: [Recurrent(5, INIT, activation=Identity())], 3),
    "gru": (lambda: [GRU(6, INIT, **GATES), RecurrentLast(), Affine(2, INIT)], (3, 5)),
    "lstm, other gates": (
        lambda: [LSTM(4, INIT, activation=Rectlin(), gate_activation=Logistic()), RecurrentMean()],
        (3, 5),
    ),
    "both ways": (lambda: [BiRNN(4, INIT, activation=Tanh()), BiSum(), RecurrentSum()], (3, 5)),
    "both ways, lstm": (lambda: [BiLSTM(4, INIT, **GATES), RecurrentSum()], (3, 5)),
    "deep both ways": (lambda: DeepBiRNN(3, INIT, activation=Tanh(), depth=2), (3, 4)),
    "deep both ways, lstm": (lambda: [*DeepBiLSTM(3, INIT, depth=2, **GATES)], (4, 4)),
    "normalised both ways": (
        lambda: [BiBNRNN(3, INIT, activation=Tanh()),
                 BiBNRNN(2, INIT, activation=Rectlin(), split_inputs=True)],
        (3, 4),
    ),
    "reshape": (lambda: [Linear(12, INIT), Reshape((3, 2, 2)), Conv((2, 2, 3), init=INIT)], 5),
    "reshape of steps": (lambda: [Linear(4, INIT), Reshape((2, 2, 5)), Linear(3, INIT)], (3, 5)),
    "to steps": (lambda: [Linear(12, INIT), Reshape((4, 3)), LSTM(3, INIT, **GATES)], 5),
    "image to steps": (lambda: [Conv((2, 2, 3), init=INIT), Reshape((3, -1)), Linear(2, INIT)],
                       (2, 4, 3)),
    "slices": (lambda: [Slice(1, 4, axis=1), Transpose((1, 0, 2)), Slice(-2)], (3, 5, 4)),
    "turned steps": (lambda: [Transpose(), Linear(4, INIT), Slice(1, -1, axis=1)], (3, 5)),
    "residual": (residual, (3, 5, 5)),
    "inception": (inception, (3, 5, 5)),
    "stack": (
        lambda: [MergeBroadcast([Linear(4, INIT), [Linear(2, INIT), LSTM(3, INIT, **GATES)]],
                                merge="stack"), Linear(3, INIT)],
        (3, 5),
    ),
    "depth of steps": (
        lambda: [MergeBroadcast([Linear(4, INIT), Linear(2, INIT)], merge="depth")], (3, 5)
    ),
    "several outputs": (lambda: branches(Tree), 5),
    "one of several outputs": (lambda: branches(SingleOutputTree), 5),
    "transformer": (transformer, (8, 5)),
    "learned positions": (lambda: [PositionalEncoding(INIT), GaussianNoise()], (4, 3)),
    "data transform": (lambda: [DataTransform(Normalizer(divisor=3)), Linear(2, INIT)], 4),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_predict(case: str, same: Same) -> None:
    same(*CASES[case])


TRANSFORM_CASES = [
    Logistic(shortcut=True), Tanh(), Rectlin(), Rectlin(slope=0.2), Rectlinclip(0.1, xcut=0.5),
    Explin(0.7), Softplus(), SiLU(), GELU(), GELU("tanh"), Softmax(), PixelwiseSoftmax(c=3),
    Identity(), Sign(),
]  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORM_CASES, ids=lambda t: t.classnm)
@pytest.mark.parametrize("shape", [6, (3, 4), (2, 4, 4)], ids=str)
def test_transforms(transform: Any, shape: Any, same: Same) -> None:
    first = [Linear(6, INIT)] if shape != (2, 4, 4) else [Convolution((2, 2, 3), init=INIT)]
    same(lambda: [*first, Activation(transform)], shape)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: [LookupTable(7, 3, INIT, pad_idx=0), LSTM(4, INIT, **GATES)], (6, 1)),
        (lambda: [LookupTable(7, 3, INIT), RecurrentSum(), Linear(2, INIT)], 6),
        (lambda: [Embedding(7, 3, INIT)], 6),
        (lambda: [Embedding([3, 5, 2, 7, 4, 6], 3, INIT), Linear(2, INIT)], 6),
        (lambda: [Embedding(7, 3, INIT, combine="sum")], 6),
    ],
)
def test_ids_also_outside_of_the_table(make: Any, shape: Any, same: Same) -> None:
    graph = same(make, shape, IDS)
    assert graph.graph.input[0].type.tensor_type.elem_type == 7  # int64


def test_ids_of_several_steps(same: Same) -> None:
    ids = np.random.RandomState(3).randint(0, 5, (5, 4, 2))
    same(lambda: [Embedding([5, 5], 3, INIT), GRU(2, INIT, **GATES)], (2, 4), ids)


def test_several_inputs(same: Same) -> None:
    def make() -> list[Any]:
        paths = [Sequential([LookupTable(7, 3, INIT), RecurrentLast()]), [Linear(2, INIT)]]
        return [MergeMultistream(paths, merge="stack"), Linear(3, INIT)]

    x = [IDS, np.random.RandomState(0).normal(size=(5, 4)).astype("f4")]
    graph = same(make, [6, 4], x)
    assert [i.name for i in graph.graph.input] == ["input_0", "input_1"]

    def sentences() -> list[Any]:
        paths = [Affine(3, INIT), Affine(3, INIT)]
        return [MergeMultistream(paths, merge="recurrent"), LSTM(2, INIT, **GATES)]

    same(sentences, [6, (4, 3)])


def test_the_mode_of_caffe(same: Same) -> None:
    same(lambda: [Dropout(0.5), Pooling(3, strides=2), Pooling(2, "avg", strides=2)], (2, 8, 8),
         caffe=True)  # fmt: skip


def test_every_row_is_tried(same: Same) -> None:
    """The cases above have a layer of each class that there is a row for."""
    tried: set[type] = {LookupTable, Embedding, MergeMultistream, Sequential}

    def visit(layers: Any) -> None:
        members = layers if isinstance(layers, (list, tuple)) else getattr(layers, "layers", [])
        for layer in members:
            visit(layer)
        if hasattr(layers, "transform"):
            transforms.add(type(layers.transform))
        tried.add(type(layers))

    transforms = {type(transform) for transform in TRANSFORM_CASES}
    for make, _ in CASES.values():
        visit(make())
    assert set(ROWS) <= tried
    assert set(TRANSFORMS) <= transforms


def test_what_a_graph_says(same: Same) -> None:
    graph = same(*CASES["mlp"])
    assert (graph.producer_name, graph.opset_import[0].version) == ("neonport", 17)
    assert "Linear_0/MatMul" in {node.name for node in graph.graph.node}
    sizes = graph.graph.input[0].type.tensor_type.shape.dim
    assert (sizes[0].dim_param, sizes[1].dim_value) == ("samples", 6)


class Doubled(Linear):
    """Computes something else than its base, so that the base's row would be wrong."""

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        self.outputs[:] = 2 * super().fprop(inputs)
        return self.outputs


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: [BinaryAffine(3, INIT, activation=Sign())], 4, "BinaryLinear 'first'"),
        (lambda: [Doubled(3, INIT, name="first")], 4, "Doubled 'first'.*write one with"),
        (lambda: [Linear(3, INIT), Activation(Softmax(axis=1), name="first")], 4, "across samples"),
        (lambda: [Pooling(2, strides={"str_c": 2}, name="first")], (4, 4, 4), "across maps"),
        (
            lambda: [GRU(3, INIT, activation=Tanh(), gate_activation=Tanh(), name="first")], (3, 2),
            "GRU 'first'.*gate_activation=Logistic",
        ),
        (
            lambda: [Recurrent(3, INIT, activation=Rectlinclip(), name="first")], (3, 2),
            "Recurrent 'first'.*Rectlinclip",
        ),
        (lambda: [Upsample((2, 2, 2), mode="bilinear", name="first")], (2, 2, 3, 3), "of volumes"),
    ],
)  # fmt: skip
def test_what_onnx_lacks_is_named_and_nothing_is_written(
    make: Any, shape: Any, words: str, make_backend: Any, tmp_path: Path
) -> None:
    make_backend(batch_size=4, rng_seed=1)
    layers = make()
    if isinstance(layers[0], list):
        layers[0][0].name = "first"
    model = with_random_weights(layers, shape)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ConfigurationError, match=f"export_onnx: .*{words}"):
        model.export_onnx(path)
    assert path.read_bytes() == b"before"


def test_a_model_without_shapes(make_backend: Any, tmp_path: Path) -> None:
    make_backend(batch_size=4)
    with pytest.raises(ConfigurationError, match="does not know the shape of a sample"):
        Model([Linear(2, INIT)]).export_onnx(tmp_path / "model.onnx")
