"""Loaders configured as those of aeon, which neon read its images with."""

from __future__ import annotations

from typing import Any

from neonport.data.aeon_shim.loader import ManifestLoader as ManifestLoader
from neonport.data.dataloaderadapter import DataLoaderAdapter


def AeonDataLoader(config: dict[str, Any], adapter: bool = True) -> Any:
    r"""Minibatches of images and labels that a manifest lists, by aeon's configuration.

    aeon itself is no more. This reads its manifests and configurations for images and labels, with
    Pillow (extra `images`), one minibatch ahead of the training. Other kinds of data are refused.

    Args:
        config: see `ManifestLoader`.
        adapter: return a `DataLoaderAdapter`, which yields tensors; else the loader itself, which
            yields tuples of (name, array).

    Raises:
        ConfigurationError: keys or values that are not known, no Pillow, or a damaged manifest.
        MissingData: there is no such manifest.

    Example:
        from neonport.data.aeon_shim import AeonDataLoader
        from PIL import Image
        for n in range(8):
            Image.new("RGB", (32, 32), (n, 0, 0)).save(f"{n}.png")
        with open("index.tsv", "w") as file:
            _ = file.write("@FILE\tASCII_INT\n" + "".join(f"{n}.png\t{n % 2}\n" for n in range(8)))
        config = {"manifest_filename": "index.tsv", "batch_size": 4, "etl": [
            {"type": "image", "height": 28, "width": 28}, {"type": "label", "binary": False}]}
        for image, label in AeonDataLoader(config):
            assert image.shape == (3 * 28 * 28, 4) and label.shape == (1, 4)
    """
    loader = ManifestLoader(config)
    return DataLoaderAdapter(loader) if adapter else loader


__all__ = ["AeonDataLoader", "ManifestLoader"]
