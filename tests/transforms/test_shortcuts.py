"""Pairs of output activation and cost that give a wrong gradient are told from right ones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from neonport.transforms import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    GANCost,
    Identity,
    Logistic,
    MeanSquared,
    PixelwiseSoftmax,
    Rectlin,
    SmoothL1Loss,
    Softmax,
    SumSquared,
    shortcut_pairs,
    shortcut_warning,
)


@pytest.mark.parametrize(
    ("activation", "cost"),
    [
        (Logistic(shortcut=True), CrossEntropyBinary()),
        (Logistic(), SumSquared()),
        (Logistic(), GANCost()),
        (Softmax(), CrossEntropyMulti()),
        (PixelwiseSoftmax(2), CrossEntropyMulti()),
        (Rectlin(), MeanSquared()),
        (None, SmoothL1Loss()),
        (Identity(), object()),
    ],
)
def test_right_pairs(activation: Any, cost: Any) -> None:
    assert shortcut_warning(activation, cost) is None
    assert shortcut_pairs(activation, cost)


@pytest.mark.parametrize(
    ("activation", "cost", "hint"),
    [
        (Logistic(), CrossEntropyBinary(), r"use Logistic\(shortcut=True\)"),
        (Logistic(shortcut=True), SumSquared(), r"use Logistic\(\)"),
        (Logistic(), CrossEntropyMulti(), "Softmax"),
        (Softmax(), MeanSquared(), "belongs below CrossEntropyMulti"),
        (PixelwiseSoftmax(2), CrossEntropyBinary(), "belongs below CrossEntropyMulti"),
    ],
)
def test_wrong_pairs_say_the_way_out(activation: Any, cost: Any, hint: str) -> None:
    text = shortcut_warning(activation, cost)
    assert text is not None
    assert re.search(hint, text)
    assert not shortcut_pairs(activation, cost)


def test_the_flag_can_be_set_later() -> None:
    logistic = Logistic()
    logistic.set_shortcut(True)
    assert shortcut_pairs(logistic, CrossEntropyBinary())
