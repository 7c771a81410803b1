"""ArrayIterator: what each minibatch holds, wrap-around, state, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.data import ArrayIterator, NervanaDataIterator
from neonport.errors import ConfigurationError, ShapeError

Make = Callable[..., Any]


def rows(n: int, features: int = 3) -> np.ndarray:
    """Row i holds i, i + 0.25, i + 0.5, ..."""
    return (np.arange(n)[:, None] + np.arange(features) / 4).astype(np.float32)


def batches(iterator: ArrayIterator) -> list[list[int]]:
    """Sample numbers of each minibatch of one pass, after checking whole columns."""
    found = []
    for x, _ in iterator:
        host = x.get()
        assert host.shape == (3, iterator.be.bsz)
        np.testing.assert_array_equal(host, rows(100)[host[0].astype(int)].T)
        found.append(host[0].astype(int).tolist())
    return found


def test_even_data(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(12))
    assert it.nbatches == 3
    assert it.ndata == 12
    assert it.shape == 3
    for _ in range(2):
        assert batches(it) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_wrap_around_as_in_neon(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10))
    assert batches(it) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    for _ in range(3):
        assert (it.start, it.nbatches) == (2, 2)
        assert batches(it) == [[2, 3, 4, 5], [6, 7, 8, 9]]
    it.reset()
    assert (it.start, it.nbatches) == (0, 3)


def test_strict_wrap_sees_every_sample_again(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10), strict_wrap=True)
    assert batches(it)[-1] == [8, 9, 0, 1]
    assert batches(it) == [[2, 3, 4, 5], [6, 7, 8, 9]]
    assert (it.start, it.nbatches) == (0, 3)
    assert batches(it)[0] == [0, 1, 2, 3]


@pytest.mark.parametrize("strict", [False, True])
def test_state_continues_in_another_iterator(make_backend: Make, strict: bool) -> None:
    make_backend(batch_size=4)
    one = ArrayIterator(rows(11), strict_wrap=strict)
    for _ in range(7):
        other = ArrayIterator(rows(11), strict_wrap=strict)
        other.set_state(one.get_state())
        assert other.nbatches == one.nbatches
        assert batches(other) == batches(one)
        assert other.get_state() == one.get_state()


def test_impossible_state_is_refused(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(8))
    for start in (-1, 8):
        with pytest.raises(ConfigurationError, match="another data set"):
            it.set_state({"start": start})
    assert it.start == 0


def test_labels_become_one_hot_columns(make_backend: Make) -> None:
    make_backend(batch_size=4)
    labels = np.array([0, 2, 1, 2, 0, 1])
    it = ArrayIterator(rows(6), labels, nclass=3)
    expected = np.eye(3, dtype=np.float32)
    for wanted in ([0, 1, 2, 3], [4, 5, 0, 1]):
        t = next(t for x, t in it if x.get()[0, 0] == wanted[0])
        np.testing.assert_array_equal(t.get(), expected[labels[wanted]].T)
        it.reset()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.float64])
def test_label_types_and_column_form(make_backend: Make, kind: Any) -> None:
    make_backend(batch_size=2)
    labels = np.array([[1], [0], [3], [2]], kind)
    it = ArrayIterator(rows(4), labels, nclass=4)
    found = np.concatenate([t.get() for _, t in it], axis=1)
    np.testing.assert_array_equal(found.argmax(axis=0), [1, 0, 3, 2])
    np.testing.assert_array_equal(found.sum(axis=0), 1)


def test_targets_as_they_are(make_backend: Make) -> None:
    make_backend(batch_size=4)
    targets = np.random.RandomState(0).rand(6, 2).astype(np.float32)
    it = ArrayIterator(rows(6), targets, make_onehot=False)
    found = np.concatenate([t.get() for _, t in it], axis=1)
    np.testing.assert_array_equal(found, targets[[0, 1, 2, 3, 4, 5, 0, 1]].T)


def test_without_targets_the_input_is_the_target(make_backend: Make) -> None:
    make_backend(batch_size=4)
    x, t = next(iter(ArrayIterator(rows(4))))
    assert t is x


def test_several_inputs(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator([rows(6), 10 * rows(6, 2)], np.arange(6) % 2, nclass=2)
    assert it.shape == [3, 2]
    for x, t in it:
        assert isinstance(x, list)
        assert [part.shape for part in x] == [(3, 4), (2, 4)]
        np.testing.assert_array_equal(x[1].get()[0], 10 * x[0].get()[0])
        np.testing.assert_array_equal(t.get().argmax(axis=0), x[0].get()[0] % 2)


def test_logical_shapes(make_backend: Make) -> None:
    make_backend(batch_size=2)
    assert ArrayIterator(rows(4, 12), lshape=(3, 2, 2)).shape == (3, 2, 2)
    assert ArrayIterator([rows(4, 12)] * 2, lshape=(3, 2, 2)).shape == [(3, 2, 2)] * 2


def test_dtype_is_the_backends(make_backend: Make) -> None:
    make_backend(batch_size=2, dtype=np.float64)
    x, _ = next(iter(ArrayIterator(np.arange(8, dtype=np.uint8).reshape(4, 2))))
    assert x.dtype == np.float64


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (dict(X=rows(3)), ConfigurationError, "3 samples do not fill one batch of 4"),
        (dict(X=rows(4), y=np.zeros(4)), AttributeError, "nclass"),
        (dict(X=rows(4), y=np.full(4, 3), nclass=3), ConfigurationError, r"0\.\.2, found 3"),
        (dict(X=rows(4), y=np.full(4, -1), nclass=3), ConfigurationError, "found -1"),
        (dict(X=rows(4), y=np.full(4, 0.5), nclass=3), ConfigurationError, "whole numbers"),
        (dict(X=rows(4), y=np.zeros(5), nclass=3), ShapeError, "4 samples but 5"),
        (dict(X=rows(4), y=np.zeros(5), make_onehot=False), ShapeError, "4 samples but 5"),
        (dict(X=np.zeros((4, 2, 2))), ShapeError, "2-D.*lshape"),
        (dict(X=[rows(4), rows(5)]), ShapeError, "one length"),
        (dict(X=rows(4), lshape=(2, 2)), ShapeError, "lshape"),
    ],
)
def test_mistakes_are_named(
    make_backend: Make, args: dict[str, Any], error: type[Exception], words: str
) -> None:
    make_backend(batch_size=4)
    with pytest.raises(error, match=words):
        ArrayIterator(**args)


def test_missing_class_count_is_both_kinds_of_error(make_backend: Make) -> None:
    make_backend(batch_size=4)
    with pytest.raises(ConfigurationError):
        ArrayIterator(rows(4), np.zeros(4))


def test_base_class_says_what_is_missing() -> None:
    iterator = NervanaDataIterator(name="mine")
    assert iterator.name == "mine"
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(iterator)
    with pytest.raises(NotImplementedError, match="reset"):
        iterator.reset()
