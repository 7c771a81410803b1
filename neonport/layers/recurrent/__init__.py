"""Recurrent layers, neon's path `neon.layers.recurrent`: one family a file.

| file | what |
|---|---|
| `base.py` | **start here**: parameters, buffers, `fprop` and `bprop` of them all |
| `stateful.py` | the state that is carried from one minibatch to the next, and its checkpoints |
| `recurrent.py` | Recurrent, LSTM, GRU |
| `bidirectional.py`, `bibnrnn.py`, `stacks.py` | BiRNN, BiLSTM, BiBNRNN; DeepBiRNN, DeepBiLSTM |
| `recurrence.py`, `gated.py` | one recurrence over the steps: a call a sequence, or step by step |
| `outputs.py` | RecurrentSum, RecurrentMean, RecurrentLast: one step from many; BiSum |
| `steps.py` | shapes as (features, steps); views of steps |
| `torch_rows.py` | PyTorch's weights in our layout |
"""

from __future__ import annotations

from neonport.layers.recurrent.bibnrnn import BiBNRNN as BiBNRNN
from neonport.layers.recurrent.bidirectional import BiLSTM as BiLSTM
from neonport.layers.recurrent.bidirectional import BiRNN as BiRNN
from neonport.layers.recurrent.outputs import BiSum as BiSum
from neonport.layers.recurrent.outputs import RecurrentLast as RecurrentLast
from neonport.layers.recurrent.outputs import RecurrentMean as RecurrentMean
from neonport.layers.recurrent.outputs import RecurrentOutput as RecurrentOutput
from neonport.layers.recurrent.outputs import RecurrentSum as RecurrentSum
from neonport.layers.recurrent.recurrent import GRU as GRU
from neonport.layers.recurrent.recurrent import LSTM as LSTM
from neonport.layers.recurrent.recurrent import Recurrent as Recurrent
from neonport.layers.recurrent.stacks import DeepBiLSTM as DeepBiLSTM
from neonport.layers.recurrent.stacks import DeepBiRNN as DeepBiRNN
from neonport.layers.recurrent.steps import get_steps as get_steps
from neonport.layers.recurrent.steps import interpret_in_shape as interpret_in_shape

from neonport.layers.recurrent import torch_rows as torch_rows  # isort: skip
