"""Copies and pickles of models, made from their descriptions.

Buffers, bound statements and recorded steps belong to the model that made them, so a copy makes its
own; what training has changed comes along, as in a checkpoint.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from neonport.backends import gen_backend
from neonport.base import NervanaObject, get_args
from neonport.models.checkpoints.saving import snapshot

_NOT_KEPT = ("self", "layers", "dataset", "weights_only", "optimizer", "be", "classes")


def arguments(model: Any) -> dict[str, Any]:
    """Return what a model of the same class and state is constructed with; plain data."""
    kept = {
        name: getattr(model, name)
        for name in get_args(type(model).__init__)
        if name not in _NOT_KEPT and hasattr(model, name)
    }
    found = {type(item) for item in model.layers.objects()}
    own = [cls for cls in found if cls.__module__.partition(".")[0] != "neonport"]
    own.sort(key=lambda cls: (cls.__module__, cls.__qualname__))
    return {**kept, "layers": snapshot(model, keep_states=True), "classes": own}


def backend_arguments(model: Any) -> dict[str, Any]:
    """Return by what `gen_backend` makes a backend like that of a model."""
    be = model.be
    return {
        "backend": be.backend_name,
        "rng_seed": be.rng_seed,
        "datatype": be.default_dtype.name,
        "batch_size": be.bsz or 0,
        "compat_mode": be.compat_mode,
    }


def rebuilt(kind: type, arguments: dict[str, Any], backend: dict[str, Any]) -> Any:
    """The model that `arguments` describe, on the process-wide backend.

    Where there is none, as in a process that was started for a function of the user's, whose
    arguments come before its first line, one like the model's is made.
    """
    if NervanaObject.be is None:
        gen_backend(**backend)
    return kind(**arguments)


def copied(model: Any, memo: dict[int, Any]) -> Any:
    """A model of its own with the weights, states and place in training of another.

    It is on the same backends. The generators go on as they are: a copy draws other numbers than
    the model itself will draw.
    """
    if not model.initialized:
        made = memo[id(model)] = object.__new__(type(model))
        vars(made).update(deepcopy(vars(model), memo))
        return made
    made = memo[id(model)] = type(model)(**arguments(model), be=model.be)
    made.state.pending.rng_state, made.state.pending.other_rng_states = None, []
    pairs = zip(model.layers.objects(), made.layers.objects(), strict=False)
    for old, new in pairs:
        if old._placed and old.be is not model.be:
            new.set_backend(old.be)
    memo[id(model.layers)] = made.layers
    made.initialize(model.data_shape, deepcopy(model.cost, memo))
    made.optimizer = deepcopy(model.optimizer, memo)
    return made
