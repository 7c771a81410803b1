"""Passes: the rows of minibatches, the random numbers of samples, states."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.data.rows.passes import Minibatch, Passes, chosen_seed
from neonport.errors import ConfigurationError


def rows(passes: Passes, size: int) -> list[list[int]]:
    found = []
    for batch in passes.plan(size):
        passes.arrived(batch)
        found.append(batch.rows.tolist())
    return found


def test_random_numbers_are_those_of_seed_pass_and_place() -> None:
    def drawn(seed: int, number: int, begin: int, place: int) -> float:
        batch = Minibatch(number, begin, np.arange(4))
        return Passes("X", 10, False, seed).generator(batch, place).rand()

    given = [(1, 2, 4, 0), (2, 2, 4, 0), (1, 3, 4, 0), (1, 2, 8, 0), (1, 2, 4, 1)]
    assert len({drawn(*one) for one in given}) == 5
    assert drawn(1, 2, 4, 1) == drawn(1, 2, 4, 1)
    assert drawn(1, 2, 4, 1) == drawn(1, 2, 5, 0)  # the batch size changes nothing


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [3, 5, 16])
def test_a_state_continues_the_stream(shuffle: bool, size: int) -> None:
    passes = Passes("X", 10, shuffle, 4)
    whole = [rows(passes, size) for _ in range(6)]
    again = Passes("X", 10, shuffle, 4)
    assert [rows(again, size) for _ in range(2)] == whole[:2]
    other = Passes("X", 10, shuffle, 99)
    other.set_state(again.get_state())
    assert [rows(other, size) for _ in range(4)] == whole[2:]
    seen = np.concatenate([np.ravel(part) for part in whole])
    counts = np.bincount(seen[: len(seen) // 10 * 10])
    assert (counts == counts[0]).all()  # every row as often as any other
    for wrong in ({"start": 0}, {**again.get_state(), "pass": -1}):
        with pytest.raises(ConfigurationError, match="X: "):
            other.set_state(wrong)


def test_one_order_for_all_passes() -> None:
    passes = Passes("X", 10, True, 4, fixed=True)
    first, second = rows(passes, 5), rows(passes, 5)
    assert first == second
    assert sorted(np.ravel(first)) == list(range(10)) != np.ravel(first).tolist()
    assert [batch.rows.tolist() for batch in passes.in_order(4)][2] == [8, 9, 0, 1]


def test_seeds() -> None:
    assert chosen_seed(3, 4) == 3
    assert chosen_seed(None, 4) == 4
    assert chosen_seed(None, None) != chosen_seed(None, None)
