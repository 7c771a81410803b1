"""DeepBiRNN and DeepBiLSTM: stacks of bidirectional layers, plain lists that containers flatten."""

from __future__ import annotations

from typing import Any

from neonport.layers.base import Layer
from neonport.layers.checks import check_positive_int
from neonport.layers.recurrent.bibnrnn import BiBNRNN
from neonport.layers.recurrent.bidirectional import BiLSTM, BiRNN
from neonport.layers.recurrent.outputs import BiSum


class DeepBiRNN(list[Layer]):
    """A stack of bidirectional recurrent layers, a plain list that containers flatten.

    The first layer gives all its inputs to both directions. Above it the forward direction reads
    the forward outputs below, the backward one the backward outputs; with `bi_sum` both read the
    sum of both.

    Args:
        nout: units of each direction.
        init, init_inner, activation, reset_cells: as for `BiRNN`.
        depth: number of layers.
        batch_norm: BiBNRNN in place of BiRNN.
        bi_sum: a BiSum after each layer.

    Example:
        stack = DeepBiRNN(5, init=Gaussian(), activation=Tanh(), depth=2)
        assert [layer.split_inputs for layer in stack] == [False, True]
    """

    def __init__(
        self,
        nout: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        reset_cells: bool = False,
        depth: int = 1,
        batch_norm: bool = False,
        bi_sum: bool = False,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        make = BiBNRNN if batch_norm else BiRNN
        for k in range(check_positive_int(self, "depth", depth)):
            split = k > 0 and not bi_sum
            self.append(make(nout, init, init_inner, activation, reset_cells, split))
            if bi_sum:
                self.append(BiSum())


class DeepBiLSTM(list[Layer]):
    """A stack of bidirectional LSTM layers, a plain list that containers flatten.

    Args:
        nout: units of each direction.
        init, init_inner, activation, gate_activation, reset_cells: as for `BiLSTM`.
        depth: number of layers; from the second on each direction reads its own outputs below.

    Example:
        stack = DeepBiLSTM(5, Gaussian(), activation=Tanh(), gate_activation=Logistic(), depth=2)
        assert [layer.split_inputs for layer in stack] == [False, True]
    """

    def __init__(
        self,
        nout: int,
        init: Any,
        init_inner: Any = None,
        activation: Any = None,
        gate_activation: Any = None,
        reset_cells: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        for k in range(check_positive_int(self, "depth", depth)):
            self.append(
                BiLSTM(nout, init, init_inner, activation, gate_activation, reset_cells, k > 0)
            )
