"""ModelDescription: a checkpoint's description, to look layers up in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.errors import CheckpointError
from neonport.io import checkpoint


class ModelDescription(dict[str, Any]):
    """The nested description of a model.

    Args:
        source: what `Model.serialize` returned, or the path of a checkpoint of ours or of neon's.

    Raises:
        CheckpointError: the file cannot be read, or it describes no model.

    Example:
        from neonport.util.modeldesc import ModelDescription

        model.initialize(train)
        found = ModelDescription(model.serialize())
        assert found.getlayer(found.layers()[0])["type"].endswith("Linear")
    """

    def __init__(self, source: Any) -> None:
        if isinstance(source, (str, bytes, os.PathLike)):
            source = checkpoint.load(source)
        if not isinstance(source, dict) or not isinstance(source.get("model"), dict):
            raise CheckpointError(
                "ModelDescription: there is no 'model' with type and config in it; give what "
                "Model.serialize returned, or the path of a checkpoint"
            )
        super().__init__(source)

    @property
    def version(self) -> str | None:
        """The version that wrote it."""
        found: str | None = self.get("neon_version")
        return found

    def layers(self, field: str = "name", regex: str | None = None) -> list[Any]:
        """A value of the config of every layer, those of containers included.

        Args:
            field: key of the config.
            regex: take only values in whose text this is found.

        Example:
            from neonport.util.modeldesc import ModelDescription

            model.initialize(train)
            names = ModelDescription(model.serialize()).layers(regex="_bias$")
        """
        values = [config[field] for config in self._configs() if field in config]
        return [v for v in values if regex is None or re.search(regex, str(v))]

    def _configs(self) -> Iterator[dict[str, Any]]:
        for entry in self.find_layers(self["model"]):
            yield entry["config"]

    def getlayer(self, name: str) -> dict[str, Any] | None:
        """The entry of the layer of this name, None if there is none.

        Example:
            from neonport.util.modeldesc import ModelDescription

            model.initialize(train)
            assert ModelDescription(model.serialize()).getlayer("nothing") is None
        """
        return self.find_by_name(self["model"], name)

    @staticmethod
    def find_layers(entry: Any) -> Iterator[dict[str, Any]]:
        """The entries of all layers below a container's, front to back.

        Example:
            from neonport.util.modeldesc import ModelDescription

            model.initialize(train)
            entries = list(ModelDescription.find_layers(model.serialize()["model"]))
        """
        config = entry.get("config") if isinstance(entry, dict) else None
        members = config.get("layers") if isinstance(config, dict) else None
        for member in members if isinstance(members, list) else []:
            if isinstance(member, dict) and isinstance(member.get("config"), dict):
                yield member
                yield from ModelDescription.find_layers(member)

    @staticmethod
    def find_by_name(entry: Any, name: str) -> dict[str, Any] | None:
        """The entry of the first layer of this name below a container's."""
        found = ModelDescription.find_layers(entry)
        return next((layer for layer in found if layer["config"].get("name") == name), None)

    @staticmethod
    def match(one: Any, other: Any) -> bool:
        """Whether two descriptions are equal but for names.

        Example:
            from neonport.util.modeldesc import ModelDescription

            assert ModelDescription.match({"nout": 3, "name": "a"}, {"name": "b", "nout": 3})
        """
        if isinstance(one, dict) and isinstance(other, dict):
            keys = one.keys() - {"name"}
            same = keys == other.keys() - {"name"}
            return same and all(ModelDescription.match(one[k], other[k]) for k in keys)
        if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
            return bool(np.array_equal(np.asarray(one), np.asarray(other)))
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            pairs = zip(one, other, strict=False)
            return len(one) == len(other) and all(ModelDescription.match(a, b) for a, b in pairs)
        return bool(one == other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and self.match(self["model"], other.get("model"))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None
