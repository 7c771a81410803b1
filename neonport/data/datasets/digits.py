"""Handwritten digits: small real data that need no download."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from neonport.base import NervanaObject
from neonport.data.dataiterator import ArrayIterator
from neonport.errors import ConfigurationError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

SPLIT_SEED = 1797  # of the split only: which images are held out never depends on the user's seed


class Digits(NervanaObject):
    """1,797 images of handwritten digits, 8x8 pixels, ten classes; they ship with scikit-learn.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (its test part). Pixels are scaled to [0, 1]; a fixed fifth (359
    images) is held out.

    Args:
        normalize: subtract the mean training image.
        name: name.
        be: backend of the iterators; default the process-wide one.

    Attributes:
        nclass: 10.
        lshape: (1, 8, 8).

    Example:
        digits = Digits()
        (x, labels), (held_out, held_out_labels), nclass = digits.load_data()
        train, valid = digits.train_iter, digits.valid_iter
    """

    nclass = 10
    lshape = (1, 8, 8)

    def __init__(
        self, normalize: bool = True, name: str | None = None, be: Backend | None = None
    ) -> None:
        super().__init__(name=name)
        if be is not None:
            self.set_backend(be)
        self.normalize = normalize

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ConfigurationError(
                "the digits data set is part of scikit-learn, which is not installed; "
                "install it with `pip install neonport[demo]`"
            ) from error
        images, labels = load_digits(return_X_y=True)
        order = np.random.RandomState(SPLIT_SEED).permutation(len(images))
        held = len(images) // 5
        images = (images[order] / 16).astype(np.float32)
        labels = labels[order].astype(np.int32)
        if self.normalize:
            images = images - images[held:].mean(axis=0)
        return images[held:], labels[held:], images[:held], labels[:held]

    def load_data(
        self,
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], int]:
        """Return ((X, y) for training, (X, y) held out, number of classes).

        X is float32 (samples, 64), y int32 (samples,).
        """
        train_x, train_y, held_x, held_y = self._arrays
        return (train_x, train_y), (held_x, held_y), self.nclass

    def _iterator(self, x: np.ndarray, y: np.ndarray, name: str) -> ArrayIterator:
        return ArrayIterator(
            x,
            y,
            nclass=self.nclass,
            lshape=self.lshape,
            name=name,
            be=vars(self).get("be"),
        )

    @cached_property
    def train_iter(self) -> ArrayIterator:
        """Iterator over the training images."""
        (x, y), _, _ = self.load_data()
        return self._iterator(x, y, "train")

    @cached_property
    def valid_iter(self) -> ArrayIterator:
        """Iterator over the held-out images."""
        _, (x, y), _ = self.load_data()
        return self._iterator(x, y, "valid")
