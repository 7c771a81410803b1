"""Recurrent layers, neon's path `neon.layers.recurrent`: one family a file.

| file | what |
|---|---|
| `outputs.py` | RecurrentSum, RecurrentMean, RecurrentLast: one step from many; BiSum |
| `steps.py` | shapes as (features, steps); views of steps |
"""

from __future__ import annotations

from neonport.layers.recurrent.outputs import BiSum as BiSum
from neonport.layers.recurrent.outputs import RecurrentLast as RecurrentLast
from neonport.layers.recurrent.outputs import RecurrentMean as RecurrentMean
from neonport.layers.recurrent.outputs import RecurrentOutput as RecurrentOutput
from neonport.layers.recurrent.outputs import RecurrentSum as RecurrentSum
from neonport.layers.recurrent.steps import get_steps as get_steps
from neonport.layers.recurrent.steps import interpret_in_shape as interpret_in_shape
