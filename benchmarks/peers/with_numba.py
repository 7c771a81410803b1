"""Numba: the loops of `numba_loops.py`, parallel and with fast arithmetic."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from benchmarks.peers import Job, Skip
from benchmarks.trees import Arrays, Tree

LIBRARY = "numba"
_compiled: dict[str, Any] = {}


def make(tree: Tree, inputs: Arrays) -> Job:
    import numba

    from benchmarks.peers import numba_loops
    from neonport.backends.host.threads import num_threads

    loop = getattr(numba_loops, tree.formula.__name__, None)
    if loop is None:
        raise Skip(f"no loop is written for {tree.name}")
    numba.set_num_threads(min(num_threads(), numba.config.NUMBA_NUM_THREADS))
    if tree.name not in _compiled:
        _compiled[tree.name] = numba.njit(parallel=True, fastmath=True)(loop)
    function = _compiled[tree.name]
    shapes = [np.shape(o) for o in _reference(tree, inputs)]
    # an optimizer writes over its state, as ours does
    copies = {name: array.copy() for name, array in inputs.items()}
    outs = [copies[name] for name in tree.state]
    outs += [np.empty(shape, np.float32) for shape in shapes[len(outs) :]]
    names = list(inspect.signature(loop).parameters)[: len(inputs)]
    arguments = [*(copies[name] for name in names), *outs]
    if loop in numba_loops.FLAT:
        arguments = [a.reshape(-1) for a in arguments]  # views
    return Job(lambda: function(*arguments), lambda: outs)


def _reference(tree: Tree, inputs: Arrays) -> tuple[Any, ...]:
    from benchmarks.peers.with_numpy import Functions

    return tree.formula(Functions, **inputs)
