"""Which statements are checked."""

from __future__ import annotations

import pytest

from neonport.checking.spec import Check, parse
from neonport.checking.turns import Turns
from neonport.errors import ConfigurationError


def chosen(rate, seed, count):
    turns = Turns(rate, seed)
    return [i for i in range(count) if turns.here()]


def test_the_same_seed_chooses_the_same():
    assert chosen(0.01, 5, 5000) == chosen(0.01, 5, 5000)
    assert chosen(0.01, 5, 5000) != chosen(0.01, 6, 5000)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3])
def test_as_many_as_the_rate_says(rate):
    count = int(1000 / rate)
    assert 850 < len(chosen(rate, 0, count)) < 1150


def test_all_of_them():
    assert chosen(1.0, 0, 10) == list(range(10))


def test_every_statement_of_a_step_comes_to_its_turn():
    assert {i % 8 for i in chosen(0.1, 0, 4000)} == set(range(8))


def test_looking_ahead_changes_nothing():
    turns, found, at = Turns(0.02, 0), [], 0
    while at < 4000:
        if turns.ahead(40):
            found += [at + i for i in range(40) if turns.here()]
        at += 40
    assert found == chosen(0.02, 0, 4000)


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("cpu:0.01", Check("cpu", 0, 0.01, False)),
        ("cpu:1", Check("cpu", 0, 1.0, False)),
        ("opencl:1:0.5:raise", Check("opencl", 1, 0.5, True)),
        ("my-npu:2:1e-3:warn", Check("my-npu", 2, 0.001, False)),
        (" cpu:0.1 ", Check("cpu", 0, 0.1, False)),
        ("none", None),
        (None, None),
    ],
)
def test_what_may_be_written(text, check):
    assert parse(text) == check


@pytest.mark.parametrize(
    "text", ["cpu", "cpu:0", "cpu:2", "cpu:-1", "cpu:0.1:loud", "0.1", "cpu:0.1.2", 0.1, "cpu:x:1"]
)
def test_what_may_not(text):
    with pytest.raises(ConfigurationError, match=r"such as 'cpu:0.01:raise'"):
        parse(text)
