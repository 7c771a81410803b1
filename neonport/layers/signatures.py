"""Which optional arguments a layer's methods take; user layers may leave them out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    found = inspect.signature(function).parameters
    return frozenset(found), any(p.kind is p.VAR_KEYWORD for p in found.values())


def accepts(method: Callable[..., Any], argument: str) -> bool:
    """Whether `method` can be called with the keyword `argument`."""
    names, anything = _parameters(getattr(method, "__func__", method))
    return anything or argument in names
