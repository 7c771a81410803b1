"""LoaderIterator: batches of any size cut to the backend's, orders, what a loader does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest

from neonport.data import LoaderIterator
from neonport.errors import ConfigurationError

Make = Callable[..., Any]
X = np.arange(40, dtype=np.float32).reshape(10, 4)
Y = np.arange(10) % 3


class Generator:
    def manual_seed(self, seed: int) -> None:
        self.seed = seed


class Loader:
    """PyTorch's kind, without it: batches of three, another order for each seed."""

    drop_last = False
    batch_size = 3
    collate_fn = None

    def __init__(self, generator: Any = None, form: Any = tuple) -> None:
        self.dataset = X
        self.generator = generator
        self.form = form

    def __iter__(self) -> Iterator[Any]:
        order = np.arange(10)
        if self.generator is not None:
            order = np.random.RandomState(self.generator.seed).permutation(10)
        memory = np.empty((3, 4), np.float32)  # used again and again
        for begin in range(0, len(order), 3):
            rows = order[begin : begin + 3]
            if self.drop_last and len(rows) < 3:
                return
            memory[: len(rows)] = X[rows]
            pair = memory[: len(rows)], Y[rows]
            yield pair if self.form is tuple else dict(zip(("x", "label"), pair, strict=True))


def rows(data: Any) -> list[list[int]]:
    found = []
    for x, t in data:
        found.append((x.get()[0] / 4).astype(int).tolist())
        np.testing.assert_array_equal(t.get().argmax(0), Y[found[-1]])
    return found


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("size", [2, 4, 7, 16])
def test_batches_are_cut_to_size(make_backend: Make, size: int, prefetch: int) -> None:
    make_backend(batch_size=size)
    data = LoaderIterator(Loader(), nclass=3, prefetch=prefetch)
    wanted = np.arange(-(-10 // size) * size)
    head = min(size, 10)
    wanted[10:] = np.arange(len(wanted) - 10) % head
    for found in (rows(data), rows(data), rows(data.in_order())):
        assert found == wanted.reshape(-1, size).tolist()
    assert data.nbatches == len(found)
    assert (data.ndata, data.shape) == (10, 4)


def test_named_parts_and_loaders_that_drop(make_backend: Make) -> None:
    make_backend(batch_size=4)
    loader = Loader(form=dict)
    loader.drop_last = True
    data = LoaderIterator(loader, "x", "label", nclass=3)
    assert data.ndata == 9
    assert rows(data) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 0, 1, 2]]


def test_a_seeded_loader_repeats_its_passes(make_backend: Make) -> None:
    make_backend(batch_size=4)

    generator = Generator()
    generator.seed = 0
    data = LoaderIterator(Loader(generator), nclass=3, seed=5)
    whole = [rows(data) for _ in range(3)]
    assert whole[0] != whole[1]
    again = LoaderIterator(Loader(generator), nclass=3, seed=5, prefetch=1)
    assert rows(again) == whole[0]
    state = again.get_state()
    other = LoaderIterator(Loader(generator), nclass=3, seed=5)
    other.set_state(state)
    assert [rows(other), rows(other)] == whole[1:]
    assert rows(other.in_order()) == whole[0]


def test_refusals(make_backend: Make) -> None:
    make_backend(batch_size=4)
    batches = [(X, Y)]
    with pytest.raises(ConfigurationError, match="not a generator"):
        LoaderIterator((b for b in batches), ndata=10)
    with pytest.raises(ConfigurationError, match="give ndata="):
        LoaderIterator(batches)
    with pytest.raises(ConfigurationError, match="ndata=0"):
        LoaderIterator(batches, ndata=0)
    with pytest.raises(ConfigurationError, match="yields nothing"):
        LoaderIterator([], ndata=1)
    with pytest.raises(ConfigurationError, match="needs a loader with a generator"):
        LoaderIterator(batches, ndata=10, seed=1)
    with pytest.raises(ConfigurationError, match="one row a sample each"):
        LoaderIterator([(X, Y[:9])], ndata=10)
    with pytest.raises(ConfigurationError, match="ended 2 samples before the 12"):
        list(LoaderIterator(batches, ndata=12, prefetch=1))


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")  # JAX, of other tests
@pytest.mark.parametrize("workers", [0, 2])
def test_real_loaders(make_backend: Make, workers: int) -> None:
    import torch

    make_backend(batch_size=4)
    tensors = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))

    def make(seed: int | None = None) -> LoaderIterator:
        loader = torch.utils.data.DataLoader(
            tensors, 3, shuffle=seed is not None, generator=torch.Generator(), num_workers=workers
        )
        return LoaderIterator(loader, nclass=3, seed=seed, prefetch=1)

    assert rows(make()) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    data, again = make(5), make(5)
    whole = [rows(data), rows(data)]
    assert whole[0] != whole[1]
    assert sorted([*chain(*whole[0])][:10]) == list(range(10))
    again.set_state({"pass": 1})
    assert rows(again) == whole[1]
