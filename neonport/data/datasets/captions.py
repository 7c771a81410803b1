"""Data sets of images with sentences about them."""

from __future__ import annotations

import os

from neonport.data.datasets.dataset import Dataset
from neonport.data.imagecaption import ImageCaption, ImageCaptionTest


class Flickr8k(Dataset):
    """8,000 photographs with five sentences each, as features of a convolutional network.

    File: `flickr8k.zip`, 49165563 bytes, unpacked to `flickr8k`, with `features.pkl.gz`.

    Args:
        path: folder of the file.
        max_images: images for training that are used, the first ones; -1 for all.

    Example:
        import os, pickle
        os.mkdir("flickr8k")  # as if it had been downloaded and unpacked
        image = {"imgid": 0, "sentences": [{"tokens": ["a", "dog"]}] * 8}
        with open("flickr8k/features.pkl.gz", "wb") as file:
            features = {"sents": {"train": [image], "test": [image]}, "feats": np.ones((6, 1))}
            _ = file.write(pickle.dumps(features, 2))
        assert Flickr8k().train_iter.vocab_size == 3
    """

    neon_module = "neon.data.imagecaption"
    ARCHIVE = "flickr8k.zip", 49165563

    def __init__(self, path: str = ".", max_images: int = -1) -> None:
        filename, size = self.ARCHIVE
        super().__init__(
            filename,
            "https://s3-us-west-1.amazonaws.com/neon-stockdatasets/image-caption",
            size,
            path,
        )
        self.max_images = max_images

    def load_data(self) -> str:
        """Return the path of the features.

        Raises:
            MissingData: the file is not there and cannot be downloaded.
        """
        return os.path.join(self.load_zip(self.filename, self.size), "features.pkl.gz")

    def gen_iterators(self) -> dict[str, ImageCaption]:
        """Make the iterators 'train' and 'test'."""
        path = self.load_data()
        return {"train": ImageCaption(path, self.max_images), "test": ImageCaptionTest(path)}


class Flickr30k(Flickr8k):
    """31,000 photographs with five sentences each; see `Flickr8k`.

    File: `flickr30k.zip`, unpacked to `flickr30k`, with `features.pkl.gz`.

    Example:
        assert Flickr30k().filename == "flickr30k.zip"
    """

    ARCHIVE = "flickr30k.zip", 0  # neon states the size of the other one


class Coco(Flickr8k):
    """The photographs of Microsoft COCO with five sentences each; see `Flickr8k`.

    File: `coco.zip`, 738051031 bytes, unpacked to `coco`, with `features.pkl.gz`.

    Example:
        assert Coco().size == 738051031
    """

    ARCHIVE = "coco.zip", 738051031
