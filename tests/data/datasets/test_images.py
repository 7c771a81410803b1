"""Data sets of images, from files in the formats that are on the network."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.data import CIFAR10, DUMMY, MNIST
from neonport.data.datasets.images import contrast_normalized, zca
from neonport.errors import CheckpointError, ConfigurationError
from tests.fixtures.old_pickles import python2, python3

Make = Callable[..., Any]
RNG = np.random.RandomState(0)
DIGITS = RNG.randint(0, 256, (12, 28, 28)).astype(np.uint8), np.arange(12) % 10


@pytest.fixture(params=[python2, python3])
def digits(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    held = DIGITS[0][:6], DIGITS[1][:6]
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(request.param((DIGITS, held), 2)))
    return str(tmp_path)


def test_digits(make_backend: Make, digits: str) -> None:
    be = make_backend(batch_size=4, rng_seed=3)
    (x, y), (held, _), nclass = MNIST(path=digits).load_data()
    np.testing.assert_array_equal(x, DIGITS[0].reshape(12, 784) / np.float32(255))
    np.testing.assert_array_equal(y, DIGITS[1])
    assert (held.shape, nclass, x.dtype) == ((6, 784), 10, np.float32)
    assert MNIST(path=digits, normalize=False).load_data()[0][0].max() == 255
    assert MNIST(path=digits, sym_range=True).load_data()[0][0].min() == -1
    data = MNIST(path=digits, subset_pct=50)
    assert (data.train_iter.ndata, data.train_iter.shape) == (6, (1, 28, 28))
    assert next(iter(data.train_iter))[1].shape == (10, 4)
    assert data.train_iter.be is be


def test_other_sizes_and_orders(make_backend: Make, digits: str) -> None:
    make_backend(batch_size=4, rng_seed=3)
    whole = MNIST(path=digits, normalize=False).load_data()[0]
    small = MNIST(path=digits, normalize=False, size=5).load_data()[0][0]
    np.testing.assert_array_equal(small.reshape(12, 5, 5), DIGITS[0][:, :5, :5])
    large = MNIST(path=digits, sym_range=True, size=32)
    pixels = large.load_data()[0][0].reshape(12, 32, 32)
    assert (pixels[:, 28:] == -1).all()
    assert large.lshape == (1, 32, 32)
    x, y = MNIST(path=digits, normalize=False, shuffle=True).load_data()[0]
    order = [int(np.flatnonzero((whole[0] == row).all(1))[0]) for row in x]
    assert sorted(order) == list(range(12)) != order
    np.testing.assert_array_equal(y, whole[1][order])


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(python3({"a": 1})))
    with pytest.raises(CheckpointError, match="does not hold the digits"):
        MNIST(path=str(tmp_path)).load_data()
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(b"cos\nsystem\n(S'true'\ntR."))
    with pytest.raises(CheckpointError, match=r"os\.system"):
        MNIST(path=str(tmp_path)).load_data()
    for arguments in ({"size": 0}, {"subset_pct": 0}):
        with pytest.raises(ConfigurationError, match="MNIST"):
            MNIST(**arguments)


def pack_cifar(folder: Path, features: int, count: int = 4) -> np.ndarray:
    """Write the archive; returns the images for training."""
    made = []
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as package:
        for name in (*CIFAR10.TRAINING, "test_batch"):
            made.append(RNG.randint(0, 256, (count, features)).astype(np.uint8))
            labels = [int(n) for n in np.arange(count) % 10]
            entry = {"data": made[-1], "labels": labels, "batch_label": name}
            (folder / "batch").write_bytes(python2(entry))
            package.add(folder / "batch", f"{CIFAR10.FOLDER}/{name}")
    return np.concatenate(made[:-1])


def test_photographs(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=4)
    train = pack_cifar(tmp_path, 3072)
    (x, y), (held, _), nclass = CIFAR10(path=str(tmp_path)).load_data()
    np.testing.assert_array_equal(x, train / np.float32(255))
    assert (y.tolist(), held.shape, nclass) == ([0, 1, 2, 3] * 5, (4, 3072), 10)
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    data = CIFAR10(path=str(tmp_path), pad_classes=True)
    assert data.valid_iter.shape == (3, 32, 32)
    assert next(iter(data.train_iter))[1].shape == (16, 4)


def test_whitening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "lshape", (3, 2, 2))
    pack_cifar(tmp_path, 12, count=100)
    data = CIFAR10(path=str(tmp_path), normalize=False, whiten=True)
    x = data.load_data()[0][0]
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.eye(12), atol=1e-2)
    time = (tmp_path / CIFAR10.ZCA_CACHE).stat().st_mtime_ns
    np.testing.assert_array_equal(data.load_data()[0][0], x)
    assert (tmp_path / CIFAR10.ZCA_CACHE).stat().st_mtime_ns == time
    other = CIFAR10(path=str(tmp_path), whiten=True, contrast_normalize=True).load_data()[0][0]
    assert abs(other.mean(0)).max() < 1e-5  # not whitened by the matrix of other images


def test_contrast_and_zca_by_their_definitions() -> None:
    images = RNG.rand(6, 5).astype(np.float32)
    images[2] = 1
    found = contrast_normalized(images)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [55, 55, 0, 55, 55, 55], rtol=1e-5)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-4)
    _, matrix = zca(images, 0.1)
    covariance = np.cov(images, rowvar=False) + 0.1 * np.eye(5)
    np.testing.assert_allclose(matrix @ covariance @ matrix, np.eye(5), atol=1e-5)


def test_random_images(make_backend: Make) -> None:
    make_backend(batch_size=2)
    assert DUMMY(batch_size=2).load_data()[0][0].shape == (2, 150528)
