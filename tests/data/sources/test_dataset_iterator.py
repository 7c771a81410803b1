"""DatasetIterator: samples by number, as PyTorch and Hugging Face give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neonport.data import ArrayIterator, DatasetIterator, ImageAugmentation
from neonport.errors import ConfigurationError, DtypeError, ShapeError

Make = Callable[..., Any]
X = np.arange(120, dtype=np.float32).reshape(10, 12)
Y = np.arange(10) % 3


class Pairs:
    """PyTorch's kind: a tuple for a number."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        return X[row], int(Y[row])


class Table:
    """Hugging Face's kind: named columns, samples as dicts, several at once."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: Any) -> dict[str, Any]:
        return {"x": X[key].tolist(), "label": Y[key]}

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        self.asked.append(rows)
        return [self[row] for row in rows]


class Gradient:
    """A tensor of another library's that has a gradient, on a device."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def detach(self) -> Gradient:
        return self

    def cpu(self) -> np.ndarray:
        return self.array


def passes(data: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(x.get(), t.get()) for _ in range(3) for x, t in data]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_minibatches_are_those_of_array_iterator(
    make_backend: Make, shuffle: bool, threads: int
) -> None:
    make_backend(batch_size=4)
    want = passes(ArrayIterator(X, Y, nclass=3, shuffle=shuffle, seed=5))
    options: dict[str, Any] = {"nclass": 3, "shuffle": shuffle, "seed": 5, "threads": threads}
    table = Table()
    for data in (
        DatasetIterator(Pairs(), prefetch=1, **options),
        DatasetIterator(table, "x", "label", **options),
    ):
        assert (data.ndata, data.shape, data.nbatches) == (10, 12, 3)
        for (x, t), (x2, t2) in zip(want, passes(data), strict=True):
            np.testing.assert_array_equal(x, x2)
            np.testing.assert_array_equal(t, t2)
    assert max(map(len, table.asked)) == 4  # never more than a minibatch


def test_images_tensors_and_several_inputs(make_backend: Make) -> None:
    make_backend(batch_size=4)

    class Mixed(Pairs):
        def __getitem__(self, row: int) -> Any:
            pixels = np.full((6, 5, 3), row, np.uint8)
            return {"image": Image.fromarray(pixels), "more": Gradient(X[row]), "n": row}

    data = DatasetIterator(Mixed(), ["image", "more"], "n")
    assert data.shape == [(3, 6, 5), 12]
    (image, more), t = next(iter(data))
    np.testing.assert_array_equal(image.get(), np.repeat([range(4)], 90, axis=0))
    np.testing.assert_array_equal(more.get(), X[:4].T)
    np.testing.assert_array_equal(t.get(), [range(4)])
    small = DatasetIterator(
        Mixed(), "image", None, transform=ImageAugmentation(size=(2, 2), std=2), threads=2
    )
    x, t = list(small.in_order())[-1]
    assert x is t
    assert x.get()[0].tolist() == [4, 4.5, 0, 0.5]


def test_refusals(make_backend: Make) -> None:
    make_backend(batch_size=4)
    for given, words in (
        (iter([]), "use LoaderIterator"),
        ([], "no samples"),
        ([1.0, 2.0], "give target=None"),
        ([(1.0,)], "there is no part 1"),
        ([{"a": 1.0}], "there is no 0 in a sample; it has 'a'"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            DatasetIterator(given)
    with pytest.raises(ConfigurationError, match="threads=0"):
        DatasetIterator(Pairs(), threads=0)
    with pytest.raises(DtypeError, match="text"):
        DatasetIterator([("word", 1)])
    with pytest.raises(ShapeError, match="samples have the shapes"):
        list(DatasetIterator([(np.ones(2), 1), (np.ones(3), 1)]))
    with pytest.raises(ShapeError, match="the first one"):
        list(DatasetIterator([(np.ones(2), 1)] * 4 + [(np.ones(3), 1)] * 4))


@pytest.mark.interop
def test_real_data_sets(make_backend: Make, tmp_path: Any) -> None:
    import datasets
    import torch

    make_backend(batch_size=4)
    want = passes(ArrayIterator(X, Y, nclass=3, shuffle=True, seed=5))
    tensors = torch.utils.data.TensorDataset(torch.tensor(X, requires_grad=True), torch.tensor(Y))
    table = datasets.Dataset.from_dict({"x": X.tolist(), "label": Y.tolist()})
    for data in (
        DatasetIterator(tensors, nclass=3, shuffle=True, seed=5, prefetch=2),
        DatasetIterator(table, "x", "label", nclass=3, shuffle=True, seed=5, prefetch=2),
        DatasetIterator(table.with_format("torch"), "x", "label", nclass=3, shuffle=True, seed=5),
    ):
        for (x, t), (x2, t2) in zip(want, passes(data), strict=True):
            np.testing.assert_array_equal(x, x2)
            np.testing.assert_array_equal(t, t2)
