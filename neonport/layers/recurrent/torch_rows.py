"""Rows of `torch_layout` for recurrent layers and lookup tables: PyTorch's weights in our layout.

PyTorch has two biases where we have one, their sum, and the LSTM's gates in the order i, f, g, o.
"""

from __future__ import annotations

import numpy as np

from neonport.layers.lookup import LookupTable
from neonport.layers.recurrent.bibnrnn import BiBNRNN
from neonport.layers.recurrent.bidirectional import BiLSTM, BiRNN
from neonport.layers.recurrent.recurrent import GRU, LSTM, Recurrent
from neonport.layers.torch_layout import Params, refuse, torch_row

Array = np.ndarray
WEIGHTS = ("weight_ih", "weight_hh")
BIASES = ("bias_ih", "bias_hh")
REVERSE = tuple(f"{name}_reverse" for name in WEIGHTS)
REVERSE_BIASES = tuple(f"{name}_reverse" for name in BIASES)
IFOG = (0, 1, 3, 2)  # where PyTorch has our gates


def _matrix(gates: tuple[int, ...], arrays: dict[str, Array | None], suffixes: list[str]) -> Array:
    """W: input weights, recurrent weights, biases, each of all directions; see RecurrentLayer."""
    blocks: list[Array] = []
    for kind in ("weight_ih", "weight_hh", "bias"):
        for suffix in suffixes:
            if kind == "bias":
                given = [arrays.get(f"{name}{suffix}") for name in BIASES]
                found = sum((b for b in given if b is not None), np.zeros(blocks[0].shape[1]))
                values = np.asarray(found).reshape(-1, 1)
            else:
                values = np.asarray(arrays[f"{kind}{suffix}"])
            parts = np.split(values, len(gates))
            ours = np.concatenate([parts[k] for k in gates])
            blocks.append(ours.reshape(values.shape[1], -1))  # read row by row, not transposed
    return np.concatenate(blocks)


@torch_row(Recurrent, *WEIGHTS, optional=BIASES)
def _recurrent(**arrays: Array | None) -> Params:
    return {"W": _matrix((0,), arrays, [""])}


@torch_row(LSTM, *WEIGHTS, optional=BIASES)
def _lstm(**arrays: Array | None) -> Params:
    return {"W": _matrix(IFOG, arrays, [""])}


@torch_row(BiRNN, *WEIGHTS, *REVERSE, optional=(*BIASES, *REVERSE_BIASES))
def _birnn(**arrays: Array | None) -> Params:
    return {"W": _matrix((0,), arrays, ["", "_reverse"])}


@torch_row(BiLSTM, *WEIGHTS, *REVERSE, optional=(*BIASES, *REVERSE_BIASES))
def _bilstm(**arrays: Array | None) -> Params:
    return {"W": _matrix(IFOG, arrays, ["", "_reverse"])}


@torch_row(LookupTable, "weight")
def _lookup(weight: Array) -> Params:
    return {"W": weight}


refuse(
    GRU,
    "PyTorch's GRU multiplies by the reset gate after the recurrent product and its own bias, this "
    "one before the product, so no weights give the same function; train it here, or use an LSTM",
)
refuse(BiBNRNN, "PyTorch has no batch normalisation inside of a recurrence")
