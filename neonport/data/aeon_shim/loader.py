"""A loader of images and labels that a manifest lists."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from neonport.base import NervanaObject
from neonport.data.aeon_shim.config import LoaderConfig, output_type
from neonport.data.aeon_shim.manifest import read_manifest
from neonport.data.rows.passes import Minibatch, Passes
from neonport.data.sources.prefetching import ahead
from neonport.errors import ConfigurationError
from neonport.io.downloads import MissingData
from neonport.io.images import channels_first, read_image

Batch = tuple[tuple[str, np.ndarray], ...]
Reader = Callable[[str, str, Any], np.ndarray]  # kind of column, cell, random numbers


class ManifestLoader:
    r"""Minibatches of images and labels as arrays on the host, one sample a row.

    One minibatch is made while the one before is in use. Which random changes an image gets follows
    from `random_seed`, the number of the pass and its place in it, so that a training that is
    resumed sees the same ones. One pass yields each sample once; a last minibatch that is not full
    is filled up with the first samples of the next pass.

    Args:
        config: a dict with these keys, in the form of aeon 1.0:

            - `manifest_filename`: see `read_manifest`; `manifest_root`: folder of its files;
            - `batch_size`: default that of the backend;
            - `etl`: a list with a dict for each column of the manifest. `type` is `"image"`, with
              `height`, `width`, `channels` (3 or 1), `channel_major` (default True: (C, H, W)),
              `bgr_to_rgb` (default False: blue, green, red) and `output_type`; or `"label"`, with
              `binary` (default True: 4 bytes of a file) and `output_type`. `name` is how it is
              called in a minibatch, default the type;
            - `augmentation`: a list with a dict for images: `scale`, `do_area_scale`, `center`
              (default True), `flip_enable`, `horizontal_distortion`, `angle`, `padding`,
              `resize_short_size`, `contrast`, `brightness`, `saturation`, `lighting`; see
              `ImageAugmentation`;
            - `shuffle_manifest`: one other order for all passes; `shuffle_enable`: another one in
              each pass; `random_seed`, default 0; `subset_fraction`: part of the manifest;
            - `iteration_mode`: `"ONCE"`, `"COUNT"` with `iteration_mode_count` minibatches a pass,
              or `"INFINITE"`; `decode_thread_count`: threads that read images.

    Attributes:
        config: the dict.
        ndata: samples.
        axes_info: (name, sizes by axis) of each part of a sample.
        batch_size: samples of a minibatch.

    Raises:
        ConfigurationError: keys or values that are not known, no batch size, no Pillow, or a
            damaged manifest.
        MissingData: there is no such manifest; or, when iterating, no such file.
        DamagedImage: raised when iterating.

    Example:
        from neonport.data.aeon_shim import ManifestLoader
        with open("labels.tsv", "w") as file:
            _ = file.write("@ASCII_INT\n" + "1\n2\n3\n" * 4)
        config = {"manifest_filename": "labels.tsv", "etl": [{"type": "label", "binary": False}]}
        ((name, labels),) = next(iter(ManifestLoader(config)))
        assert name == "label" and labels.tolist() == [[1], [2], [3], [1]]
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        be: Any = NervanaObject.be
        checked = LoaderConfig(config, None if be is None else be.bsz)
        if checked.batch_size is None:
            raise ConfigurationError("AeonDataLoader: config needs batch_size")
        self.batch_size = checked.batch_size
        self.manifest = read_manifest(checked.manifest, checked.root)
        if len(self.manifest.kinds) != len(checked.parts):
            raise ConfigurationError(
                f"AeonDataLoader: {self.manifest.path!r} has {len(self.manifest.kinds)} columns, "
                f"etl describes {len(checked.parts)}"
            )
        self.ndata = max(1, int(checked.share * len(self.manifest.rows)))
        self.axes_info: list[tuple[str, dict[str, int]]] = []
        self._readers: list[Reader] = []
        for part in checked.parts:
            axes, reader = (_image if part["type"] == "image" else _label)(checked, part)
            self.axes_info.append((part.get("name") or part["type"], axes))
            self._readers.append(reader)
        names = [name for name, _ in self.axes_info]
        if len(set(names)) < len(names):
            raise ConfigurationError(
                f"AeonDataLoader: etl has several parts of one name ({', '.join(names)}); give "
                "each a name of its own"
            )
        fixed = checked.shuffle_manifest and not checked.shuffle_enable
        shuffle = checked.shuffle_manifest or checked.shuffle_enable
        self._passes = Passes("AeonDataLoader", self.ndata, shuffle, checked.seed, fixed)
        self._endless, self._count = checked.endless, checked.count
        self._pool = ThreadPoolExecutor(checked.threads) if checked.threads > 1 else None

    @property
    def nbatches(self) -> int:
        """Minibatches of the next pass."""
        return self._count or self._passes.count(self.batch_size)

    def reset(self) -> None:
        """Begin the next pass at the first sample (of the next order, if shuffled)."""
        self._passes.start = 0

    def get_state(self) -> dict[str, int]:
        """Where the next pass begins, its number, and the seed."""
        return self._passes.get_state()

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called."""
        self._passes.set_state(state)

    def __iter__(self) -> Iterator[Batch]:
        left = self._count
        while left is None or left > 0:
            for batch in self._read_all(self._passes.plan(self.batch_size), False):
                yield batch
                if left is not None:
                    left -= 1
                    if not left:
                        return
            if left is None and not self._endless:
                return

    def in_order(self) -> Iterator[Batch]:
        """One pass in the order of the manifest, without random changes."""
        return self._read_all(self._passes.in_order(self.batch_size), True)

    def _read_all(self, plan: Iterator[Minibatch], evaluation: bool) -> Iterator[Batch]:
        made = ((batch, self._read(batch, evaluation)) for batch in plan)
        with closing(ahead(made, 1, lambda item: None)) as items:
            for batch, found in items:
                if not evaluation:
                    self._passes.arrived(batch)
                yield found

    def _read(self, batch: Minibatch, evaluation: bool) -> Batch:
        """The samples of a minibatch; a part of all of them is one array."""

        def sample(place: int, row: int) -> list[np.ndarray]:
            rng = None if evaluation else self._passes.generator(batch, place)
            cells = zip(self._readers, self.manifest.kinds, self.manifest.rows[row], strict=True)
            return [reader(kind, cell, rng) for reader, kind, cell in cells]

        rows = [int(row) for row in batch.rows]
        run = map if self._pool is None else self._pool.map
        columns = zip(*run(sample, range(len(rows)), rows), strict=True)
        names = [name for name, _ in self.axes_info]
        return tuple((name, np.stack(column)) for name, column in zip(names, columns, strict=True))


def _image(config: LoaderConfig, part: Mapping[str, Any]) -> tuple[dict[str, int], Reader]:
    """Axes of images, and what reads one."""
    augment, dtype = config.image_augmentation(part), output_type(part, "uint8_t")
    channels = part.get("channels", 3)
    if channels not in (1, 3):
        raise ConfigurationError(f"AeonDataLoader: channels={channels!r} must be 1 or 3")
    first, rgb = part.get("channel_major", True), part.get("bgr_to_rgb", False)

    def read(kind: str, cell: str, rng: Any) -> np.ndarray:
        if kind != "FILE":
            raise ConfigurationError(
                f"AeonDataLoader: images stand in files, not in {kind} columns"
            )
        try:
            image = read_image(cell, channels)
        except OSError as error:
            raise _missing(cell, error) from error
        pixels = channels_first(augment.changed(image, rng))
        pixels = pixels if rgb else pixels[::-1]
        return (pixels if first else pixels.transpose(1, 2, 0)).astype(dtype)

    sizes = {"channels": channels, "height": part["height"], "width": part["width"]}
    order = ("channels", "height", "width") if first else ("height", "width", "channels")
    return {axis: int(sizes[axis]) for axis in order}, read


def _label(config: LoaderConfig, part: Mapping[str, Any]) -> tuple[dict[str, int], Reader]:
    """Axes of labels, and what reads one."""
    binary, dtype = part.get("binary", True), output_type(part, "uint32_t")

    def read(kind: str, cell: str, rng: Any) -> np.ndarray:
        content = cell.encode()
        if kind == "FILE":
            try:
                with open(cell, "rb") as file:
                    content = file.read(64)
            except OSError as error:
                raise _missing(cell, error) from error
        try:
            if kind == "FILE" and binary:
                (value,) = struct.unpack("<i", content)
            else:
                value = float(content) if dtype.kind == "f" else int(content)
            return np.array([value], np.int64 if dtype.kind != "f" else np.float64).astype(dtype)
        except (struct.error, ValueError) as error:
            raise ConfigurationError(
                f'AeonDataLoader: {cell!r} is no label ({error}); one in words has "binary": False'
            ) from error

    return {"1": 1}, read


def _missing(path: str, error: OSError) -> MissingData:
    return MissingData(
        f"AeonDataLoader: {path!r}, which the manifest lists, cannot be read ({error.strerror}); "
        "manifest_root is the folder of its files"
    )
