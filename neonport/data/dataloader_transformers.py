"""What is done to the minibatches of a loader on the device: neon's transformers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import NervanaObject
from neonport.dtypes import FLOAT_NAMES
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.io.images import save_pixels

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class DataLoaderTransformer(NervanaObject):
    """Base of transformers: wraps a loader, whose other attributes stay visible.

    A loader yields tuples of tensors with samples as columns. Subclasses define `transform(t)`,
    which gets the tensor `index` of each tuple, or the whole tuple if `index` is None, and returns
    what stands in its place.

    Args:
        dataloader: a loader, or another transformer.
        index: place in the tuple.

    Raises:
        ConfigurationError: raised when iterating: `transform` returned nothing, or the tuple has no
            such place.

    Example:
        class Doubled(DataLoaderTransformer):
            def transform(self, t):
                t[:] = t * 2
                return t

        for x, t in Doubled(train, index=0):
            assert x.shape == (3, 4)
    """

    be: Backend
    neon_module = "neon.data.dataloader_transformers"

    def __init__(self, dataloader: Any, index: int | None = None) -> None:
        super().__init__()
        self.dataloader = dataloader
        self.index = index
        own = getattr(dataloader, "be", None)
        if own is not None:
            self.be = own

    def __getattr__(self, name: str) -> Any:
        if name == "dataloader" or name.startswith("__"):  # of one that is not made yet
            raise AttributeError(name)
        return getattr(self.dataloader, name)

    def transform(self, t: Any) -> Any:
        """What stands in the place of a tensor, or of the tuple."""
        raise NotImplementedError(f"{self.classnm} must define transform(t)")

    def __iter__(self) -> Iterator[Any]:
        return map(self._changed, self.dataloader)

    def in_order(self) -> Iterator[Any]:
        """One pass for evaluation; see `neonport.data.dataiterator.in_order`."""
        inner = getattr(self.dataloader, "in_order", None)
        return map(self._changed, self.dataloader if inner is None else inner())

    def _changed(self, batch: Any) -> list[Any]:
        parts = list(batch)
        if self.index is None:
            found = self.transform(parts)
            if found is None:
                raise self._nothing()
            return list(found)
        try:
            part = parts[self.index]
        except (IndexError, TypeError) as error:
            raise ConfigurationError(
                f"{self.classnm}: the loader yields {len(parts)} parts, there is no part "
                f"{self.index}"
            ) from error
        parts[self.index] = self.transform(part)
        if parts[self.index] is None:
            raise self._nothing()
        return parts

    def _buffer(self, shape: tuple[int, int], dtype: Any = None) -> Any:
        """The transformer's own tensor, made anew where shape or backend are others."""
        kept = vars(self).get("output")
        if kept is None or kept.shape != shape or kept.backend is not self.be:
            self.output = self.be.empty(shape, dtype=dtype)
        return self.output

    def _nothing(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.classnm}: transform returned None; it must return a tensor"
        )


class OneHot(DataLoaderTransformer):
    """Labels as one-hot columns: (1, N) becomes (nclasses, N).

    Args:
        dataloader: a loader, or another transformer.
        index: place of the labels in the tuple.
        nclasses: number of classes; a label that is none of them gives a column of zeros.

    Example:
        labels = be.array(np.array([[0, 2, 1, 0]]), dtype=np.int32)
        (t,) = next(iter(OneHot([(labels,)], index=0, nclasses=3)))
        assert t.get().argmax(axis=0).tolist() == [0, 2, 1, 0]
    """

    def __init__(self, dataloader: Any, index: int, nclasses: int) -> None:
        super().__init__(dataloader, index)
        self.nclasses = nclasses

    def transform(self, t: Any) -> Any:
        """One-hot columns, in a tensor of the transformer's own."""
        if t.shape[0] != 1:
            raise ShapeError(
                f"OneHot: part {self.index} has shape {t.shape}, labels must be (1, N); for "
                "several labels a sample use PixelWiseOneHot"
            )
        output = self._buffer((self.nclasses, t.shape[1]))
        output[:] = self.be.onehot(t, axis=0)
        return output


class PixelWiseOneHot(DataLoaderTransformer):
    """Labels of all pixels as one-hot maps: (H * W, N) becomes (nclasses * H * W, N).

    Args:
        dataloader: a loader, or another transformer.
        index: place of the labels in the tuple.
        nclasses: number of classes.

    Example:
        labels = be.array(np.arange(24).reshape(6, 4) % 3, dtype=np.int32)
        (t,) = next(iter(PixelWiseOneHot([(labels,)], index=0, nclasses=3)))
        assert (t.get().reshape(3, 6, 4).argmax(axis=0) == np.arange(24).reshape(6, 4) % 3).all()
    """

    def __init__(self, dataloader: Any, index: int, nclasses: int) -> None:
        super().__init__(dataloader, index)
        self.nclasses = nclasses

    def transform(self, t: Any) -> Any:
        """One-hot maps, in a tensor of the transformer's own."""
        pixels, samples = t.shape
        output = self._buffer((self.nclasses * pixels, samples))
        maps = output.reshape((self.nclasses, pixels * samples))
        maps[:] = self.be.onehot(t.reshape((1, pixels * samples)), axis=0)
        return output


class TypeCast(DataLoaderTransformer):
    """A tensor in another dtype.

    Args:
        dataloader: a loader, or another transformer.
        index: place of the tensor in the tuple.
        dtype: its new one.

    Example:
        pixels = be.array(np.full((3, 4), 255), dtype=np.uint8)
        (x,) = next(iter(TypeCast([(pixels,)], index=0, dtype=np.float32)))
        assert x.dtype == np.float32
    """

    def __init__(self, dataloader: Any, index: int, dtype: Any) -> None:
        super().__init__(dataloader, index)
        self.dtype = np.dtype(dtype)

    def transform(self, t: Any) -> Any:
        """The values, in a tensor of the transformer's own."""
        output = self._buffer(t.shape, self.dtype)
        output[:] = t
        return output


class Retuple(DataLoaderTransformer):
    """The parts of a tuple as (data, target), what a training takes.

    Args:
        dataloader: a loader, or another transformer.
        data: places of the inputs; several become a tuple.
        target: places of the targets; several become a tuple.

    Example:
        x, t = be.ones((3, 4)), be.ones((1, 4))
        (inputs, target) = next(iter(Retuple([(t, x, x)], data=(1, 2), target=(0,))))
        assert inputs[0] is x and target is t
    """

    def __init__(
        self, dataloader: Any, data: Sequence[int] = (0,), target: Sequence[int] = (1,)
    ) -> None:
        super().__init__(dataloader, None)
        self.data = tuple(data)
        self.target = tuple(target)
        if not self.data or not self.target:
            raise ConfigurationError("Retuple: data and target must name one place or more each")

    def transform(self, t: Any) -> Any:
        """(data, target) of a tuple."""
        try:
            return [self._picked(t, self.data), self._picked(t, self.target)]
        except IndexError as error:
            raise ConfigurationError(
                f"Retuple: the loader yields {len(t)} parts, data={self.data} and "
                f"target={self.target} name others"
            ) from error

    @staticmethod
    def _picked(t: Any, places: tuple[int, ...]) -> Any:
        return t[places[0]] if len(places) == 1 else tuple(t[place] for place in places)


class BGRMeanSubtract(DataLoaderTransformer):
    """Subtracts a number from each of three channels, in place.

    Args:
        dataloader: a loader, or another transformer.
        index: place of the images in the tuple, (3 * H * W, N) of a float dtype.
        pixel_mean: the numbers, in the order of the channels: blue, green, red as aeon has them.

    Example:
        (x,) = next(iter(BGRMeanSubtract([(be.zeros((12, 4)),)], index=0)))
        assert x.get()[:, 0].tolist() == [-127] * 4 + [-119] * 4 + [-104] * 4
    """

    def __init__(
        self, dataloader: Any, index: int, pixel_mean: Sequence[float] = (127, 119, 104)
    ) -> None:
        super().__init__(dataloader, index)
        self.pixel_mean = [float(number) for number in pixel_mean]
        if len(self.pixel_mean) != 3:
            raise ShapeError(f"BGRMeanSubtract: pixel_mean={pixel_mean!r} must be three numbers")

    def transform(self, t: Any) -> Any:
        """The images themselves, changed."""
        channels = _channels(self, t)
        for channel, mean in enumerate(self.pixel_mean):
            channels[channel] = channels[channel] - mean
        return t


class ValueNormalize(DataLoaderTransformer):
    """Maps a range of values to another one, linearly and in place.

    Args:
        dataloader: a loader, or another transformer.
        index: place of the images in the tuple, of a float dtype.
        source_range: lowest and highest value as they come.
        target_range: what becomes of them.

    Example:
        images = be.array(np.full((12, 4), 255))
        (x,) = next(iter(ValueNormalize([(images,)], 0, target_range=[-1, 1])))
        assert (x.get() == 1).all()
    """

    def __init__(
        self,
        dataloader: Any,
        index: int,
        source_range: Sequence[float] = (0.0, 255.0),
        target_range: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(dataloader, index)
        self.source_range, self.target_range = tuple(source_range), tuple(target_range)
        for name in ("source_range", "target_range"):
            pair = getattr(self, name)
            if len(pair) != 2 or (name == "source_range" and pair[0] == pair[1]):
                raise ConfigurationError(
                    f"ValueNormalize: {name}={list(pair)} must be two numbers, lowest and highest"
                )

    def transform(self, t: Any) -> Any:
        """The tensor itself, changed."""
        _need_float(self, t)
        (low, high), (first, last) = self.source_range, self.target_range
        t[:] = (t - low) * ((last - first) / (high - low)) + first
        return t


class DumpImage(DataLoaderTransformer):
    """Writes one image of each minibatch as a PNG file. Needs the extra `images`.

    Args:
        dataloader: a loader, or another transformer.
        index: place of the images in the tuple; values 0 to 255, channel after channel.
        image_index: which sample of the minibatch.
        outshape: (channels, height, width); one channel is grey, three are blue, green, red.
        output_directory: folder, made if it is not there; default the current one.

    Attributes:
        count: files written; they are called `image_0.png`, `image_1.png` and so on.

    Raises:
        ConfigurationError: Pillow is not installed; or, when iterating, an image of another size.

    Example:
        images = be.array(np.arange(48).reshape(12, 4), dtype=np.uint8)
        _ = next(iter(DumpImage([(images,)], 0, image_index=1, outshape=(3, 2, 2))))
        with open("image_0.png", "rb") as file:
            assert file.read(4)[1:] == b"PNG"
    """

    def __init__(
        self,
        dataloader: Any,
        index: int,
        image_index: int,
        outshape: Sequence[int],
        output_directory: str | None = None,
    ) -> None:
        super().__init__(dataloader, index)
        self.image_index = image_index
        self.outshape = tuple(int(n) for n in outshape)
        if len(self.outshape) != 3 or self.outshape[0] not in (1, 3):
            raise ShapeError(
                f"DumpImage: outshape={outshape!r} must be (channels, height, width) with one or "
                "three channels"
            )
        self.output_directory = os.path.expanduser(output_directory or ".")
        self.count = 0

    def transform(self, t: Any) -> Any:
        """The images themselves, unchanged."""
        features, samples = t.shape
        if features != int(np.prod(self.outshape)) or not 0 <= self.image_index < samples:
            raise ConfigurationError(
                f"DumpImage: part {self.index} of shape {t.shape} has no image {self.image_index} "
                f"of shape {self.outshape}"
            )
        pixels = t[:, self.image_index : self.image_index + 1].get().reshape(self.outshape)
        os.makedirs(self.output_directory, exist_ok=True)
        path = os.path.join(self.output_directory, f"image_{self.count}.png")
        save_pixels(pixels[::-1] if len(pixels) == 3 else pixels, path)
        self.count += 1
        return t


def _need_float(owner: DataLoaderTransformer, t: Any) -> None:
    if t.dtype.name not in FLOAT_NAMES:
        raise DtypeError(
            f"{owner.classnm}: part {owner.index} has dtype {t.dtype}, which has no room for the "
            "result; put a TypeCast to float32 before"
        )


def _channels(owner: DataLoaderTransformer, t: Any) -> Any:
    """Images of three channels as (3, everything else)."""
    _need_float(owner, t)
    if t.shape[0] % 3:
        raise ShapeError(
            f"{owner.classnm}: part {owner.index} of shape {t.shape} is no image of three channels"
        )
    return t.reshape((3, t.shape[0] // 3 * t.shape[1]))
