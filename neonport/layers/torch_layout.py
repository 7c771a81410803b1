"""How the parameters of PyTorch's modules become those of layers: one row for each class.

A row names the entries of a module's state dict and turns their arrays into the `params` of a
layer's description. A class of your own gets its row by the same decorator:

    @torch_row(Scale, "gain")
    def _scale(gain):
        return {"W": gain.reshape(-1, 1)}

Families with many rows have a file of their own, such as `recurrent/torch_rows.py`. PyTorch is not
imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neonport.layers.attention import MultiHeadAttention
from neonport.layers.batchnorm import BatchNorm
from neonport.layers.bias import Bias
from neonport.layers.layernorm import LayerNorm
from neonport.layers.linear import Linear
from neonport.layers.windows.convolution import Convolution, Convolution_bias
from neonport.layers.windows.deconvolution import Deconvolution

Params = dict[str, np.ndarray]


@dataclass(frozen=True)
class TorchRow:
    """What a layer takes from a module of PyTorch.

    Attributes:
        names: entries that the module has.
        optional: entries that it may have; None is handed over where one is missing.
        convert: the arrays by name -> parameters of the layer.
        continues: the layer takes what the layer before it has left of the same module, as a Bias
            does.
        refusal: why no module corresponds; empty if one does.
    """

    names: tuple[str, ...]
    optional: tuple[str, ...]
    convert: Callable[..., Params]
    continues: bool = False
    refusal: str = ""


ROWS: dict[type, TorchRow] = {}


def torch_row(
    layer: type, *names: str, optional: Iterable[str] = (), continues: bool = False
) -> Callable[[Callable[..., Params]], Callable[..., Params]]:
    """Decorate the conversion for a class of layers; see `TorchRow`."""

    def enter(convert: Callable[..., Params]) -> Callable[..., Params]:
        ROWS[layer] = TorchRow(names, tuple(optional), convert, continues)
        return convert

    return enter


def refuse(layer: type, reason: str) -> None:
    """Say why nothing of PyTorch corresponds to a class of layers."""
    ROWS[layer] = TorchRow((), (), dict, refusal=reason)


def row_of(layer: Any) -> TorchRow | None:
    """The row of a layer's class or of its nearest base, None if there is none."""
    return next((ROWS[cls] for cls in type(layer).__mro__ if cls in ROWS), None)


@torch_row(Linear, "weight")
def _linear(weight: np.ndarray) -> Params:
    return {"W": weight}


@torch_row(Bias, "bias", continues=True)
def _bias(bias: np.ndarray) -> Params:
    return {"W": bias.reshape(-1, 1)}


@torch_row(BatchNorm, "running_mean", "running_var", optional=("weight", "bias"))
def _batch_norm(
    running_mean: np.ndarray,
    running_var: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
) -> Params:
    return {
        "gamma": np.ones_like(running_mean) if weight is None else weight,
        "beta": np.zeros_like(running_mean) if bias is None else bias,
        "gmean": running_mean,
        "gvar": running_var,
    }


@torch_row(LayerNorm, "weight", optional=("bias",))
def _layer_norm(weight: np.ndarray, bias: np.ndarray | None) -> Params:
    bias = np.zeros_like(weight) if bias is None else bias
    return {"gain": weight.reshape(-1, 1), "bias": bias.reshape(-1, 1)}


@torch_row(Convolution, "weight")
@torch_row(Deconvolution, "weight")
def _filters(weight: np.ndarray) -> Params:
    """(K, C, T, R, S) -> (C * T * R * S, K); a transposed one holds the inputs' maps first, too."""
    return {"W": weight.reshape(len(weight), -1).T}


@torch_row(Convolution_bias, "weight", "bias")
def _filters_and_bias(weight: np.ndarray, bias: np.ndarray) -> Params:
    return {**_filters(weight), "weight_bias": bias.reshape(-1, 1)}


@torch_row(
    MultiHeadAttention,
    "in_proj_weight",
    "out_proj_weight",
    optional=("in_proj_bias", "out_proj_bias"),
)
def _attention(
    in_proj_weight: np.ndarray,
    out_proj_weight: np.ndarray,
    in_proj_bias: np.ndarray | None,
    out_proj_bias: np.ndarray | None,
) -> Params:
    found = {"qkv": in_proj_weight, "out": out_proj_weight}
    for name, bias in (("qkv_bias", in_proj_bias), ("out_bias", out_proj_bias)):
        if bias is not None:
            found[name] = bias.reshape(-1, 1)
    return found
