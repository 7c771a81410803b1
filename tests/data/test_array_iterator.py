"""ArrayIterator: what each minibatch holds, wrap-around, state, and clear refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.data import ArrayIterator, NervanaDataIterator
from neonport.data.dataiterator import in_order
from neonport.errors import ConfigurationError, DtypeError, ShapeError

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
        np.testing.assert_array_equal(host, rows(200)[host[0].astype(int)].T)
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


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_minibatch_is_the_same_statements(make_backend: Make, shuffle: bool) -> None:
    be = make_backend(batch_size=4)
    it = ArrayIterator(rows(10), np.arange(10) % 3, nclass=3, shuffle=shuffle, seed=0)
    next(iter(it))
    known = set(be.bound)
    for _ in range(5):
        for _ in it:
            pass
    assert set(be.bound) == known


def test_wrap_around_as_in_neon(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10), strict_wrap=False)
    assert batches(it) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    for _ in range(3):
        assert (it.start, it.nbatches) == (2, 2)
        assert batches(it) == [[2, 3, 4, 5], [6, 7, 8, 9]]
    it.reset()
    assert (it.start, it.nbatches) == (0, 3)


def test_a_pass_that_ends_evenly_begins_again_at_the_first_sample(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10))
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
        (dict(X=rows(0)), ConfigurationError, "no samples"),
        (dict(X=[]), ConfigurationError, "no samples"),
        (dict(X=rows(4), y=list("abca"), nclass=3), DtypeError, "text.*return_inverse"),
        (dict(X=rows(4), y=np.array(["a", None] * 2), nclass=3), DtypeError, "return_inverse"),
        (dict(X=rows(4).astype(str)), DtypeError, "X holds text.*astype"),
        (dict(X=rows(4), y=np.eye(4), nclass=4), ShapeError, "make_onehot=False"),
        (dict(X=rows(4), y=np.zeros(4), nclass="2"), ConfigurationError, "nclass='2'"),
        (dict(X=rows(4).tolist()), ShapeError, "numpy.array"),
        (dict(X=rows(4)[:, 0]), ShapeError, "reshape"),
        (dict(X=np.ma.masked_less(rows(4), 1)), ConfigurationError, "filled"),
        (dict(X=rows(4), shuffle=True, seed=-1), ConfigurationError, "seed=-1"),
        (dict(X=rows(4), shuffle=True, seed="a"), ConfigurationError, "seed='a'"),
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


@pytest.mark.parametrize(("ndata", "size"), [(112, 32), (10, 4), (11, 4), (12, 4), (7, 5), (3, 8)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_sample_is_seen_in_each_two_passes(
    make_backend: Make, ndata: int, size: int, shuffle: bool
) -> None:
    make_backend(batch_size=size)
    it = ArrayIterator(rows(ndata), shuffle=shuffle, seed=4 if shuffle else None)
    passes = []
    for _ in range(9):
        count = it.nbatches
        passes.append(batches(it))
        assert len(passes[-1]) == count
    for one, two in itertools.pairwise(passes):
        assert set(np.ravel(one)) | set(np.ravel(two)) == set(range(ndata))


def test_fewer_samples_than_a_batch_are_repeated(make_backend: Make) -> None:
    make_backend(batch_size=8)
    it = ArrayIterator(rows(3))
    assert it.nbatches == 1
    assert batches(it) == [[0, 1, 2, 0, 1, 2, 0, 1]]


def test_shuffled_passes_differ_and_are_the_same_for_a_seed(make_backend: Make) -> None:
    make_backend(batch_size=4)

    def passes(seed: int) -> list[Any]:
        it = ArrayIterator(rows(12), np.arange(12) % 3, nclass=3, shuffle=True, seed=seed)
        return [batches(it) for _ in range(4)]

    one = passes(5)
    assert one == passes(5)
    assert one != passes(6)
    assert all(sorted(np.ravel(found)) == list(range(12)) for found in one)
    assert len({tuple(np.ravel(found)) for found in one}) == 4


def test_shuffled_passes_follow_each_other_without_a_gap(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10), shuffle=True, seed=1)
    stream = np.ravel([row for _ in range(4) for row in batches(it)])
    for begin in range(0, len(stream) - 9, 10):
        assert sorted(stream[begin : begin + 10]) == list(range(10))


def test_shuffled_labels_go_with_their_samples(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator([rows(10), rows(10, 2)], np.arange(10) % 3, nclass=3, shuffle=True, seed=0)
    for x, t in it:
        np.testing.assert_array_equal(x[0].get()[0], x[1].get()[0])
        np.testing.assert_array_equal(t.get().argmax(axis=0), x[0].get()[0] % 3)
    it = ArrayIterator(rows(10), rows(10), make_onehot=False, shuffle=True, seed=0)
    for x, t in it:
        np.testing.assert_array_equal(x.get(), t.get())


def test_shuffled_state_continues_in_another_iterator(make_backend: Make) -> None:
    make_backend(batch_size=4)
    one = ArrayIterator(rows(11), shuffle=True, seed=3)
    for _ in range(5):
        other = ArrayIterator(rows(11), shuffle=True, seed=8)
        other.set_state(one.get_state())
        assert batches(other) == batches(one)
        assert other.get_state() == one.get_state()


def test_a_state_of_the_other_kind_is_refused(make_backend: Make) -> None:
    make_backend(batch_size=4)
    plain, shuffled = ArrayIterator(rows(11)), ArrayIterator(rows(11), shuffle=True, seed=3)
    with pytest.raises(ConfigurationError, match="data in order, these are shuffled"):
        shuffled.set_state(plain.get_state())
    with pytest.raises(ConfigurationError, match="data shuffled, these are in order"):
        plain.set_state(shuffled.get_state())


def test_the_seed_of_the_order_is_the_backends(make_backend: Make) -> None:
    make_backend(batch_size=4, rng_seed=9)
    it = ArrayIterator(rows(8), shuffle=True)
    assert it.get_state()["seed"] == 9
    make_backend(batch_size=4)
    seeds = {ArrayIterator(rows(8), shuffle=True).get_state()["seed"] for _ in range(3)}
    assert len(seeds) == 3


def test_in_order_leaves_the_shuffled_stream_alone(make_backend: Make) -> None:
    make_backend(batch_size=4)
    it = ArrayIterator(rows(10), shuffle=True, seed=1)
    batches(it)
    state = it.get_state()
    found = [x.get()[0].astype(int).tolist() for x, _ in it.in_order()]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert it.get_state() == state


def test_another_batch_size_makes_other_buffers(make_backend: Make) -> None:
    be = make_backend(batch_size=4)
    it = ArrayIterator(rows(12), np.arange(12) % 2, nclass=2)
    batches(it)
    be.bsz = 6
    assert [(x.shape, t.shape) for x, t in it] == [((3, 6), (2, 6))] * 2


def test_data_move_to_another_backend(make_backend: Make, backend_name: str) -> None:
    from neonport.plugins import registry

    make_backend(batch_size=4)
    it = ArrayIterator(rows(8), np.arange(8) % 2, nclass=2)
    other = registry.create_backend(backend_name, rng_seed=0)
    other.bsz = 2
    it.set_backend(other)
    assert batches(it) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    x, t = next(iter(it))
    assert x.backend is other
    assert t.backend is other
    other.cleanup_backend()


@pytest.mark.parametrize("shuffle", [False, True])
def test_sequences_and_weights(make_backend: Make, shuffle: bool) -> None:
    be = make_backend(batch_size=3, rng_seed=0)
    x = np.arange(5 * 2 * 4).reshape(5, 2 * 4)  # 2 features, 4 steps
    y = np.arange(5 * 4).reshape(5, 4)
    it = ArrayIterator(
        x,
        y,
        lshape=(2, 4),
        target_shape=(1, 4),
        make_onehot=False,
        weights=[0, 1, 2, 3, 4],
        shuffle=shuffle,
    )
    first = None
    for inputs, (targets, weights) in it:
        assert (inputs.shape, targets.shape, weights.shape) == ((2, 12), (1, 12), (1, 12))
        rows = weights.get()[0, :3].astype(int)  # columns run over the samples of step 0 first
        found = inputs.get().reshape(2, 4, 3).transpose(2, 0, 1).reshape(3, 8)
        np.testing.assert_array_equal(found, x[rows])
        np.testing.assert_array_equal(targets.get().reshape(4, 3).T, y[rows])
        np.testing.assert_array_equal(weights.get().reshape(4, 3), [rows] * 4)
        assert first in (None, id(inputs))
        first = id(inputs)
    for inputs, targets in in_order(it):
        assert (inputs.shape, targets.shape) == ((2, 12), (1, 12))
    it.set_backend(be)


def test_shapes_of_several_inputs(make_backend: Make) -> None:
    make_backend(batch_size=2)
    it = ArrayIterator([rows(4, 2), np.ones((4, 6))], lshape=[2, (3, 2)])
    assert it.shape == [2, (3, 2)]
    (one, two), _ = next(iter(it))
    assert (one.shape, two.shape) == ((2, 2), (3, 4))


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"weights": [1, 2]}, ShapeError, r"weights have shape \(2,\).*4 samples"),
        ({"weights": [1, 2, 3, -1]}, ConfigurationError, "finite numbers from 0 on"),
        ({"weights": list("abcd")}, DtypeError, "weights holds text"),
        ({"target_shape": (2, 3)}, ShapeError, r"K \* T columns.*with 2 columns"),
        ({"target_shape": 2}, ShapeError, "must be a pair"),
        ({"lshape": (3, 2)}, ShapeError, r"lshape \(3, 2\) has 6 elements, the rows of X have 2"),
    ],
)
def test_sequences_and_weights_that_do_not_fit(
    make_backend: Make, kwargs: Any, error: Any, words: str
) -> None:
    make_backend(batch_size=2)
    with pytest.raises(error, match=words):
        ArrayIterator(rows(4, 2), rows(4, 2), make_onehot=False, **kwargs)
