"""DeconvCallback: what the maps of convolutions react to, as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.callbacks.callback import Callback
from neonport.callbacks.records.store import create_late
from neonport.data.checks import check_dataset
from neonport.data.dataiterator import in_order
from neonport.errors import ConfigurationError
from neonport.layers.batchnorm import BatchNorm
from neonport.layers.bias import Bias
from neonport.layers.windows.convolution import Convolution
from neonport.layers.windows.pooling import Pooling
from neonport.log import logger
from neonport.tensor.tensor import Tensor


class DeconvCallback(Callback):
    """Record, when training ends, the strongest activation of each map and the pixels behind it.

    For the maps of every Convolution of a chain: the image of `valid_set` and the place with the
    largest activation, and guided backpropagation (Springenberg et al., 2015) of that activation
    alone down to the pixels. In the group `deconv`, as `neonport plot` reads it.

    Args:
        train_set: ignored, as in neon.
        valid_set: data iterator with images (C, H, W).
        max_fm: maps of a layer, the first ones.
        dataset_pct: share of the batches to search, in percent; one batch more is.

    Raises:
        ConfigurationError: a share or number is out of its range.

    Example:
        images = ArrayIterator(np.random.rand(8, 36), np.arange(8) % 3, nclass=3, lshape=(1, 6, 6))
        net = Model([Conv((3, 3, 4), Gaussian(), activation=Rectlin()), Affine(3, Gaussian())])
        callbacks = Callbacks(net, progress_bar=False)
        callbacks.add_callback(DeconvCallback(images, images, max_fm=2))
        net.fit(images, cost, optimizer, num_epochs=1, callbacks=callbacks)
        assert callbacks.callback_data["deconv/max_act/0000/vis"].shape == (2, 6, 6, 1)
    """

    reads_minibatches = False

    def __init__(
        self, train_set: Any, valid_set: Any, max_fm: int = 16, dataset_pct: float = 25
    ) -> None:
        super().__init__(epoch_freq=None, minibatch_freq=None)
        check_dataset(self.classnm, valid_set, ("nbatches", "reset"))
        if isinstance(max_fm, bool) or not isinstance(max_fm, int) or max_fm < 1:
            raise ConfigurationError(f"DeconvCallback: max_fm={max_fm!r} must be 1 or more maps")
        if not 0 <= dataset_pct <= 100:
            raise ConfigurationError(
                f"DeconvCallback: dataset_pct={dataset_pct!r} is no percentage"
            )
        self.train_set = train_set
        self.valid_set = valid_set
        self.max_fm = max_fm
        self.dataset_pct = dataset_pct

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that the model is a chain with convolutions of images.

        Raises:
            ConfigurationError: it is not.
        """
        _convolutions(model)

    def on_train_end(self, callback_data: Any, model: Any) -> None:
        """Search, go back to the pixels, and record."""
        size = round(self.dataset_pct / 100 * self.valid_set.nbatches) + 1
        strongest = [_Strongest(i, layer, self.max_fm) for i, layer in _convolutions(model)]
        for number, (x, _) in enumerate(in_order(self.valid_set)):
            if number >= size:
                break
            model.fprop(x, inference=True)
            pixels = None
            for found in strongest:
                better = found.look(number, model.be)
                if better.any():
                    pixels = x.get() if pixels is None else pixels
                    found.take(better, pixels)
        if not all(found.known for found in strongest):
            raise ConfigurationError("DeconvCallback: the valid_set gave no batch: is it empty?")
        group = callback_data.create_group("deconv")
        self._store_images(group, strongest, model.layers.in_shape)
        for found in strongest:
            self._store_layer(group, found, model)

    def _store_layer(self, group: Any, found: _Strongest, model: Any) -> None:
        folder = f"max_act/{found.index:04d}"
        pictures = _pictures(found.backwards(model), model.layers.in_shape)
        create_late(group, f"{folder}/batch_img", _narrow(found.batch_img, np.uint16))
        create_late(group, f"{folder}/fm_loc", _narrow(found.place[:, None], np.int16))
        create_late(group, f"{folder}/vis", pictures)
        create_late(group, f"{folder}/activation", found.activation[:, None].astype(np.float32))

    def _store_images(self, group: Any, strongest: list[_Strongest], shape: Any) -> None:
        """Each image once, by its batch; an attribute says where in the array which image is."""
        batches: dict[int, dict[int, np.ndarray]] = {}
        for found in strongest:
            for (batch, image), pixels in zip(found.batch_img, found.pixels.T, strict=True):
                batches.setdefault(int(batch), {})[int(image)] = pixels
        for batch, images in sorted(batches.items()):
            numbers = sorted(images)
            pictures = _pictures(np.stack([images[n] for n in numbers], axis=1), shape)
            data = np.ascontiguousarray(pictures.transpose(1, 2, 3, 0))
            dataset = create_late(
                group, f"img/batch_{batch}/HWC_uint8", data, compression="gzip", shuffle=True
            )
            for position, number in enumerate(numbers):
                dataset.attrs[str(number)] = position


class _Strongest:
    """The largest activations of the first maps of a layer, as far as searched.

    Args:
        index: of the layer in its chain.
        layer: the layer.
        maps: how many to look at.
    """

    def __init__(self, index: int, layer: Any, maps: int) -> None:
        self.index = index
        self.layer = layer
        maps = min(maps, layer.nglayer.K)
        self.activation = np.full(maps, -np.inf)
        self.place = np.zeros(maps, np.int64)
        self.batch_img = np.zeros((maps, 2), np.int64)
        self.pixels: Any = None

    @property
    def known(self) -> bool:
        """Whether every map has an image."""
        return self.pixels is not None

    def look(self, batch: int, be: Any) -> np.ndarray:
        """Compare with the activations that the layer has now; say which maps have a larger one."""
        maps, columns = len(self.place), self.layer.outputs.shape[1]
        rows = self.layer.outputs.reshape((self.layer.nglayer.K, -1))[:maps]
        largest = be.empty((maps, 1), dtype=np.float32)
        where = be.empty((maps, 1), dtype=np.int32)
        be.assign_many([(largest, be.max(rows, axis=1)), (where, be.argmax(rows, axis=1))])
        value, position = largest.get()[:, 0], where.get()[:, 0]
        better = (value > self.activation) | (not self.known)
        self.activation[better] = value[better]
        self.place[better] = position[better] // columns
        self.batch_img[better, 0] = batch
        self.batch_img[better, 1] = position[better] % columns
        return better

    def take(self, better: np.ndarray, pixels: np.ndarray) -> None:
        """Keep the images of the maps that have a larger activation now."""
        if self.pixels is None:
            self.pixels = np.zeros((pixels.shape[0], len(better)), np.float32)
        self.pixels[:, better] = pixels[:, self.batch_img[better, 1]]

    def backwards(self, model: Any) -> np.ndarray:
        """Guided backpropagation of each map's activation alone, (pixels, maps)."""
        be = model.be
        size, maps = be.bsz, len(self.place)
        x = be.zeros((self.pixels.shape[0], size))
        seed = np.zeros(self.layer.outputs.shape, np.float32)
        places = seed.shape[0] // self.layer.nglayer.K
        start = be.empty(seed.shape)
        found = np.zeros_like(self.pixels)
        for first in range(0, maps, size):
            chosen = np.arange(first, min(first + size, maps))
            columns = np.arange(len(chosen))
            batch = np.zeros(x.shape, np.float32)
            batch[:, columns] = self.pixels[:, chosen]
            x.set(batch)
            model.fprop(x, inference=True)
            seed[:] = 0
            seed[chosen * places + self.place[chosen], columns] = self.activation[chosen]
            start.set(seed)
            down = _down(start, model.layers.layers[: self.index + 1], be)
            found[:, chosen] = down.get()[:, columns]
        return found


def _convolutions(model: Any) -> list[tuple[int, Any]]:
    """The convolutions of a chain from which the way to the pixels is known, with their index.

    Raises:
        ConfigurationError: there is none, or the inputs are no images.
    """
    shape = model.layers.in_shape
    if not isinstance(shape, tuple) or len(shape) != 3:
        raise ConfigurationError(
            f"DeconvCallback: inputs of shape {shape} are no images; the data need a shape "
            "(channels, height, width): ArrayIterator(..., lshape=(3, 32, 32))"
        )
    found = []
    for index, layer in enumerate(model.layers.layers):
        if isinstance(layer, Convolution):
            found.append((index, layer))
        elif not _is_passed(layer):
            above = [x.name for x in model.layers.layers[index:] if isinstance(x, Convolution)]
            if above:
                logger.warning(
                    "DeconvCallback: the way back through %s %r is not known; no pictures of %s",
                    layer.classnm, layer.name, ", ".join(above),
                )  # fmt: skip
            break
    if not found:
        raise ConfigurationError(
            "DeconvCallback: the model has no Convolution at its beginning; leave the callback out"
        )
    return found


def _is_passed(layer: Any) -> bool:
    """Whether `_down` knows the way back through a layer that is no convolution."""
    if type(layer) is BatchNorm or isinstance(layer, (Pooling, Bias)):
        return True
    plain = not hasattr(layer, "layers") and not layer.has_params
    return plain and layer.in_shape == layer.out_shape


def _down(error: Tensor, layers: list[Any], be: Any) -> Tensor:
    """Take an activation from the outputs of the last layer down to the inputs of the first."""
    for position, layer in reversed(list(enumerate(layers))):
        if isinstance(layer, Convolution):
            positive = be.empty(error.shape, dtype=layer.outputs.dtype)
            positive[:] = be.maximum(error, 0)
            error = be.empty_like(layer.inputs)
            be.bprop_conv(layer.nglayer, layer.W, positive, error)
            if position:  # only what was active below; pixels may have any sign
                error[:] = error * (layer.inputs > 0)
        elif isinstance(layer, Pooling):
            above = be.empty(error.shape, dtype=layer.outputs.dtype)
            above[:] = error
            error = be.empty_like(layer.inputs)
            be.bprop_pool(layer.nglayer, above, error, layer.argmax)
        elif isinstance(layer, BatchNorm):
            scaled = be.empty(error.shape)
            rows, out = (t.reshape((layer.nfm, -1)) for t in (error, scaled))
            out[:] = rows * (layer.gamma / be.sqrt(layer.gvar + layer.eps))
            error = scaled
        # others keep the shape: biases, activations (whose gate is that of the layer above), ...
    return error


def _pictures(pixels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Columns of pixels as images (n, H, W, C) of bytes; each uses the whole range."""
    images = np.nan_to_num(pixels.T.astype(np.float64)).reshape(-1, *shape).transpose(0, 2, 3, 1)
    low = images.min(axis=(1, 2, 3), keepdims=True)
    span = images.max(axis=(1, 2, 3), keepdims=True) - low
    scaled: np.ndarray = np.rint((images - low) / np.where(span > 0, span, 1) * 255)
    return scaled.astype(np.uint8)


def _narrow(values: np.ndarray, dtype: type) -> np.ndarray:
    """Neon's dtype, or 32 bits where that cannot hold the numbers."""
    fits = values.size == 0 or values.max() <= np.iinfo(dtype).max
    return values.astype(dtype if fits else np.int32)
