from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.layers.shapes import (
    buffer_shape,
    interpret_in_shape,
    leading,
    normalize_shape,
    show,
)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (5, (5, 1)),
        (np.int64(5), (5, 1)),
        ((5, 3), (5, 3)),
        ((2, 3, 4), (24, 1)),
        ((7,), (7, 1)),
        ((2, 3, 4, 5), (120, 1)),
    ],
)
def test_features_and_steps_of_a_shape(shape, expected):
    assert interpret_in_shape(shape) == expected
    assert buffer_shape(shape, 6) == (expected[0], expected[1] * 6)


def test_a_list_of_shapes_is_not_one_layers_input():
    with pytest.raises(ConfigurationError, match="several streams"):
        interpret_in_shape([(2, 3), (4, 5)])


def test_normalised_shapes_hold_python_ints():
    result = normalize_shape((np.int32(2), 3), "x")
    assert result == (2, 3)
    assert type(result[0]) is int
    assert type(normalize_shape(np.int64(4), "x")) is int
    assert normalize_shape([2, 3], "x") == (2, 3)
    streams = [(2, 3), 4]
    assert normalize_shape(streams, "x") is streams


@pytest.mark.parametrize("bad", [0, (3, 0), (-1, 2), None, "ab", 2.5, (), True])
def test_what_is_no_shape(bad):
    with pytest.raises(ConfigurationError, match="the input"):
        normalize_shape(bad, "the input")


def test_leading_and_text():
    assert leading(7) == 7
    assert leading((3, 8, 8)) == 3
    assert show((3, 8, 9)) == "3 x (8x9)"
    assert show((3, 4)) == "3"
    assert show(None) == "?"
