"""Callbacks from their descriptions, which may come from a file that somebody else wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from neonport.callbacks.callback import THE_MODEL, data_name
from neonport.errors import CheckpointError, ConfigurationError, NeonportError
from neonport.foundation.descriptions import Builder
from neonport.io import checkpoint

_PATHS = ("filename", "path", "save_path")  # arguments of callbacks that name a file to write

Path = str | bytes | os.PathLike


def read_description(source: dict[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    """Return the description of a container: as given, from its file, or from a model's file.

    Raises:
        CheckpointError: there is none.
    """
    description = source if isinstance(source, dict) else checkpoint.load(source)
    if isinstance(description, dict) and isinstance(description.get("callbacks"), dict):
        description = description["callbacks"]
    if not isinstance(description, dict) or not isinstance(description.get("callbacks"), list):
        raise CheckpointError(
            "this is no description of callbacks: there is no list 'callbacks'; use what "
            "Callbacks.serialize gave"
        )
    return description


def build_callbacks(
    description: dict[str, Any],
    model: Any,
    data: Iterable[Any],
    writes: Iterable[Path],
    classes: Iterable[type],
) -> list[Any]:
    """Build the callbacks of a container.

    Args:
        description: of the container.
        model: to be trained.
        data: data iterators; a callback finds its own by name.
        writes: files that may be written.
        classes: classes of the caller's own that may be named.

    Raises:
        ConfigurationError: an iterator is missing in `data`, or a file in `writes`.
        CheckpointError: a class is unknown or refuses its arguments.
    """
    iterators = {data_name(iterator): iterator for iterator in data}
    allowed = {os.path.realpath(os.fsdecode(path)) for path in writes}
    _check_file(description.get("output_file"), allowed)
    builder = Builder(classes)
    callbacks = []
    for entry in description["callbacks"]:
        config = entry.get("config", {}) if isinstance(entry, dict) else None
        if not isinstance(config, dict):
            raise CheckpointError(f"no description of a callback: {str(entry)[:80]}")
        for name in _PATHS:
            _check_file(config.get(name), allowed)
        config = {
            key: model if value == THE_MODEL else _find_data(value, iterators)
            for key, value in config.items()
        }
        try:
            callbacks.append(builder.build("callback", {**entry, "config": config}))
        except Exception as error:  # whatever a constructor makes of a stranger's arguments
            words = (
                error if isinstance(error, NeonportError) else f"{type(error).__name__}: {error}"
            )
            raise CheckpointError(f"a callback cannot be built: {words}") from error
    return callbacks


def _check_file(path: Any, allowed: set[str]) -> None:
    """Refuse a file to write that the caller has not named: a description may be a stranger's."""
    if path is None:
        return
    if not isinstance(path, (str, bytes)):
        raise CheckpointError(f"callbacks: {str(path)[:80]!r} is no path of a file")
    if os.path.realpath(os.fsdecode(path)) not in allowed:
        raise ConfigurationError(
            f"the callbacks would write {path!r}; allow that with load_callbacks(..., "
            f"writes=[{path!r}])"
        )


def _find_data(value: Any, iterators: dict[str, Any]) -> Any:
    """Replace the name of a data iterator by the iterator."""
    if not (isinstance(value, dict) and value.get("type") == "Data"):
        return value
    name = str(value.get("name"))
    if name not in iterators:
        raise ConfigurationError(
            f"a callback needs the data iterator {name!r}; pass it in data=[...] "
            f"(given: {', '.join(map(repr, iterators)) or 'none'})"
        )
    return iterators[name]
