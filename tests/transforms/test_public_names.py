"""Neon's import paths, and descriptions that both libraries can read."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from neonport import transforms
from neonport.foundation.descriptions import Builder, load_class
from neonport.transforms import activation, cost, transform

ACTIVATIONS = [
    "Identity",
    "Explin",
    "Rectlin",
    "Rectlinclip",
    "Sign",
    "Softmax",
    "Tanh",
    "Logistic",
    "Normalizer",
    "PixelwiseSoftmax",
]
COSTS = [
    "CrossEntropyBinary",
    "CrossEntropyMulti",
    "SumSquared",
    "MeanSquared",
    "LogLoss",
    "Misclassification",
    "TopKMisclassification",
    "Accuracy",
    "PrecisionRecall",
    "SmoothL1Loss",
    "SquareHingeLoss",
    "ObjectDetection",
    "BLEUScore",
    "GANCost",
]
ONLY_IN_COST = ("Cost", "Metric", "MultiMetric")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    assert getattr(activation, name) is getattr(transforms, name)
    assert load_class(f"neon.transforms.activation.{name}") is getattr(activation, name)


@pytest.mark.parametrize("name", [*COSTS, *ONLY_IN_COST])
def test_costs_and_metrics(name: str) -> None:
    assert getattr(cost, name) is getattr(transforms, name)
    if name not in ("Cost", "Metric"):  # bases, of which no object is described
        assert load_class(f"neon.transforms.cost.{name}") is getattr(cost, name)


def test_transform() -> None:
    assert transform.Transform is transforms.Transform


def test_the_public_list_is_complete() -> None:
    package = importlib.import_module("neonport.transforms")
    assert sorted(package.__all__) == sorted(set(package.__all__))
    for name in package.__all__:
        assert hasattr(package, name)
    assert set(ACTIVATIONS + COSTS) <= set(package.__all__)


OBJECTS = [
    transforms.Rectlin(slope=0.1, name="r"),
    transforms.Rectlinclip(slope=0.1, xcut=6.0),
    transforms.Explin(alpha=0.5),
    transforms.Normalizer(divisor=2.0),
    transforms.Softmax(axis=1),
    transforms.PixelwiseSoftmax(c=3),
    transforms.Logistic(shortcut=True),
    transforms.Tanh(),
    transforms.Sign(),
    transforms.Identity(),
    transforms.CrossEntropyBinary(scale=2),
    transforms.CrossEntropyMulti(usebits=True),
    transforms.SumSquared(),
    transforms.MeanSquared(),
    transforms.SmoothL1Loss(sigma=3),
    transforms.SquareHingeLoss(margin=2),
    transforms.GANCost(scale=2.0, func="wasserstein"),
    transforms.TopKMisclassification(k=3),
    transforms.Misclassification(steps=4),
    transforms.PrecisionRecall(5, binarize=True),
    transforms.BLEUScore(unk="?"),
    transforms.MultiMetric(transforms.TopKMisclassification(k=2), 1),
]


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda o: o.classnm)
def test_descriptions_build_the_same_object(obj: Any) -> None:
    desc = obj.get_description()
    assert desc["type"].startswith("neon.transforms.")
    twin = Builder().build(None, desc)
    assert twin.get_description() == desc


def test_defaults_are_left_out_of_descriptions() -> None:
    config = transforms.CrossEntropyMulti().get_description()["config"]
    assert config == {}
    assert set(transforms.Rectlin(name="r").get_description()["config"]) == {"name"}
