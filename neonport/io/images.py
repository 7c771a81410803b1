"""Images in files, through Pillow (extra `images`)."""

from __future__ import annotations

import io
import os
from typing import IO, Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.io.atomic_write import write_file

MODES = {1: "L", 3: "RGB"}  # Pillow's name for images of so many channels


class DamagedImage(ConfigurationError):
    """A file that should be an image is none, or is damaged."""


def pillow(what: str) -> Any:
    """Pillow's module `Image`.

    Args:
        what: needs it; for the error.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ConfigurationError(
            f"{what} needs Pillow; install it with `pip install neonport[images]`"
        ) from error
    return Image


def read_image(source: str | os.PathLike[str] | bytes, channels: int = 3, name: str = "") -> Any:
    """Decode an image of any format that Pillow knows.

    Args:
        source: path, or the contents of a file.
        channels: 1 for grey, 3 for red, green, blue; other images are converted.
        name: what to call it in errors; default the path.

    Returns:
        A PIL image.

    Raises:
        ConfigurationError: Pillow is not installed, or another number of channels.
        DamagedImage: it is no image or damaged, or has far more pixels than an image should.
        OSError: the file cannot be opened.
    """
    image_module = pillow("reading images")
    if channels not in MODES:
        raise ConfigurationError(f"an image has 1 channel (grey) or 3, not {channels!r}")
    what = name or repr("an image" if isinstance(source, bytes) else os.fspath(source))
    if isinstance(source, bytes):
        return _decoded(image_module, io.BytesIO(source), channels, what)
    with open(source, "rb") as file:
        return _decoded(image_module, file, channels, what)


def _decoded(image_module: Any, file: IO[bytes], channels: int, what: str) -> Any:
    try:
        with image_module.open(file) as image:
            return image.convert(MODES[channels])
    except image_module.DecompressionBombError as error:
        raise DamagedImage(f"{what} is no image that is read: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        raise DamagedImage(
            f"{what} is damaged or no image ({error}); take it out, or get another copy"
        ) from error


def save_pixels(pixels: np.ndarray, path: str) -> None:
    """Write pixels as an image; the ending of the path says in which format.

    Args:
        pixels: (channels, height, width) of 1 or 3 channels, 0 to 255; others are clipped.
        path: the file, written whole or not at all.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    image_module = pillow("writing images")
    data = np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    image = image_module.fromarray(data[:, :, 0] if data.shape[2] == 1 else data)
    kind = image_module.registered_extensions()[os.path.splitext(path)[1].lower()]
    write_file(path, lambda file: image.save(file, format=kind))


def channels_first(image: Any) -> np.ndarray:
    """A PIL image as uint8 (channels, height, width)."""
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
