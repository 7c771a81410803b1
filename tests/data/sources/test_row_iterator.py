"""RowIterator: the minibatches are those of ArrayIterator, only their rows are read, it resumes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse

from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator, RowIterator
from neonport.data.dataiterator import in_order
from neonport.data.sources.row_iterator import read_rows
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import CrossEntropyMulti, MeanSquared, Softmax

Make = Callable[..., Any]
X = np.arange(120, dtype=np.float32).reshape(10, 12)
Y = np.arange(10) % 3


class Counting:
    """Rows as HDF5 gives them; notes which ones were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.read: list[list[int]] = []

    def __getitem__(self, key: Any) -> np.ndarray:
        rows = np.arange(len(self.array))[key]
        assert (np.diff(rows) > 0).all()
        self.read.append(rows.tolist())
        return self.array[rows]


def passes(data: Any, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(x.get(), t.get()) for _ in range(count) for x, t in data]


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_minibatches_are_those_of_array_iterator(
    make_backend: Make, shuffle: bool, prefetch: int
) -> None:
    make_backend(batch_size=4)
    theirs = ArrayIterator(X, Y, nclass=3, shuffle=shuffle, seed=5)
    ours = RowIterator(X, Y, nclass=3, shuffle=shuffle, seed=5, prefetch=prefetch)
    assert (ours.ndata, ours.shape, ours.nbatches) == (10, 12, 3)
    for (x, t), (x2, t2) in zip(passes(theirs), passes(ours), strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(t, t2)
    assert (theirs.start, theirs.nbatches) == (ours.start, ours.nbatches)
    for (x, t), (x2, t2) in zip(in_order(theirs), in_order(ours), strict=True):
        np.testing.assert_array_equal(x.get(), x2.get())
        np.testing.assert_array_equal(t.get(), t2.get())


def test_files_are_mapped_and_only_the_rows_in_use_are_read(
    make_backend: Make, tmp_path: Path
) -> None:
    make_backend(batch_size=4)
    np.save(tmp_path / "x.npy", X.reshape(10, 3, 2, 2).astype(np.uint8))
    mapped = RowIterator(str(tmp_path / "x.npy"), Y, nclass=3)
    assert mapped.shape == (3, 2, 2)
    assert isinstance(mapped._arrays[0], np.memmap)
    np.testing.assert_array_equal(passes(mapped, 1)[1][0], X[4:8].T)
    raw = np.memmap(tmp_path / "raw", np.float32, "w+", shape=X.shape)
    raw[:] = X
    np.testing.assert_array_equal(passes(RowIterator(raw), 1)[0][1], X[:4].T)
    for shuffle in (False, True):
        source = Counting(X)
        data = RowIterator(source, Y, nclass=3, shuffle=shuffle, seed=1)
        source.read.clear()
        next(iter(data))
        assert [len(rows) for rows in source.read] == [4]
        passes(data, 1)
        assert all(len(rows) <= 4 for rows in source.read)


def test_hdf5_and_sparse_matrices(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=4)
    want = passes(ArrayIterator(X, Y, nclass=3, shuffle=True, seed=2))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
        found = passes(RowIterator(file["x"], Y, nclass=3, shuffle=True, seed=2, prefetch=1))
        for (x, _), (x2, _) in zip(want, found, strict=True):
            np.testing.assert_array_equal(x, x2)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.coo_array):
        found = passes(RowIterator(kind(X), Y, nclass=3, shuffle=True, seed=2))
        for (x, _), (x2, _) in zip(want, found, strict=True):
            np.testing.assert_array_equal(x, x2)
    rows = np.array([7, 2, 2, 9])
    np.testing.assert_array_equal(read_rows(Counting(X), rows), X[rows])


def test_sequences_several_inputs_and_targets_of_any_form(make_backend: Make) -> None:
    make_backend(batch_size=2)
    steps = X.reshape(10, 4, 3)  # samples, steps, features
    data = RowIterator([steps, X], steps, prefetch=1)
    assert data.shape == [(3, 4), 12]
    (x, flat), t = next(iter(data))
    assert x.shape == t.shape == (3, 8)
    np.testing.assert_array_equal(x.get().reshape(3, 4, 2)[:, :, 1], steps[1].T)
    np.testing.assert_array_equal(flat.get(), X[:2].T)
    rows = RowIterator(X, lshape=(3, 4))  # rows with the steps of feature 0 first
    x, t = next(iter(rows))
    assert x is t
    np.testing.assert_array_equal(x.get().reshape(3, 4, 2)[:, :, 0], X[0].reshape(3, 4))
    labels = np.arange(40).reshape(10, 4) % 3  # one label a step
    _, t = next(iter(RowIterator(steps, labels, nclass=3)))
    np.testing.assert_array_equal(t.get().argmax(0).reshape(4, 2), labels[:2].T)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float64, bool])
def test_other_dtypes(make_backend: Make, dtype: Any) -> None:
    be = make_backend(batch_size=4)
    values = (X % 100).astype(dtype)
    for size in (4, 3):
        be.bsz = size
        data = RowIterator(values, Y)
        for n, (x, t) in enumerate(data):
            assert x.dtype == be.default_dtype
            rows = np.arange(n * size, (n + 1) * size) % 10
            np.testing.assert_array_equal(x.get(), values[rows].astype(np.float32).T)
            np.testing.assert_array_equal(t.get(), Y[rows][None])


class Shift:
    """Adds a random number; without a generator nothing."""

    def __call__(self, sample: np.ndarray, rng: Any) -> np.ndarray:
        return sample if rng is None else sample + rng.randint(1, 1000)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_pass_is_repeated_with_its_random_changes(make_backend: Make, shuffle: bool) -> None:
    make_backend(batch_size=4)

    def make(prefetch: int = 0) -> RowIterator:
        return RowIterator(
            X, lshape=(3, 4), shuffle=shuffle, seed=3, transform=Shift(), prefetch=prefetch
        )

    data = make()
    whole = [x for x, _ in passes(data, 5)]
    assert data.shape == (4, 3)  # what transform returns, (3, 4), are steps and features
    again = make(2)
    first = [x for x, _ in passes(again, 2)]
    state = again.get_state()
    other = make(1)
    other.set_state(state)
    found = first + [x for x, _ in passes(other, 3)]
    assert len(found) == len(whole)
    for x, x2 in zip(whole, found, strict=True):
        np.testing.assert_array_equal(x, x2)
    state = other.get_state()
    assert len(list(other.in_order())) == 3
    assert other.get_state() == state
    plain = [x.get() for x, _ in in_order(other)]
    assert plain[0].max() < 120
    with pytest.raises(ConfigurationError, match="shuffle="):
        other.set_state({**state, "shuffle": 1 - int(shuffle)})
    with pytest.raises(ConfigurationError, match="start at sample 99"):
        other.set_state({**state, "start": 99})


def network(be: Any) -> Model:
    init = Gaussian(scale=0.1)
    return Model([Affine(nout=3, init=init, activation=Softmax())], be=be)


def train(model: Model, data: Any, epochs: int, stop: int | None = None) -> np.ndarray:
    class Stop(Exception):
        pass

    def watched() -> Any:
        class Watched:
            ndata = data.ndata
            nbatches = property(lambda self: data.nbatches)
            shape, reset = data.shape, data.reset
            get_state, set_state = data.get_state, data.set_state

            def __iter__(self) -> Any:
                for n, batch in enumerate(data):
                    if n == stop:
                        raise Stop
                    yield batch

        return data if stop is None else Watched()

    with suppress(Stop):
        model.fit(
            watched(),
            cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
            optimizer=GradientDescentMomentum(0.01, momentum_coef=0.9),
            num_epochs=epochs,
            callbacks=Callbacks(model, progress_bar=False),
        )
    return model.layers.layers[0].W.get()


def test_fit_trains_as_on_array_iterator_and_resumes_within_an_epoch(
    make_backend: Make, tmp_path: Path
) -> None:
    be = make_backend(batch_size=4, rng_seed=7)
    values = X / 120

    def rows(prefetch: int = 2) -> RowIterator:
        return RowIterator(values, Y, nclass=3, shuffle=True, seed=1, prefetch=prefetch)

    be.rng_reset()
    want = train(network(be), ArrayIterator(values, Y, nclass=3, shuffle=True, seed=1), 3)
    be.rng_reset()
    np.testing.assert_array_equal(train(network(be), rows(), 3), want)
    be.rng_reset()
    model = network(be)
    train(model, rows(), 3, stop=2)
    model.save_params(str(tmp_path / "m.safetensors"))
    again = Model(str(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(train(again, rows(0), 3), want)


def test_an_error_of_the_thread_ends_the_training(make_backend: Make) -> None:
    be = make_backend(batch_size=4)

    class Broken(Counting):
        def __getitem__(self, key: Any) -> np.ndarray:
            if 8 in np.arange(10)[key]:
                raise OSError("row 8 is not readable")
            return super().__getitem__(key)

    data = RowIterator(Broken(X), Y, nclass=3, prefetch=2)
    with pytest.raises(OSError, match="row 8"):
        train(network(be), data, 1)
    outer = RowIterator(X, np.where(Y == 2, 7, Y), nclass=3, prefetch=1)
    with pytest.raises(ConfigurationError, match=r"whole numbers 0\.\.2, found 0\.\.7"):
        list(outer)


def test_two_passes_at_once_and_another_backend(make_backend: Make) -> None:
    make_backend(batch_size=4)
    data = RowIterator(X, Y, nclass=3, prefetch=2)
    outer = iter(data)
    first = next(outer)[0].get()
    assert [x.get()[0, 0] for x, _ in data.in_order()] == [0, 48, 96]
    np.testing.assert_array_equal(next(outer)[0].get(), X[4:8].T)
    np.testing.assert_array_equal(first, X[:4].T)
    outer.close()
    be = make_backend(batch_size=5)
    data.set_backend(be)
    assert [x.get()[0, 0] for x, _ in data.in_order()] == [0, 60]


def test_refusals(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=4)
    with pytest.raises(OSError, match="there is no file"):
        RowIterator(str(tmp_path / "none.npy"))
    (tmp_path / "text.npy").write_text("text")
    with pytest.raises(ConfigurationError, match=r"no \.npy file"):
        RowIterator(tmp_path / "text.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(ConfigurationError, match=r"no \.npy file"):
        RowIterator(tmp_path / "objects.npy")
    for wrong, y in ((X, Y[:9]), ([X, X[:9]], None), (np.float32(1), None)):
        with pytest.raises(ShapeError):
            RowIterator(wrong, y)
    with pytest.raises(ConfigurationError, match="no samples"):
        RowIterator(X[:0])
    with pytest.raises(ShapeError, match="a list means several inputs"):
        RowIterator(X.tolist())
    with pytest.raises(ConfigurationError, match="empty list"):
        RowIterator([])
    with pytest.raises(DtypeError, match="holds no numbers"):
        RowIterator(np.array([["a"]]))
    with pytest.raises(DtypeError, match=r"numpy\.unique"):
        RowIterator(X, np.array(["a"] * 10))
    with pytest.raises(ShapeError, match="lshape"):
        RowIterator(X, lshape=(3, 5))
    with pytest.raises(ShapeError, match="sequences"):
        RowIterator(X.reshape(10, 4, 3), lshape=(4, 3))
    with pytest.raises(ConfigurationError, match="nclass=0"):
        RowIterator(X, Y, nclass=0)
    ragged = RowIterator(
        X, transform=lambda x, rng: x[: 12 if rng is None else 1 + rng.randint(9)], prefetch=1
    )
    with pytest.raises(ShapeError, match="samples have the shapes"):
        list(ragged)


def test_regression_on_numbers(make_backend: Make) -> None:
    be = make_backend(batch_size=5, rng_seed=0)
    data = RowIterator(X / 120, X[:, :2] / 120, prefetch=1)
    model = Model([Affine(nout=2, init=Gaussian(scale=0.1))], be=be)
    history = model.fit(
        data,
        cost=GeneralizedCost(costfunc=MeanSquared()),
        optimizer=GradientDescentMomentum(0.05, momentum_coef=0.9),
        num_epochs=20,
        callbacks=Callbacks(model, progress_bar=False),
    )
    assert history["cost"][-1] < history["cost"][0] / 10
    assert model.get_outputs(data).shape == (10, 2)
