"""A description builds what its place allows, and nothing that opens files."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.base import NervanaObject
from neonport.errors import CheckpointError, ConfigurationError
from neonport.foundation.descriptions import BASES, PLACES, Builder, load_class
from neonport.initializers import Constant, Gaussian, Initializer
from neonport.io import checkpoint
from neonport.layers import Activation, Linear
from neonport.layers.base import Layer
from neonport.models import Model
from neonport.optimizers import MultiOptimizer

Make = Callable[..., Any]

# described by nothing: bases, and what holds the parts of a training
NOT_DESCRIBED = {
    "CSVLogger",
    "Broadcast",
    "Callback",
    "Callbacks",
    "Cost",
    "CostLayer",
    "DatasetMetric",
    "DeltasTree",
    "EarlyStopCallback",
    "GAN",
    "FilterLayer",
    "Initializer",
    "Layer",
    "LayerContainer",
    "Metric",
    "Model",
    "NamedParameterLayer",
    "OpTreeLayer",
    "Optimizer",
    "ParameterLayer",
    "RecurrentLayer",
    "RecurrentOutput",
    "StatefulLayer",
    "Transform",
    "_FanIn",
    "_Gated",
    "_Rearranging",
}


def subclasses(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_class_is_in_the_table_or_named_here() -> None:
    rooms = "callbacks data initializers layers models optimizers transforms"
    for room in rooms.split():
        package = importlib.import_module(f"neonport.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    ours = [c for c in subclasses(NervanaObject) if c.__module__.startswith("neonport.")]
    found = {c.__name__ for c in ours if c.__module__.split(".")[1] != "data"}  # they have data
    listed = {name for modules in PLACES.values() for n in modules.values() for name in n.split()}
    assert found == listed | NOT_DESCRIBED
    assert not listed & NOT_DESCRIBED


@pytest.mark.parametrize("place", PLACES)
def test_each_list_holds_classes_of_its_place(place: str) -> None:
    for module, names in PLACES[place].items():
        for name in names.split():
            cls = load_class(f"neon.{module}.{name}", place)
            assert cls is load_class(f"{cls.__module__}.{name}", place)  # the older form
            if place in BASES:
                base, _, base_name = BASES[place].partition(":")
                wanted = getattr(importlib.import_module(f"neonport.{base}"), base_name)
                assert issubclass(cls, wanted)


def writer(file: Path) -> list[dict[str, Any]]:
    """Descriptions that would write `file` when they are built, or later."""
    path = str(file)
    callbacks = "neon.callbacks.callbacks"
    return [
        {"type": f"{callbacks}.Callbacks", "config": {"model": {}, "output_file": path}},
        {"type": f"{callbacks}.SerializeModelCallback", "config": {"save_path": path}},
        {"type": f"{callbacks}.SaveBestStateCallback", "config": {"path": path}},
        {"type": "neon.models.model.Model", "config": {"layers": path}},
        {"type": "neon.data.dataiterator.ArrayIterator", "config": {"X": path}},
        {"type": "neon.io.checkpoint.save", "config": {"description": 1, "path": path}},
        {"type": "neonport.__main__.main", "config": {}},
    ]


def sequential(*layers: Any) -> dict[str, Any]:
    return {"type": "neon.layers.container.Sequential", "config": {"layers": list(layers)}}


def linear(**config: Any) -> dict[str, Any]:
    return {"type": "neon.layers.layer.Linear", "config": {"nout": 3, "init": None, **config}}


@pytest.mark.parametrize("kind", range(7))
def test_nothing_in_a_checkpoint_reaches_a_file(
    make_problem: Make, tmp_path: Path, kind: int
) -> None:
    make_problem()
    file = tmp_path / "precious.txt"
    file.write_text("precious")
    evil = writer(file)[kind]
    models = [
        evil,
        sequential(evil),
        sequential(linear(init=evil)),
        sequential(linear(name=evil)),
        sequential(linear(other=evil)),
        sequential(linear(nout=[evil])),
        sequential({"type": "neon.layers.layer.Activation", "config": {"transform": evil}}),
        sequential(sequential(sequential(evil))),
        {"type": "neon.layers.container.Sequential", "config": {"layers": evil}},
    ]
    for model in models:
        checkpoint.save({"model": model}, tmp_path / "m.prm")
        with pytest.raises(CheckpointError, match="cannot be built"):
            Model(tmp_path / "m.prm")
        with pytest.raises(CheckpointError, match="cannot be built"):
            Model({"model": model})
    assert file.read_text() == "precious"


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 6])
def test_nested_descriptions_of_gen_class_are_checked_too(tmp_path: Path, kind: int) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("precious")
    evil = writer(file)[kind]
    for cls, config in (
        (Linear, {"nout": 3, "init": evil}),
        (Activation, {"transform": evil}),
        (MultiOptimizer, {"optimizer_mapping": {"default": evil}}),
    ):
        with pytest.raises(ConfigurationError):
            cls.gen_class(config)
    holder = {"init": evil}
    with pytest.raises(ConfigurationError):
        NervanaObject.recursive_gen(holder, "init")
    assert file.read_text() == "precious"


GAUSSIAN = {"type": "neon.initializers.initializer.Gaussian", "config": {}}
TANH = {"type": "neon.transforms.activation.Tanh"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (linear(init=TANH), "no class for an initializer"),
        (linear(init=linear()), "no class for an initializer"),
        (linear(init="Gaussian"), "does not describe an initializer"),
        (linear(nout="7"), "is not of type int"),
        (linear(nout=None), "is not of type int"),
        (linear(name=3), "is not of type"),
        (linear(nouts=3), "has no argument 'nouts'"),
        ({"type": "neon.layers.layer.Linear"}, "needs nout, init"),
        ({"type": "neon.layers.layer.Linear", "config": [3]}, "no dict of arguments"),
        ({"type": "neon.layers.layer.Activation", "config": {"transform": GAUSSIAN}}, "transform"),
        (GAUSSIAN, "no class for a layer"),
        ({"type": "neon.layers.layer.GeneralizedCost", "config": {"costfunc": TANH}}, "a layer"),
        ({"type": "neon.layers.layer.Layer"}, "no class for a layer"),
        (7, "layers="),
    ],
)
def test_places_and_arguments_are_checked(make_problem: Make, entry: Any, words: str) -> None:
    make_problem()
    with pytest.raises(CheckpointError, match=words):
        Model({"model": sequential(entry)})


class Doubling(Layer):
    def __init__(self, first: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.first = first

    def configure(self, in_obj: Any) -> Layer:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        self.outputs[:] = 2 * inputs
        return self.outputs


class Ones(Initializer):
    def fill(self, param: Any) -> None:
        param[:] = 1


def test_own_classes_are_built_where_they_are_handed_over(
    make_problem: Make, tmp_path: Path
) -> None:
    p = make_problem(layers=[Doubling(Constant(3)), Linear(2, Ones())])
    p.model.initialize(6)
    p.model.save_params(tmp_path / "m.prm")
    with pytest.raises(CheckpointError, match=r"Doubling.*classes=\[MyLayer\]"):
        Model(tmp_path / "m.prm")
    with pytest.raises(CheckpointError, match=r"Ones.*classes"):
        Model(tmp_path / "m.prm", classes=[Doubling])
    model = Model(tmp_path / "m.prm", classes=[Doubling, Ones])
    doubling, product = model.layers.layers
    assert type(doubling) is Doubling
    assert type(doubling.first) is Constant
    assert type(product.init) is Ones
    np.testing.assert_array_equal(product.W.get(), np.ones((2, 6)))
    model = Model(checkpoint.load(tmp_path / "m.prm"), classes=[Doubling, Ones])
    assert type(model.layers.layers[0]) is Doubling


def test_own_classes_stand_in_their_place_only(make_problem: Make) -> None:
    make_problem()
    ones = {"type": f"{Ones.__module__}.Ones", "config": {}}
    with pytest.raises(CheckpointError, match="no class for a layer"):
        Model({"model": sequential(ones)}, classes=[Ones])
    evil = {"type": "neon.callbacks.callbacks.RunTimerCallback", "config": {}}
    entry = {"type": f"{Doubling.__module__}.Doubling", "config": {"first": evil}}
    with pytest.raises(CheckpointError, match="RunTimerCallback"):
        Model({"model": sequential(entry)}, classes=[Doubling])
    with pytest.raises(ConfigurationError, match="no class of a layer"):
        Model({"model": sequential()}, classes=[print])  # type: ignore[list-item]


def test_a_builder_leaves_the_description_alone() -> None:
    entry = linear(init=GAUSSIAN)
    assert type(Builder().build("layer", entry).init) is Gaussian
    assert entry == linear(init=GAUSSIAN)
