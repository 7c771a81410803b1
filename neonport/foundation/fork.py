"""What objects do in the child of a fork, where no other thread of the parent lives on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_calls: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def call_in_child(owner: T, function: Callable[[T], None]) -> None:
    """Call a function with an object in each child that is forked while the object lives.

    For locks: one that another thread holds at the moment of the fork would stay locked for ever.

    Args:
        owner: the object, which is not kept alive; it has one such function.
        function: takes the object.

    Example:
        >>> class Counter:
        ...     def __init__(self):
        ...         self.renew_lock()
        ...         call_in_child(self, Counter.renew_lock)
        ...
        ...     def renew_lock(self):
        ...         self.lock = threading.Lock()
    """
    _calls[owner] = function


def _in_child() -> None:
    for owner, function in list(_calls.items()):
        function(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
