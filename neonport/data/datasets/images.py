"""Small images: handwritten digits, objects in ten classes, and random ones."""

from __future__ import annotations

import os
import pickle
from typing import Any, ClassVar

import numpy as np

from neonport.data.dataiterator import ArrayIterator
from neonport.data.datasets.dataset import Dataset, UnusableSubset
from neonport.data.rows.row_order import RowOrder
from neonport.errors import CheckpointError, ConfigurationError
from neonport.io.atomic_write import write_file
from neonport.io.downloads import unpack
from neonport.io.pickle_reader import read_pickle

Part = tuple[np.ndarray, np.ndarray]
CONTRAST = 55.0  # the norm of an image after contrast normalization
REGULARIZER = 0.1  # added to the variances before whitening


class _Images(Dataset):
    """Images with labels, in parts for training and validation."""

    lshape: tuple[int, int, int]
    neon_module = "neon.data.image"

    def load_data(self) -> tuple[Part, Part, int]:
        """Return ((X, y) for training, (X, y) for validation, number of classes).

        X is float32 with one image a row, y int32.

        Raises:
            MissingData: the file is not there and cannot be downloaded.
            CheckpointError: it is damaged.
        """
        raise NotImplementedError

    def gen_iterators(self) -> dict[str, ArrayIterator]:
        """Make the iterators 'train' and 'valid'."""
        train, valid, nclass = self.load_data()
        return {
            part: ArrayIterator(X, y, nclass=nclass, lshape=self.lshape, name=part, be=self.be)
            for part, (X, y) in (("train", train), ("valid", valid))
        }


class MNIST(_Images):
    """70,000 handwritten digits, 28x28 pixels; 10,000 of them are for validation.

    File: `mnist.pkl.gz`, 15296311 bytes, a pickle ((X, y), (X, y)), read as data.

    Args:
        path: folder of the file.
        subset_pct: share of the images of both parts that is used, the first ones.
        normalize: pixels from 0 to 1 instead of 0 to 255.
        sym_range: pixels from -1 to 1, if normalized.
        size: height and width; fewer than 28 cut the images off at the right and below, more add
            background there.
        shuffle: the images for training in another order, the same for the same `rng_seed`.

    Raises:
        ConfigurationError: a size or share that is none.

    Example:
        import gzip, pickle
        part = np.zeros((8, 28, 28), np.uint8), np.arange(8)
        with gzip.open("mnist.pkl.gz", "wb") as file:  # as if it had been downloaded
            _ = file.write(pickle.dumps((part, part), 2))
        mnist = MNIST(path=".")
        assert mnist.train_iter.shape == (1, 28, 28)
    """

    FILE_SIZE = 15296311  # bytes

    def __init__(
        self,
        path: str = ".",
        subset_pct: float = 100,
        normalize: bool = True,
        sym_range: bool = False,
        size: int = 28,
        shuffle: bool = False,
    ) -> None:
        super().__init__(
            "mnist.pkl.gz", "https://s3.amazonaws.com/img-datasets", self.FILE_SIZE, path
        )
        if not 0 < subset_pct <= 100:
            raise UnusableSubset(f"MNIST: subset_pct={subset_pct!r} must be above 0, to 100")
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ConfigurationError(f"MNIST: size={size!r} must be a whole number of pixels")
        self.subset_pct = subset_pct
        self.normalize = normalize
        self.sym_range = sym_range
        self.size = int(size)  # of an image; that of the file is in FILE_SIZE
        self.shuffle = shuffle
        self.lshape = (1, self.size, self.size)

    def load_data(self) -> tuple[Part, Part, int]:
        """Return ((X, y) for training, (X, y) for validation, 10).

        X is float32 (images, size * size), y int32 (images,).

        Raises:
            MissingData: the file is not there and cannot be downloaded.
            CheckpointError: it is damaged, or holds something else.
        """
        path = self.load_zip(self.filename, self.FILE_SIZE)
        found = self._read(path)
        try:
            (train_x, train_y), (valid_x, valid_y) = found
            train, valid = self._part(train_x, train_y), self._part(valid_x, valid_y)
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path!r} does not hold the digits, ((X, y), (X, y)) with X of shape (n, 28, 28): "
                f"{error}; delete it, and it is fetched again"
            ) from error
        if self.shuffle:
            seed = None if self.be is None else self.be.rng_seed
            order = RowOrder(len(train[0]), seed or 0).rows_of(0)
            train = train[0][order], train[1][order]
        return train, valid, 10

    def _part(self, x: Any, y: Any) -> Part:
        images = np.asarray(x).reshape(len(x), 28, 28)
        labels = np.asarray(y, dtype=np.int32).reshape(len(images))
        count = max(1, int(len(images) * self.subset_pct / 100))
        kept = min(28, self.size)
        pixels = np.zeros((count, self.size, self.size), np.float32)
        pixels[:, :kept, :kept] = images[:count, :kept, :kept]
        if self.normalize:
            pixels /= 255
            if self.sym_range:
                pixels = pixels * 2 - 1
        return pixels.reshape(count, -1), labels[:count]


class CIFAR10(_Images):
    """60,000 photographs of ten kinds of objects, 32x32 in colours; 10,000 are for validation.

    File: `cifar-10-python.tar.gz`, 170498071 bytes, unpacked to the folder `cifar-10-batches-py`.

    Args:
        path: folder of the file.
        subset_pct: 100.
        normalize: pixels from 0 to 1 instead of 0 to 255.
        contrast_normalize: subtract the mean of each image, and scale it to the norm 55.
        whiten: decorrelate pixels by ZCA; the matrix, which takes a while, is kept in the file
            `cifar-10-zca-cache.pkl`.
        pad_classes: 16 classes instead of 10, the last ones without images.

    Example:
        import os, pickle
        os.mkdir("cifar-10-batches-py")  # as if it had been downloaded and unpacked
        for part in "test_batch", *(f"data_batch_{i}" for i in range(1, 6)):
            with open(f"cifar-10-batches-py/{part}", "wb") as file:
                images = np.zeros((4, 3072), np.uint8)
                _ = file.write(pickle.dumps({"data": images, "labels": [0, 1, 2, 3]}, 2))
        cifar = CIFAR10(pad_classes=True)
        assert cifar.train_iter.shape == (3, 32, 32) and cifar.train_iter.nclass == 16
    """

    lshape = (3, 32, 32)
    # from the page of the data set
    CHECKSUMS: ClassVar = {"cifar-10-python.tar.gz": "md5:c58f30108f718f92721af3b95e74349a"}
    FOLDER = "cifar-10-batches-py"
    TRAINING = tuple(f"data_batch_{i}" for i in range(1, 6))
    ZCA_CACHE = "cifar-10-zca-cache.pkl"

    def __init__(
        self,
        path: str = ".",
        subset_pct: float = 100,
        normalize: bool = True,
        contrast_normalize: bool = False,
        whiten: bool = False,
        pad_classes: bool = False,
    ) -> None:
        super().__init__(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz",
            170498071,
            path,
            subset_pct,
        )
        self.normalize = normalize
        self.contrast_normalize = contrast_normalize
        self.whiten = whiten
        self.pad_classes = pad_classes

    def load_data(self) -> tuple[Part, Part, int]:
        """Return ((X, y) for training, (X, y) for validation, number of classes).

        X is float32 (images, 3072), y int32 (images,).

        Raises:
            MissingData: the file is not there and cannot be downloaded.
            CheckpointError: it is damaged, or holds something else.
        """
        folder = self._unpacked()
        parts = [self._batch(os.path.join(folder, name)) for name in (*self.TRAINING, "test_batch")]
        train_x, train_y = (np.concatenate(arrays) for arrays in zip(*parts[:-1], strict=True))
        valid_x, valid_y = parts[-1]
        if self.contrast_normalize:
            train_x, valid_x = contrast_normalized(train_x), contrast_normalized(valid_x)
        if self.normalize:
            train_x, valid_x = train_x / 255, valid_x / 255
        if self.whiten:
            mean, matrix = self._zca(train_x, os.path.dirname(folder))
            train_x, valid_x = ((x - mean) @ matrix for x in (train_x, valid_x))
        return (train_x, train_y), (valid_x, valid_y), 16 if self.pad_classes else 10

    def _unpacked(self) -> str:
        """The folder with the batches, unpacked if one of them is missing."""
        folder = self._find(self.FOLDER)
        names = (*self.TRAINING, "test_batch")
        if not all(os.path.exists(os.path.join(folder, name)) for name in names):
            archive = self.load_zip(self.filename, self.size)
            unpack(archive, os.path.dirname(archive))
            folder = os.path.join(os.path.dirname(archive), self.FOLDER)
        return folder

    def _batch(self, path: str) -> Part:
        found = self._read(path)
        try:
            named = {k.decode() if isinstance(k, bytes) else k: v for k, v in found.items()}
            x = np.asarray(named["data"], dtype=np.float32).reshape(-1, int(np.prod(self.lshape)))
            return x, np.asarray(named["labels"], dtype=np.int32).reshape(len(x))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path!r} does not hold images: a dict with 'data' (n, 3072) and 'labels' is "
                f"expected ({error}); delete it, and it is fetched again"
            ) from error

    def _zca(self, train_x: np.ndarray, folder: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and matrix of the whitening, from the file if it is of these images."""
        path = os.path.join(folder, self.ZCA_CACHE)
        if os.path.exists(path):
            with open(path, "rb") as file:
                mean, matrix = read_pickle(file.read(), path)
            known = train_x.mean(axis=0)  # other settings make other images
            if np.shape(mean) == known.shape and np.allclose(mean, known, rtol=1e-4, atol=1e-6):
                return mean, matrix
        made = zca(train_x, REGULARIZER)
        write_file(path, lambda file: pickle.dump(made, file, 2))
        return made


def contrast_normalized(images: np.ndarray) -> np.ndarray:
    """Images with mean 0 and norm 55 each; those without contrast stay 0.

    Args:
        images: float32, one a row.
    """
    centred = images - images.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(centred, axis=1, keepdims=True) / CONTRAST
    scale[scale < 1e-8] = 1
    found: np.ndarray = centred / scale
    return found


def zca(images: np.ndarray, regularizer: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and matrix W of ZCA whitening: (x - mean) @ W has about unit covariance.

    Args:
        images: float32, one a row.
        regularizer: what is added to the variances.
    """
    mean = images.mean(axis=0)
    covariance = np.cov(images - mean, rowvar=False, dtype=images.dtype)
    variances, axes = np.linalg.eigh(covariance + regularizer * np.eye(len(mean)))
    return mean, ((axes / np.sqrt(variances)) @ axes.T).astype(images.dtype)


class DUMMY(_Images):
    """Random images, 224x224 in colours, in 1000 classes: for measurements, without a file.

    Args:
        path, subset_pct, normalize, contrast_normalize, whiten, pad_classes: without effect.
        batch_size: number of images.

    Example:
        assert DUMMY(batch_size=4).train_iter.shape == (3, 224, 224)
    """

    lshape = (3, 224, 224)

    def __init__(
        self,
        path: str = ".",
        subset_pct: float = 100,
        normalize: bool = True,
        contrast_normalize: bool = False,
        whiten: bool = False,
        pad_classes: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__("", "", 0, path)
        self.subset_pct = subset_pct
        self.normalize = normalize
        self.contrast_normalize = contrast_normalize
        self.whiten = whiten
        self.pad_classes = pad_classes
        self.batch_size = batch_size

    def load_data(self) -> tuple[Part, Part, int]:
        """Return the same random images for training and validation, and 1000 classes."""
        rng = np.random.RandomState(0)
        x = rng.random_sample((self.batch_size, 3 * 224 * 224)).astype(np.float32)
        part = x, rng.randint(0, 1000, self.batch_size).astype(np.int32)
        return part, part, 1000
