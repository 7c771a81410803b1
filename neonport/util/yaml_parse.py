"""Experiments in YAML: layers, cost, optimizer and data by name; only classes that are known."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import PLACES, Builder
from neonport.foundation.extras import need
from neonport.layers import GeneralizedCost
from neonport.models import Model

MOST_VALUES, DEEPEST = 100_000, 50  # of one entry; anchors make small files large


def read_experiment(source: Any) -> dict[str, Any]:
    """The content of a YAML file, as plain data.

    Args:
        source: path, open file, or a dict, which is returned.

    Raises:
        ConfigurationError: it is no YAML of the safe kind, or no mapping with `layers`.
        OSError: the file cannot be read.

    Example:
        from neonport.util.yaml_parse import read_experiment

        assert read_experiment({"layers": []}) == {"layers": []}
    """
    if isinstance(source, dict):
        found: Any = source
    else:
        yaml = need("yaml", "reading an experiment")
        try:
            if isinstance(source, (str, os.PathLike)):
                with open(source, encoding="utf-8") as file:
                    found = yaml.safe_load(file)
            else:
                found = yaml.safe_load(source)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            words = " ".join(str(error).split())[:300]
            raise ConfigurationError(f"the experiment is no plain YAML: {words}") from error
    if not isinstance(found, dict) or not isinstance(found.get("layers"), list):
        raise ConfigurationError("an experiment in YAML is a mapping with a list of `layers`")
    return found


def format_yaml_dict(d: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A description whose `type` has a prefix, if it is a bare name.

    Example:
        from neonport.util.yaml_parse import format_yaml_dict

        assert format_yaml_dict({"type": "Tanh"}, "neon.transforms.")["type"].endswith("s.Tanh")
    """
    kind = d.get("type")
    return {**d, "type": prefix + kind} if isinstance(kind, str) and "." not in kind else dict(d)


def _folder(name: Any) -> str:
    """The package that a class of the table is in."""
    for rows in PLACES.values():
        for module, names in rows.items():
            if name in names.split():
                return module.partition(".")[0]
    raise ConfigurationError(f"the experiment names {str(name)[:80]!r}, which is no class of ours")


def _described(value: Any) -> Any:
    """A copy in which bare names of classes are dotted paths.

    Raises:
        ConfigurationError: an unknown class, or more than `MOST_VALUES`: anchors within anchors.
    """
    left = MOST_VALUES

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise ConfigurationError("the experiment is nested too deeply, or within itself")
        if isinstance(value, dict):
            found = {key: walk(item, depth + 1) for key, item in value.items()}
            kind = found.get("type")
            if isinstance(kind, str) and "." not in kind:
                found = format_yaml_dict(found, f"neon.{_folder(kind)}.")
            return found
        return [walk(item, depth + 1) for item in value] if isinstance(value, list) else value

    return walk(value, 0)


def create_objects(
    root_yaml: Any,
    be_type: str = "gpu",
    batch_size: int = 128,
    rng_seed: int | None = None,
    device_id: int = 0,
    default_dtype: Any = np.float32,
    stochastic_rounding: bool = False,
) -> tuple[Model, GeneralizedCost, Any]:
    """Model, cost and optimizer of an experiment, on the backend that there is.

    Args:
        root_yaml: path, open file or dict; see `read_experiment`.
        be_type, batch_size, rng_seed, device_id, default_dtype, stochastic_rounding: not read, as
            in neon: call `gen_backend` before.

    Returns:
        The optimizer is None if the experiment names none.

    Raises:
        ConfigurationError: there is no backend; or a layer, cost or optimizer that is not known, or
            with arguments that it does not take.

    Example:
        from neonport.util.yaml_parse import create_objects

        dense = {"type": "Linear", "config": {"nout": 3, "init": {"type": "Gaussian"}}}
        model, cost, optimizer = create_objects({"layers": [dense], "cost": "SumSquared"})
        assert optimizer is None
    """
    if NervanaObject.be is None:
        raise ConfigurationError("create_objects: there is no backend; call gen_backend first")
    root, builder = read_experiment(root_yaml), Builder()
    layers = [builder.build("layer", _described(entry)) for entry in root["layers"]]
    cost = builder.build("cost", _described({"type": root.get("cost")}))
    optimizer = root.get("optimizer")
    if optimizer is not None:
        optimizer = builder.build("optimizer", _described(optimizer))
    return Model(layers=layers), GeneralizedCost(costfunc=cost), optimizer


def dataset_of(root: dict[str, Any], path: str) -> Any:
    """The data set that an experiment names.

    Args:
        root: the experiment.
        path: folder of its files.

    Raises:
        ConfigurationError: it names none, or one that is not known.

    Example:
        from neonport.util.yaml_parse import dataset_of

        data = dataset_of({"dataset": {"name": "mnist"}}, "data")  # doctest: +SKIP
    """
    from neonport import data
    from neonport.data.datasets.dataset import Dataset

    entry = root.get("dataset")
    name = entry.get("name") if isinstance(entry, dict) else None
    found: Any = None
    if isinstance(name, str) and name.isalnum() and name.upper() != "DATASET":
        found = getattr(data, name.upper(), None)
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise ConfigurationError(
            f"dataset {str(name)[:80]!r} of the experiment is none of ours; MNIST and CIFAR10 are"
        )
    made: Any = found
    return made(path=path)
