"""Masks that are drawn at once: other numbers at each call, by a statement that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

CALLS = {
    "make_binary_mask": lambda be, x, y: be.make_binary_mask(y, 0.5),
    "dropout": lambda be, x, y: be.dropout(0.5, out=y),
    "binarize": lambda be, x, y: be.binarize(x, y),
    "rand": lambda be, x, y: be.rand(out=y),
    "rand of a shape": lambda be, x, y: be.rand(out=y, shape=(9, 13)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_second_call_is_warm_and_draws_anew(be: Any, name: str) -> None:
    x, y = be.array(np.linspace(-0.9, 0.9, 117).reshape(9, 13)), be.empty((9, 13))
    first = CALLS[name](be, x, y).get()
    known = set(be.bound)
    second = CALLS[name](be, x, y).get()
    assert set(be.bound) == known
    assert (first != second).any()


def test_trees_that_are_handed_out_are_draws_of_their_own(be: Any) -> None:
    y = be.empty((9, 13))
    y[:] = be.dropout(0.5) - be.dropout(0.5)
    assert (y.get() != 0).any()
    be.make_binary_mask(y, 0.5)
    z = be.empty((9, 13))
    z[:] = y - be.dropout(0.5)
    assert (z.get() != 0).any()
