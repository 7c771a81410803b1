"""Minibatches of images in folders, one folder a class."""

from __future__ import annotations

import os
from typing import Any

from neonport.data.sources.dataset_iterator import DatasetIterator
from neonport.data.sources.row_iterator import Transform
from neonport.errors import ConfigurationError
from neonport.io.images import pillow, read_image

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class _ImageFiles:
    """Images and labels by number, read when they are asked for."""

    def __init__(self, files: list[str], labels: list[int], channels: int) -> None:
        self.files, self.labels, self.channels = files, labels, channels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        return read_image(self.files[number], self.channels), self.labels[number]


class ImageFolder(DatasetIterator):
    """Minibatches of the images below a folder that has one folder for each class.

    Needs the extra `images`. Values are 0 to 255 unless `transform` makes others of them; uint8 is
    sent to the device as it is.

    Args:
        path: the folder.
        transform: brings the images to one size, `ImageAugmentation` for example; see
            `RowIterator`. It gets a PIL image.
        channels: 3 for colours, 1 for grey.
        classes: names of the folders in the order of their labels: those of the training for the
            validation; default all, sorted.
        shuffle, seed, prefetch, threads, name, be: see `DatasetIterator`.

    Attributes:
        classes: names of the folders, in the order of their labels.
        files: paths of the images.

    Raises:
        ConfigurationError: there are no such folders, or no images in one; Pillow is missing.
        DamagedImage: an image is damaged; raised when it is read.
        ShapeError: images of several sizes.

    Example:
        import os
        from PIL import Image
        for kind in "cat", "dog":
            os.makedirs(f"pictures/{kind}")
            for n in range(4):
                Image.new("RGB", (40, 30)).save(f"pictures/{kind}/{n}.png")
        augment = ImageAugmentation(size=(16, 16), scale=(0.5, 1), flip=True, std=255)
        for x, t in ImageFolder("pictures", augment, shuffle=True):
            assert x.shape == (3 * 16 * 16, 4) and t.shape == (2, 4)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        transform: Transform | None = None,
        channels: int = 3,
        classes: list[str] | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        prefetch: int = 2,
        threads: int = 1,
        name: str | None = None,
        be: Any = None,
    ) -> None:
        pillow("ImageFolder")
        path = os.path.expanduser(os.fspath(path))
        if not os.path.isdir(path):
            raise ConfigurationError(f"ImageFolder: there is no folder {path!r}")
        found = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
        self.classes = found if classes is None else list(classes)
        lacking = [kind for kind in self.classes if kind not in found]
        if lacking or not self.classes:
            raise ConfigurationError(
                f"ImageFolder: {path!r} has the folders {found}"
                + (f", not {lacking}" if lacking else "; there must be one for each class")
            )
        self.files, labels = [], []
        for label, kind in enumerate(self.classes):
            for folder, _, names in sorted(os.walk(os.path.join(path, kind))):
                images = sorted(n for n in names if n.lower().endswith(ENDINGS))
                self.files += [os.path.join(folder, n) for n in images]
                labels += [label] * len(images)
        if not self.files:
            raise ConfigurationError(
                f"ImageFolder: the folders of {path!r} hold no images ({', '.join(ENDINGS)})"
            )
        super().__init__(
            _ImageFiles(self.files, labels, channels),
            nclass=len(self.classes),
            shuffle=shuffle,
            seed=seed,
            transform=transform,
            prefetch=prefetch,
            threads=threads,
            name=name,
            be=be,
        )
