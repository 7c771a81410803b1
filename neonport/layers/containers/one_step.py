"""OneStep: layers of a decoder with buffers for a single time step, on the same parameters."""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.layers.attention import MultiHeadAttention
from neonport.layers.checks import label
from neonport.layers.lookup import LookupTable
from neonport.layers.positional import PositionalEncoding
from neonport.layers.recurrent.outputs import RecurrentOutput
from neonport.layers.recurrent.recurrent import Recurrent
from neonport.layers.recurrent.stateful import StatefulLayer
from neonport.layers.sequential import Sequential
from neonport.tensor.tensor import Tensor

# what a layer holds its parameters in, besides the attributes that its description names
_SHARED = ("dW", "grad_beta", "grad_gamma", "allparams", "parameters")
_WHOLE = (RecurrentOutput, MultiHeadAttention, PositionalEncoding)


class OneStep:
    """The layers of a chain once more, for one time step a call; states go on between the calls.

    Parameters are those of the chain, outputs and states are buffers of its own: to decode leaves
    nothing behind in the buffers that training uses.

    Args:
        chain: a Sequential, allocated.
        in_shape: logical shape of the inputs at one step.
        dtype: of the outputs.

    Attributes:
        layers: the layers for one step.
        states: of each recurrent layer its states, views (units, batch): hidden state, then cells.

    Raises:
        ConfigurationError: a layer looks at several steps, or cannot be built from its description.
    """

    def __init__(self, chain: Sequential, in_shape: Any, dtype: Any) -> None:
        for layer in chain.layers_fprop():
            whole = isinstance(layer, StatefulLayer) and not isinstance(layer, Recurrent)
            if whole or isinstance(
                layer, (RecurrentOutput, MultiHeadAttention, PositionalEncoding)
            ):
                raise ConfigurationError(
                    f"{label(chain)}: {label(layer)} looks at all time steps, but inference runs a "
                    "decoder step by step; a decoder takes Recurrent, LSTM, GRU and layers that "
                    "treat each step alike"
                )
        own = {type(layer) for layer in chain.layers_fprop()}
        builder = Builder(c for c in own if c.__module__.partition(".")[0] != "neonport")
        built = [builder.build("layer", layer.get_description()) for layer in chain.layers]
        self._chain = Sequential(built, chain.name)
        self._chain.set_backend(chain.be)
        self._chain.propagate_parallelism("Data")
        for layer, twin in zip(chain.layers_fprop(), self._chain.layers_fprop(), strict=True):
            _share(layer, twin)
        self._chain.configure(in_shape)
        with chain.be.activations(dtype):
            self._chain.allocate()
        self.layers: list[Any] = self._chain.layers
        self._recurrent = [x for x in self.layers if isinstance(x, Recurrent)]
        for layer in self._chain.layers_fprop():
            if isinstance(layer, StatefulLayer):  # goes on from call to call, whatever it is given
                layer.reset_cells, layer.strict = False, True
        self.out_shape = self._chain.out_shape

    @property
    def states(self) -> list[list[Tensor]]:
        """Where each recurrent layer keeps its states between two calls; to be read and written."""
        return [layer._carried_views() for layer in self._recurrent]

    def begin(self, hidden: list[Any]) -> None:
        """Start a sequence.

        Args:
            hidden: for each recurrent layer a hidden state (units, batch), or None for zero.
        """
        for layer in self._chain.layers_fprop():
            if isinstance(layer, StatefulLayer):
                layer.reset_state()
        for state, start in zip(self.states, hidden, strict=True):
            if start is not None:
                state[0][:] = start

    def fprop(self, inputs: Any) -> Any:
        """Run one step; return its outputs (features, batch)."""
        return self._chain.fprop(inputs, inference=True)


def _share(layer: Any, twin: Any) -> None:
    """Give a layer the parameters of another one."""
    if not layer.has_params:
        return
    described = layer.get_description(get_weights=True, keep_states=False)
    for name in {*described.get("params", ()), *_SHARED}:
        if name in vars(layer):
            setattr(twin, name, getattr(layer, name))
    twin.has_params = True
    if isinstance(twin, LookupTable):
        twin.pad_idx = None  # allocate would write the row of padding
