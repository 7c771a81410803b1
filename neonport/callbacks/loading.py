"""Callbacks from their descriptions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from neonport.base import load_class
from neonport.errors import ConfigurationError
from neonport.io import checkpoint


def read_description(source: dict[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    """Return the description of a container: as given, from its file, or from a model's file."""
    description = source if isinstance(source, dict) else checkpoint.load(source)
    nested = description.get("callbacks")
    return nested if isinstance(nested, dict) else description


def build_callbacks(entries: Iterable[dict[str, Any]], data: Iterable[Any]) -> list[Any]:
    """Build callbacks; data iterators are found by name.

    Raises:
        ConfigurationError: a class is not ours, or an iterator is missing in `data`.
    """
    iterators = {iterator.name: iterator for iterator in data}
    callbacks = []
    for entry in entries:
        config = {k: _find_data(v, iterators) for k, v in entry.get("config", {}).items()}
        callbacks.append(load_class(entry["type"]).gen_class(config))
    return callbacks


def _find_data(value: Any, iterators: dict[str, Any]) -> Any:
    """Replace the name of a data iterator by the iterator."""
    if not (isinstance(value, dict) and value.get("type") == "Data"):
        return value
    if value["name"] not in iterators:
        raise ConfigurationError(
            f"a callback needs the data iterator {value['name']!r}; pass it in data=[...] "
            f"(given: {', '.join(map(repr, iterators)) or 'none'})"
        )
    return iterators[value["name"]]
