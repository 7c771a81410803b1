"""HDF5 iterators: the samples of each minibatch, the mean, labels, state, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from neonport.data import HDF5Iterator, HDF5IteratorAutoencoder, HDF5IteratorOneHot
from neonport.errors import ConfigurationError, DtypeError, ShapeError

Make = Callable[..., Any]
INPUT = np.arange(120, dtype=np.float32).reshape(10, 12)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a file of datasets; attributes are given as (dataset, attribute) -> value."""

    def make(attributes: dict[tuple[str, str], Any] | None = None, **datasets: Any) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.h5"
        with h5py.File(path, "w") as file:
            for name, value in datasets.items():
                file[name] = value
            for (name, attribute), value in (attributes or {}).items():
                file[name].attrs[attribute] = value
        return str(path)

    return make


def samples(data: HDF5Iterator) -> list[list[int]]:
    return [(x.get()[0] / 12).astype(int).tolist() for x, _ in data]


def test_passes_continue(make_backend: Make, write: Make) -> None:
    make_backend(batch_size=4)
    data = HDF5Iterator(write({("input", "lshape"): (3, 2, 2)}, input=INPUT))
    assert (data.shape, data.ndata, data.nbatches) == ((3, 2, 2), 10, 3)
    assert next(iter(data))[1] is None
    data.reset()
    assert samples(data) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    state = data.get_state()
    assert samples(data) == [[2, 3, 4, 5], [6, 7, 8, 9]]
    assert data.start == 0
    data.set_state(state)
    assert data.nbatches == 2
    assert len(list(data.in_order())) == 3
    assert data.start == 2
    data.cleanup()


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_means_and_targets(make_backend: Make, write: Make, dtype: Any) -> None:
    be = make_backend(batch_size=4)
    output = np.arange(60.0).reshape(10, 3, 2)
    for mean, each in ((np.arange(12.0), np.arange(12)), ([1, 2, 3], np.repeat([1, 2, 3], 4))):
        path = write(
            {("input", "lshape"): (3, 2, 2)}, input=INPUT.astype(dtype), mean=mean, output=output
        )
        data = HDF5Iterator(path)
        x, t = next(iter(data))
        np.testing.assert_array_equal(x.get(), (INPUT[:4] - each).T)
        np.testing.assert_array_equal(t.get(), output.reshape(10, 6)[:4].T)
        be.bsz = 2
        assert [t.shape for x, t in data][-1] == (6, 2)
        be.bsz = 4


def test_sequences(make_backend: Make, write: Make) -> None:
    make_backend(batch_size=2)
    x, _ = next(iter(HDF5Iterator(write({("input", "lshape"): (3, 4)}, input=INPUT))))
    np.testing.assert_array_equal(x.get().reshape(3, 4, 2)[:, :, 1], INPUT[1].reshape(3, 4))


def test_labels_and_autoencoders(make_backend: Make, write: Make) -> None:
    make_backend(batch_size=4)
    labels = np.arange(10).reshape(10, 1) % 3
    data = HDF5IteratorOneHot(write({("output", "nclass"): 3}, input=INPUT, output=labels))
    found = np.concatenate([t.get().argmax(0) for _, t in data])
    assert found.tolist() == [*labels[:, 0], 0, 1]
    x, t = next(iter(HDF5IteratorAutoencoder(data.hdf_filename)))
    assert x is t


def test_subclasses(make_backend: Make, write: Make) -> None:
    make_backend(batch_size=4)

    class Halved(HDF5Iterator):
        def gen_input(self, mini_batch: np.ndarray) -> Any:
            return super().gen_input(mini_batch / 2)

    x, _ = next(iter(Halved(write(input=INPUT))))
    np.testing.assert_array_equal(x.get(), INPUT[:4].T / 2)


def test_refusals(make_backend: Make, write: Make, tmp_path: Path) -> None:
    make_backend(batch_size=4)
    with pytest.raises(OSError, match="there is no file"):
        HDF5Iterator(str(tmp_path / "none.h5"))
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ConfigurationError, match="cannot be opened as an HDF5 file"):
        HDF5Iterator(str(tmp_path / "text.h5"))
    with pytest.raises(ConfigurationError, match="no dataset 'input'; it has other"):
        HDF5Iterator(write(other=INPUT))
    with pytest.raises(DtypeError, match="'/input' of dtype"):
        HDF5Iterator(write(input=[b"a"]))
    for wrong in (
        {"input": INPUT[0]},
        {"input": INPUT[:0]},
        {"input": INPUT, "output": INPUT[:9]},
        {"input": INPUT, "mean": [1.0, 2.0]},
        {"input": INPUT, "attributes": {("input", "lshape"): (3, 3)}},
    ):
        with pytest.raises(ShapeError, match="HDF5Iterator"):
            HDF5Iterator(write(**wrong))
    with pytest.raises(ConfigurationError, match="attribute nclass"):
        HDF5IteratorOneHot(write(input=INPUT, output=np.zeros((10, 1))))
    with pytest.raises(ConfigurationError, match=r"labels must be whole numbers 0\.\.1"):
        HDF5IteratorOneHot(
            write({("output", "nclass"): 2}, input=INPUT, output=np.full((10, 1), 2))
        )
