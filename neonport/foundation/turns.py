"""Threads take turns with an object: a lock for each, which the object itself does not carry.

So objects stay ones that can be copied, described and compared by their attributes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """Locks by object; a thread that has its turn may take it again.

    Example:
        turns = Turns()
        with turns.of(model):
            outputs = model.fprop(x).get()
    """

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
        if hasattr(os, "register_at_fork"):  # other threads, and their turns, stay in the parent
            os.register_at_fork(after_in_child=lambda: self._locks.clear())

    def of(self, owner: Any) -> threading.RLock:
        """The lock of an object."""
        found = self._locks.get(owner)
        return self._locks.setdefault(owner, threading.RLock()) if found is None else found


in_use = Turns()
"""Of models: who computes in the buffers of the layers, or reads and writes them as a whole."""

in_training = Turns()
"""Of models: who trains one, from the first minibatch to the last."""


def in_turn(function: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Let a function, or method, whose first argument is a model wait for its turn with it."""

    @wraps(function)
    def run(model: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        with in_use.of(model):
            return function(model, *args, **kwargs)

    return run
