"""FrameIterator: columns as inputs, numbers and classes as targets; scikit-learn's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.datasets import load_iris

from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator, FrameIterator, RowIterator
from neonport.errors import ConfigurationError, DtypeError
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Softmax

Make = Callable[..., Any]


def frame(**columns: Any) -> pandas.DataFrame:
    made = {"a": np.arange(8.0), "b": np.arange(8) % 3, "c": [True, False] * 4}
    return pandas.DataFrame({**made, **columns})


def first(data: Any) -> tuple[np.ndarray, np.ndarray]:
    x, t = next(iter(data))
    return x.get(), t.get()


def test_columns_and_classes(make_backend: Make) -> None:
    make_backend(batch_size=4)
    kinds = ["x", "y", "z", "x"] * 2
    data = FrameIterator(frame(kind=kinds), target="kind")
    assert (data.features, data.classes, data.shape) == (["a", "b", "c"], ["x", "y", "z"], 3)
    x, t = first(data)
    np.testing.assert_array_equal(x, [[0, 1, 2, 3], [0, 1, 2, 0], [1, 0, 1, 0]])
    assert t.argmax(0).tolist() == [0, 1, 2, 0]
    ordered = pandas.Categorical(kinds, categories=["z", "y", "x", "w"])
    data = FrameIterator(frame(kind=ordered), target="kind", features=["b"])
    assert data.classes == ["z", "y", "x", "w"]
    x, t = first(data)
    assert x.tolist() == [[0, 1, 2, 0]]
    assert t.shape == (4, 4)
    assert t.argmax(0).tolist() == [2, 1, 0, 2]
    assert FrameIterator(frame(), target="c").classes == [False, True]
    assert FrameIterator(frame(), target="b", nclass=4).classes == [0, 1, 2, 3]
    held_out = FrameIterator(frame(kind=["z"] * 8), target="kind", classes=["x", "y", "z"])
    assert first(held_out)[1].argmax(0).tolist() == [2] * 4


def test_numbers_as_targets(make_backend: Make) -> None:
    make_backend(batch_size=4)
    x, t = first(FrameIterator(frame(), target=["b", "a"], shuffle=False))
    assert t.tolist() == [[0, 1, 2, 0], [0, 1, 2, 3]]
    assert x.shape == (1, 4)
    assert first(FrameIterator(frame(), target="a"))[1].tolist() == [[0, 1, 2, 3]]
    x, t = first(FrameIterator(frame()))
    np.testing.assert_array_equal(x, t)
    whole = frame(d=pandas.array([1, 2, 3, 4] * 2, dtype="Int64"), e=np.array([1, 2.5] * 4, object))
    assert first(FrameIterator(whole, features=["d", "e"]))[0][1].tolist() == [1, 2.5, 1, 2.5]


def test_columns_go_into_other_iterators_and_fit(make_backend: Make) -> None:
    be = make_backend(batch_size=4, rng_seed=0)
    table = frame()
    x, t = first(ArrayIterator(table[["a", "c"]].astype(float), table["b"], nclass=3))
    assert (x.shape, t.shape) == ((2, 4), (3, 4))
    cost = GeneralizedCost(costfunc=CrossEntropyMulti())
    model = Model([Affine(nout=3, init=Gaussian(scale=0.1), activation=Softmax())], be=be)
    history = model.fit(
        table[["a", "b"]], table["b"], cost, Adam(learning_rate=0.1), 20, progress_bar=False
    )
    assert history["cost"][-1] < history["cost"][0]


def test_columns_in_another_order(make_backend: Make) -> None:
    make_backend(batch_size=4)
    table = frame()[::-1]  # row labels 7 to 0
    for shuffle in (False, True):
        data = RowIterator(table[["a"]], table["b"], shuffle=shuffle, seed=1)
        for x, t in data:
            np.testing.assert_array_equal(x.get() % 3, t.get())


def test_scikit_learns_data(make_backend: Make) -> None:
    be = make_backend(batch_size=30, rng_seed=0)
    iris = load_iris(as_frame=True)
    data = FrameIterator(iris.frame, target="target", nclass=3, shuffle=True, seed=1)
    assert data.features == list(iris.feature_names)
    model = Model([Affine(nout=3, init=Gaussian(scale=0.1), activation=Softmax())], be=be)
    history = model.fit(
        data,
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.1),
        num_epochs=10,
        callbacks=Callbacks(model, progress_bar=False),
    )
    assert history["cost"][-1] < 0.4


def test_refusals(make_backend: Make) -> None:
    make_backend(batch_size=4)
    missing = frame(a=[1.0, np.nan] * 4)
    with pytest.raises(ConfigurationError, match=r"'a' lacks 4 of 8 values.*fillna"):
        FrameIterator(missing)
    with pytest.raises(ConfigurationError, match="'d' lacks 1 of 8 values"):
        FrameIterator(frame(d=pandas.array([None, *range(7)], dtype="Int64")))
    with pytest.raises(ConfigurationError, match="'kind' lacks 2 of 8 classes"):
        FrameIterator(frame(kind=["x", None, "y", "y"] * 2), target="kind")
    with pytest.raises(DtypeError, match=r"'kind' .* holds no numbers.*get_dummies"):
        FrameIterator(frame(kind=["x", "y"] * 4))
    with pytest.raises(DtypeError, match=r"'day' .* holds no numbers"):
        FrameIterator(frame(day=pandas.date_range("2020-01-01", periods=8)))
    with pytest.raises(ConfigurationError, match="'kind' holds y, which are none of the classes"):
        FrameIterator(frame(kind=["x", "y"] * 4), target="kind", classes=["x"])
    for wrong, words in (
        ({"target": "q"}, r"no columns \['q'\]"),
        ({"features": []}, "no columns are left"),
        ({"target": ["a", "b"], "nclass": 3}, "one column as target"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            FrameIterator(frame(), **wrong)
    with pytest.raises(ConfigurationError, match="use ArrayIterator"):
        FrameIterator(np.ones((8, 2)))


def test_fit_says_what_to_wrap_data_of_others_in(make_backend: Make) -> None:
    be = make_backend(batch_size=4)
    model = Model([Affine(nout=3, init=Gaussian())], be=be)
    cost, optimizer = GeneralizedCost(costfunc=CrossEntropyMulti()), Adam()

    class Samples:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, row: int) -> float:
            return 1.0

    class Loader:
        def __iter__(self) -> Any:
            return iter([])

    for given, name in (
        (frame(), r"FrameIterator\(frame, target="),
        (Samples(), "DatasetIterator"),
        (Loader(), "LoaderIterator"),
        (np.ones((4, 2)), "ArrayIterator"),
    ):
        with pytest.raises(ConfigurationError, match=name):
            model.fit(given, cost, optimizer, 1, progress_bar=False)
