"""Random changes of images, drawn from a generator that the caller seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError, ShapeError
from neonport.io.images import channels_first, pillow

Range = float | Sequence[float]

# A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural
# networks", 2012: standard deviations and axes of the colours of ImageNet, red, green, blue, 0 to 1
_SPREADS = np.array([0.2175, 0.0188, 0.0045])
_AXES = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


class ImageAugmentation:
    """Changes an image at random and brings it to one size. Needs the extra `images`.

    In this order: the shorter side is brought to `resize_short`, black is added around
    (`padding`), the image is turned, a part of it is cut out and brought to `size`, mirrored, and
    its colours are changed. Without a generator, as in evaluation, nothing is random: the largest
    part that `scale` allows is cut out of the middle, and the rest is left out.

    Each pair (low, high) is a range from which a number is drawn evenly.

    Args:
        size: height and width of the result; None leaves what was cut out as it is.
        resize_short: pixels that the shorter side gets before; None leaves it.
        padding: black pixels added at each side before a part is cut out.
        crop: the part that is cut out has `size` itself, so that no pixel is scaled; `scale` and
            `ratio` have no effect then.
        scale: else how large that part is, as a share of the largest one that fits.
        area: whether `scale` is the share of the image's area, not of its sides.
        ratio: by which the shape of that part differs from the shape of `size`; 1 keeps it.
        center: cut out of the middle, not at a random place.
        flip: mirror every second image, left and right.
        angle: degrees to turn by; corners become black.
        brightness, contrast, saturation: factors; 1 changes nothing.
        lighting: mean and standard deviation of a shift of the colours along the axes in which
            those of photographs vary (Krizhevsky and others, 2012).
        mean: subtracted from the result, a number or one a channel (red, green, blue).
        std: by which the result is divided then, in the same way.

    Raises:
        ConfigurationError: a range that is none, or sizes below 1; Pillow is not installed.

    Example:
        augment = ImageAugmentation(size=(24, 24), padding=4, crop=True, flip=True, std=255)
        image = np.full((3, 24, 24), 255, np.uint8)
        assert augment(image, np.random.RandomState(0)).shape == (3, 24, 24)
        assert (augment(image) == 1).all()  # without a generator: the middle
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        resize_short: int | None = None,
        padding: int = 0,
        crop: bool = False,
        scale: Range = 1.0,
        area: bool = False,
        ratio: Range = 1.0,
        center: bool = False,
        flip: bool = False,
        angle: Range = 0.0,
        brightness: Range = 1.0,
        contrast: Range = 1.0,
        saturation: Range = 1.0,
        lighting: tuple[float, float] = (0.0, 0.0),
        mean: Any = None,
        std: Any = None,
    ) -> None:
        self._pillow = pillow("ImageAugmentation")
        self.size = None if size is None else tuple(int(n) for n in size)
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ConfigurationError(f"ImageAugmentation: size={size!r} must be (height, width)")
        if (resize_short is not None and resize_short < 1) or padding < 0:
            raise ConfigurationError(
                f"ImageAugmentation: resize_short={resize_short!r} must be 1 pixel or more, "
                f"padding={padding!r} 0 or more"
            )
        self.resize_short, self.padding = resize_short, int(padding)
        self.scale = _range("scale", scale, 0.0, 1.0)
        self.crop, self.area = bool(crop), bool(area)
        self.center, self.flip = bool(center), bool(flip)
        self.ratio = _range("ratio", ratio, 0.0)
        self.angle = _range("angle", angle)
        self.factors = {
            "Brightness": _range("brightness", brightness, 0.0),
            "Contrast": _range("contrast", contrast, 0.0),
            "Color": _range("saturation", saturation, 0.0),
        }
        if self.scale[0] == 0 or self.ratio[0] == 0:
            raise ConfigurationError("ImageAugmentation: scale and ratio must be above 0")
        self.lighting = float(lighting[0]), float(lighting[1])
        self.mean, self.std = mean, std

    def __call__(self, image: Any, rng: np.random.RandomState | None = None) -> np.ndarray:
        """The changed image.

        Args:
            image: a PIL image, or uint8 (height, width), (channels, height, width) or
                (height, width, channels) with 1 or 3 channels.
            rng: what is random is drawn from it; None changes nothing at random.

        Returns:
            (channels, height, width): uint8, or float32 where `mean` or `std` is given.

        Raises:
            ShapeError: another shape, or dtype.
        """
        pixels = channels_first(self.changed(self._as_image(image), rng))
        if self.mean is None and self.std is None:
            return pixels
        mean = np.reshape(0.0 if self.mean is None else self.mean, (-1, 1, 1))
        std = np.reshape(1.0 if self.std is None else self.std, (-1, 1, 1))
        return ((pixels - mean) / std).astype(np.float32)

    def _as_image(self, image: Any) -> Any:
        if isinstance(image, self._pillow.Image):
            return image if image.mode in ("L", "RGB") else image.convert("RGB")
        pixels = np.asarray(image)
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[2] not in (1, 3):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        if pixels.dtype != np.uint8 or (pixels.ndim != 2 and pixels.shape[2:] != (3,)):
            raise ShapeError(
                f"ImageAugmentation: an array of shape {pixels.shape} and dtype {pixels.dtype} is "
                "no image; give uint8 (height, width), (channels, height, width) or (height, "
                "width, channels) with 1 or 3 channels"
            )
        return self._pillow.fromarray(np.ascontiguousarray(pixels))

    def changed(self, image: Any, rng: np.random.RandomState | None = None) -> Any:
        """The changed image, as PIL gives and takes it; without `mean` and `std`."""
        bilinear = self._pillow.Resampling.BILINEAR
        if self.resize_short is not None:
            factor = self.resize_short / min(image.size)
            image = image.resize([max(1, round(n * factor)) for n in image.size], bilinear)
        if self.padding:
            wider = self._pillow.new(image.mode, [n + 2 * self.padding for n in image.size])
            wider.paste(image, (self.padding, self.padding))
            image = wider
        angle = _drawn(self.angle, rng, 0.0)
        if angle:
            image = image.rotate(angle, bilinear)
        image = self._cut(image, rng)
        if self.flip and rng is not None and rng.randint(2):
            image = image.transpose(self._pillow.Transpose.FLIP_LEFT_RIGHT)
        return self._coloured(image, rng)

    def _cut(self, image: Any, rng: np.random.RandomState | None) -> Any:
        """A part of an image, brought to the size."""
        width, height = image.size
        rows, columns = (height, width) if self.size is None else self.size
        if self.crop:
            wide, high = float(min(width, columns)), float(min(height, rows))
        else:
            share = _drawn(self.scale, rng, self.scale[1])
            aspect = columns / rows * _drawn(self.ratio, rng, 1.0)
            if self.area:
                wide = min(width, (share * width * height * aspect) ** 0.5)
                high = min(height, (share * width * height / aspect) ** 0.5)
            else:
                wide = share * min(width, height * aspect)
                high = share * min(height, width / aspect)
        x, y = (width - wide) / 2, (height - high) / 2
        if rng is not None and not self.center:
            x, y = rng.uniform(0, width - wide), rng.uniform(0, height - high)
        if self.crop:  # whole pixels, so that none is changed
            x, y = float(round(x)), float(round(y))
        if self.size is None:
            columns, rows = max(1, round(wide)), max(1, round(high))
        box = (x, y, x + wide, y + high)
        if box == (0, 0, *image.size) and image.size == (columns, rows):
            return image
        return image.resize((columns, rows), self._pillow.Resampling.BILINEAR, box=box)

    def _coloured(self, image: Any, rng: np.random.RandomState | None) -> Any:
        from PIL import ImageEnhance

        for name, bounds in self.factors.items():
            factor = _drawn(bounds, rng, 1.0)
            if factor != 1:
                image = getattr(ImageEnhance, name)(image).enhance(factor)
        if rng is not None and self.lighting != (0.0, 0.0) and image.mode == "RGB":
            shift = _AXES @ (rng.normal(*self.lighting, size=3) * _SPREADS) * 255
            pixels = np.clip(np.rint(np.asarray(image) + shift), 0, 255).astype(np.uint8)
            image = self._pillow.fromarray(pixels)
        return image


def _range(name: str, value: Any, low: float | None = None, high: float | None = None) -> Any:
    """A range as a pair of floats."""
    try:
        pair = [float(value)] * 2 if np.ndim(value) == 0 else [float(n) for n in value]
    except (TypeError, ValueError):
        pair = []
    inside = len(pair) == 2 and all(np.isfinite(pair)) and pair[0] <= pair[1]
    if not inside or (low is not None and pair[0] < low) or (high is not None and pair[1] > high):
        limits = "" if low is None else f" from {low:g}" + ("" if high is None else f" to {high:g}")
        raise ConfigurationError(
            f"ImageAugmentation: {name}={value!r} must be a number or a pair (low, high){limits}"
        )
    return pair[0], pair[1]


def _drawn(bounds: tuple[float, float], rng: np.random.RandomState | None, usual: float) -> float:
    """A number of a range; without a generator the usual one."""
    return usual if rng is None else bounds[0] if bounds[0] == bounds[1] else rng.uniform(*bounds)
