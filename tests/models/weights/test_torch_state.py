"""State dicts of PyTorch: as arrays here, of real modules under the marker `interop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError, DtypeError
from neonport.initializers import Constant
from neonport.layers import (
    GRU,
    LSTM,
    Activation,
    Affine,
    BatchNorm,
    Bias,
    BiLSTM,
    BiRNN,
    Convolution,
    Deconvolution,
    LayerNorm,
    Linear,
    LookupTable,
    MultiHeadAttention,
    OpTreeLayer,
    Recurrent,
)
from neonport.layers.layer import Convolution_bias
from neonport.layers.torch_layout import ROWS, torch_row
from neonport.models import Model
from neonport.transforms import Logistic, Rectlin, Tanh

Make = Callable[..., Any]


def mlp() -> Model:
    return Model(
        [
            Affine(5, "he_normal", bias=Constant(0), activation=Rectlin(), name="fc1"),
            Affine(4, "he_normal", batch_norm=True, activation=Tanh(), name="fc2"),
            Linear(2, "he_normal", name="out"),
        ]
    )


def state() -> dict[str, np.ndarray]:
    rng = np.random.RandomState(0)
    shapes = {
        "0.weight": (5, 3),
        "0.bias": (5,),
        "2.weight": (4, 5),
        "3.weight": (4,),
        "3.bias": (4,),
        "3.running_mean": (4,),
        "3.running_var": (4,),
        "5.weight": (2, 4),
    }
    found = {name: rng.rand(*shape).astype("f4") for name, shape in shapes.items()}
    return {**found, "3.num_batches_tracked": np.array(3)}


@pytest.fixture
def model(make_backend: Make) -> Model:
    make_backend(batch_size=4, rng_seed=0)
    found = mlp()
    found.initialize(3)
    return found


def test_modules_and_layers_in_their_order(model: Model) -> None:
    s = state()
    model.from_torch_state_dict(s)
    x = np.random.RandomState(1).rand(6, 3).astype("f4")
    h = np.maximum(x @ s["0.weight"].T + s["0.bias"], 0) @ s["2.weight"].T
    h = (h - s["3.running_mean"]) / np.sqrt(s["3.running_var"] + 1e-3)
    h = np.tanh(h * s["3.weight"] + s["3.bias"])
    np.testing.assert_allclose(model.predict(x), h @ s["5.weight"].T, rtol=1e-4, atol=1e-5)


def test_names_where_orders_differ(model: Model) -> None:
    s = state()
    turned = {key: s[key] for key in sorted(s, reverse=True)}
    with pytest.raises(CheckpointError):
        model.from_torch_state_dict(turned)
    names = {"fc1": "0", "fc2": "2", "fc2_bnorm": "3", "out": "5"}
    model.from_torch_state_dict(turned, names)
    np.testing.assert_array_equal(model.get_weights()["fc1.W"], s["0.weight"])
    for wrong, words in (
        ({**names, "out": "9"}, "names says '9' for out; the modules are '0', '2'"),
        ({**names, "fc9": "5"}, "names holds 'fc9'; the layers with parameters are fc1"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            model.from_torch_state_dict(s, wrong)


class Odd(OpTreeLayer):
    def forward(self, x: Any) -> Any:
        return x * self.parameter("gain", (x.shape[0], 1), Constant(1))


def test_a_row_of_ones_own(make_backend: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_backend(batch_size=4)
    model = Model([Odd("odd")])
    model.initialize(3)
    with pytest.raises(ConfigurationError, match=r"corresponds to odd \(Odd\): no row of"):
        model.from_torch_state_dict({"gain": np.ones(3)})
    monkeypatch.setitem(ROWS, Odd, None)

    @torch_row(Odd, "scale")
    def _odd(scale: np.ndarray) -> dict[str, np.ndarray]:
        return {"gain": scale.reshape(-1, 1)}

    model.from_torch_state_dict({"scale": np.array([1, 2, 3])})
    np.testing.assert_array_equal(model.get_weights()["odd.gain"], [[1], [2], [3]])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"0.bias": None}, CheckpointError, "fc1_bias needs bias, but module '0' has nothing left"),
        ({"2.bias": np.ones(4)}, CheckpointError, "module '2' also has bias.*a bias needs a layer"),
        ({"7.weight": np.ones(3)}, CheckpointError, "no layers for the modules '7'"),
        ({"5.weight": None}, CheckpointError, "out needs weight, but the state dict has nothing"),
        ({"5.weight": np.ones((2, 9))}, CheckpointError, r"out: .* has shape \(2, 9\)"),
        ({"5.weight": "a"}, DtypeError, "5.weight holds text"),
    ],
)
def test_what_does_not_correspond(model: Model, change: Any, error: Any, words: str) -> None:
    before = model.get_weights()
    given = {name: value for name, value in {**state(), **change}.items() if value is not None}
    with pytest.raises(error, match=words):
        model.from_torch_state_dict(given)
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(value, before[name])


def test_no_state_dict(model: Model) -> None:
    class Module:
        def state_dict(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"is a Module, no dict; give module.state_dict"):
        model.from_torch_state_dict(Module())  # type: ignore[arg-type]


def test_a_gru_does_not_correspond(make_backend: Make) -> None:
    make_backend(batch_size=4)
    model = Model([GRU(2, "he_normal", activation=Tanh(), gate_activation=Logistic(), name="gru")])
    with pytest.raises(ConfigurationError, match=r"gru \(GRU\): .*reset gate after the recurrent"):
        model.from_torch_state_dict({"weight_ih_l0": np.ones((6, 3))})


def agree(model: Model, module: Any, x: Any, wanted: Any = None) -> None:
    """Load the weights, and compare outputs for samples-first arrays."""
    model.from_torch_state_dict(module.state_dict())
    wanted = module(x) if wanted is None else wanted
    found = model.predict(x.numpy())
    wanted = wanted.detach().numpy()
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.interop
def test_images(make_backend: Make) -> None:
    import torch
    from torch import nn

    make_backend(batch_size=4, rng_seed=0)
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 3, (3, 2), stride=2, padding=1), nn.BatchNorm2d(3, eps=1e-3), nn.ReLU(),
        nn.ConvTranspose2d(3, 4, 3, stride=2), nn.Conv2d(4, 2, 2, bias=False), nn.Flatten(),
        nn.Linear(2 * 8 * 8, 3),
    )  # fmt: skip
    x = torch.randn(5, 2, 7, 6)
    module(x)
    module.eval()
    zero = Constant(0)
    model = Model(
        [
            Convolution_bias((3, 2, 3), strides=2, padding=1, init="he_normal", bias=zero),
            BatchNorm(),
            Activation(Rectlin()),
            Deconvolution((3, 3, 4), strides=2, init="he_normal"),
            Bias(zero),
            Convolution((2, 2, 2), init="he_normal"),
            Affine(3, "he_normal", bias=zero),
        ]
    )
    model.initialize((2, 7, 6))
    agree(model, module, x)


@pytest.mark.interop
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
@pytest.mark.parametrize("bias", [False, True])
def test_sequences(make_backend: Make, kind: str, both: bool, bias: bool) -> None:
    import torch
    from torch import nn

    make_backend(batch_size=4, rng_seed=0)
    torch.manual_seed(0)
    module = getattr(nn, kind)(3, 5, batch_first=True, bidirectional=both, bias=bias)
    gates = {} if kind == "RNN" else {"gate_activation": Logistic()}
    layer = {"RNN": (Recurrent, BiRNN), "LSTM": (LSTM, BiLSTM)}[kind][both]
    model = Model([layer(5, "he_normal", activation=Tanh(), reset_cells=True, **gates)])
    model.initialize((3, 6))
    x = torch.randn(7, 6, 3)
    agree(model, module, x, module(x)[0])


@pytest.mark.interop
def test_a_stack_of_recurrent_layers(make_backend: Make) -> None:
    import torch
    from torch import nn

    make_backend(batch_size=4, rng_seed=0)
    torch.manual_seed(0)
    kwargs = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
    model = Model([LSTM(5, "he_normal", **kwargs), LSTM(5, "he_normal", **kwargs)])
    model.initialize((3, 4))
    module, x = nn.LSTM(3, 5, num_layers=2, batch_first=True), torch.randn(5, 4, 3)
    agree(model, module, x, module(x)[0])


@pytest.mark.interop
def test_words_and_attention(make_backend: Make) -> None:
    import torch
    from torch import nn

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 6)
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
            self.norm = nn.LayerNorm(6)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids)
            return self.norm(self.attention(x, x, x, need_weights=False)[0])

    make_backend(batch_size=4, rng_seed=0)
    torch.manual_seed(0)
    model = Model(
        [
            LookupTable(9, 6, "he_normal"),
            MultiHeadAttention(2, "he_normal", bias=Constant(0)),
            LayerNorm(),
        ]
    )
    model.initialize(5)
    with torch.no_grad():
        module = Module()
        module.attention.in_proj_bias.normal_()
        agree(model, module, torch.randint(9, (7, 5)))


@pytest.mark.interop
def test_a_module_of_torch(model: Model) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4, eps=1e-3),
        nn.Tanh(), nn.Linear(4, 2, bias=False),
    )  # fmt: skip
    x = torch.randn(20, 3)
    module(x)  # moves the statistics
    module.eval()
    model.from_torch_state_dict(module.state_dict())
    wanted = module(x).detach().numpy()
    np.testing.assert_allclose(model.predict(x.numpy()), wanted, rtol=1e-4, atol=1e-5)
    model.from_torch_state_dict(module.bfloat16().state_dict())
    np.testing.assert_allclose(model.predict(x.numpy()), wanted, rtol=0.1, atol=0.05)
