"""Memory whose elements overlap can be read; as a target it is refused before any write."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from neonport.errors import AliasError, DLPackError
from neonport.initializers import Uniform
from neonport.optimizers import Adam
from neonport.shape import overlaps_itself


@pytest.fixture
def windows(be):
    """A tensor of sliding windows, and the array that they slide over."""
    line = np.arange(8, dtype=np.float32)
    array = sliding_window_view(line, 3, writeable=True)
    try:
        return be.from_dlpack(array), line
    except (DLPackError, BufferError) as error:
        pytest.skip(f"the device shares no host memory: {error}")


WRITES = {
    "assign": lambda be, t: t.__setitem__(slice(None), t + 1),
    "a number": lambda be, t: t.fill(1),
    "a view": lambda be, t: t[1:].__setitem__(slice(None), 0),
    "in place": lambda be, t: t.__iadd__(1),
    "set": lambda be, t: t.set(np.ones(t.shape)),
    "copy_from": lambda be, t: t.copy_from(np.ones(t.shape)),
    "assign_many": lambda be, t: be.assign_many([(be.zeros(t.shape), 1.0), (t, t * 2)]),
    "random": lambda be, t: t.__setitem__(slice(None), be.rand()),
    "normal": lambda be, t: be.fill_normal(t),
    "mask": lambda be, t: be.make_binary_mask(t),
    "product": lambda be, t: be.compound_dot(be.ones((6, 6)), be.ones((6, 3)), t),
    "rows": lambda be, t: t.take([0, 1], 0).__setitem__(slice(None), 0),
    "initializer": lambda be, t: Uniform().fill(t),
    "transpose": lambda be, t: be.copy_transpose(be.ones((3, 6)), t),
}


@pytest.mark.parametrize("how", WRITES)
def test_writes_are_refused(be, windows, how):
    t, line = windows
    with pytest.raises(AliasError, match=r"share memory.*be\.array\(t\)"):
        WRITES[how](be, t)
    assert line.tolist() == list(range(8))


def test_an_optimizer_refuses_it_as_a_parameter(be, windows):
    t, line = windows

    class Holder:
        def get_params(self):
            return (t, be.ones(t.shape)), []

    with pytest.raises(AliasError):
        Adam().optimize([Holder()], 0)
    assert line.tolist() == list(range(8))


def test_reading_is_fine_and_so_are_views_that_do_not_overlap(be, windows):
    t, line = windows
    expected = sliding_window_view(line, 3).copy()
    np.testing.assert_array_equal((t + 1).get(), expected + 1)
    np.testing.assert_array_equal(be.sum(t, axis=0).get(), expected.sum(0, keepdims=True))
    t[::3] += 10
    assert line.tolist() == [10, 11, 12, 13, 14, 15, 6, 7]


def test_the_search_agrees_with_counting():
    rng = np.random.RandomState(0)
    shapes = [*itertools.product(range(4), repeat=3), (5, 7, 2), (9, 2, 4)]
    for shape in shapes:
        for _ in range(12):
            strides = tuple(int(s) for s in rng.randint(-9, 10, 3))
            places = sum(
                np.arange(n).reshape([-1 if i == k else 1 for i in range(3)]) * s
                for k, (n, s) in enumerate(zip(shape, strides, strict=True))
            )
            flat = np.broadcast_to(places, shape).reshape(-1)
            assert overlaps_itself(shape, strides) == (len(np.unique(flat)) < flat.size)


def test_layouts_of_whole_arrays_do_not_overlap():
    for shape, strides in (((4000, 3000), (1, 4000)), ((7, 5, 3), (-15, 3, -1)), ((1, 1), (0, 0))):
        assert not overlaps_itself(shape, strides)
    assert overlaps_itself((2, 2), (0, 1))
    assert overlaps_itself((100000, 100000), (1, 1))
