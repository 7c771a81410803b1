"""Readers of neon's layout: curves, histograms and deconvolution images as arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.errors import RecordsError
from neonport.visualizations.copying import copy_of
from neonport.visualizations.records import NAMES, Records

Source = str | os.PathLike[str] | Any
Curve = tuple[str, np.ndarray, np.ndarray]
Histogram = tuple[str, np.ndarray, int, int, int, int]
Layer = tuple[str, list[tuple[int, np.ndarray, np.ndarray]]]

GROUPS = ("cost", "metrics", "multicost", "gan")  # of curves
BATCHES, EPOCHS = 10**9, 10**7  # more of them is no count


def read_records(filename: str | os.PathLike[str]) -> Any:
    """Read all of a file that the functions below look at, once.

    Returns:
        What they take in the place of a file's name.

    Raises:
        RecordsError: the file is missing, damaged, or too large.
    """
    return copy_of(os.fsdecode(filename), ("time_markers", *GROUPS, "hist", "deconv"))


def _opened(source: Source, group: str) -> Records:
    if not hasattr(source, "keys"):
        source = copy_of(os.fsdecode(source), ("time_markers", group))
    return Records(source, getattr(source, "filename", None) or "callback_data")


def create_minibatch_x(
    minibatches: int, minibatch_markers: Any, epoch_axis: bool = True
) -> np.ndarray:
    """Where on an axis each minibatch stands.

    Args:
        minibatches: how many.
        minibatch_markers: minibatches that were done at the end of each epoch.
        epoch_axis: count in epochs: the epoch's index and the share of its minibatches before this
            one; else the minibatches are counted.

    Returns:
        (minibatches,) float64.

    Example:
        assert create_minibatch_x(4, [2, 4]).tolist() == [0, 0.5, 1, 1.5]
    """
    numbers = np.arange(minibatches, dtype=np.float64)
    markers = np.asarray(minibatch_markers, dtype=np.float64)
    if not epoch_axis or not markers.size:
        return numbers
    starts = np.concatenate([[0.0], markers])
    lengths = np.diff(starts)
    lengths = np.append(lengths, lengths[-1])  # an epoch that is not complete
    epoch = np.searchsorted(markers, numbers, side="right")
    return epoch + (numbers - starts[epoch]) / np.maximum(lengths[epoch], 1)


def create_epoch_x(
    points: int,
    epoch_freq: int | Sequence[int] | np.ndarray,
    minibatch_markers: Any,
    epoch_axis: bool = True,
) -> np.ndarray:
    """Where on an axis the ends of those epochs stand that have an evaluation.

    Args:
        points: evaluations.
        epoch_freq: epochs between two of them, or a list of 0-based epochs.
        minibatch_markers: minibatches that were done at the end of each epoch.
        epoch_axis: count in epochs, else in minibatches.

    Returns:
        (points,) float64.

    Example:
        assert create_epoch_x(2, 2, [5, 10, 15, 20]).tolist() == [2, 4]
    """
    if isinstance(epoch_freq, (int, np.integer)):
        ends = np.arange(1, points + 1, dtype=np.int64) * max(1, int(epoch_freq))
    else:
        ends = np.sort(np.unique(np.asarray(epoch_freq, dtype=np.int64)))[:points] + 1
    markers = np.asarray(minibatch_markers, dtype=np.float64)
    if epoch_axis or not markers.size:
        return ends.astype(np.float64)
    return markers[np.minimum(ends, markers.size) - 1]


def h5_cost_data(filename: Source, epoch_axis: bool = True) -> list[Curve]:
    """The costs of a training.

    Args:
        filename: HDF5 file, or the `callback_data` of a training in memory.
        epoch_axis: x counts epochs, else minibatches.

    Returns:
        (name, x, y) of each dataset in the group `cost`; minibatches and epochs that were not
        trained are left out.

    Raises:
        RecordsError: the file is missing, damaged, or not what it should be.
    """
    return h5_curves(filename, "cost", epoch_axis)


def h5_curves(filename: Source, group: str, epoch_axis: bool = True) -> list[Curve]:
    """What `h5_cost_data` returns, of another group: "metrics", "multicost" or "gan" as well.

    A dataset with several columns gives a curve for each.
    """
    records = _opened(filename, group)
    found = records.group(group)
    return [] if found is None else _curves(records, found, epoch_axis)


def h5_hist_data(filename: Source, epoch_axis: bool = True) -> list[Histogram]:
    """The histograms of a training.

    Args:
        filename: HDF5 file, or the `callback_data` of a training in memory.
        epoch_axis: the width counts epochs, else minibatches.

    Returns:
        (name, data, dh, dw, bins, offset) of each: counts (bins, steps), and how high and wide the
        picture is in units of its axes.

    Raises:
        RecordsError: the file is missing, damaged, or not what it should be.
    """
    records = _opened(filename, "hist")
    group = records.group("hist")
    if group is None:
        return []
    bins, offset = records.integer(group, "bins"), records.integer(group, "offset")
    if not (1 <= bins <= 65536 and abs(offset) <= 65536):
        raise records.fault(f"bins={bins}, offset={offset} are no histograms of magnitudes")
    per_minibatch = _text(group.attrs.get("time_markers")) == "minibatch"
    markers = _markers(records)
    steps = None if markers is None else _last(markers) if per_minibatch else markers.size
    found: list[Histogram] = []
    for key in sorted(group.keys()):
        data = records.array(group, key, (2,))
        if data.shape[0] != bins:
            raise records.fault(f"'hist/{key}' has {data.shape[0]} rows, not bins={bins}")
        data = data[:, :steps]
        width = data.shape[1]
        if markers is not None and per_minibatch == epoch_axis:
            width = markers.size if per_minibatch else _last(markers)
        found.append((key, data, bins, width, bins, offset))
    return found


def h5_deconv_data(filename: Source) -> list[Layer] | None:
    """The pictures that a DeconvCallback recorded.

    Args:
        filename: HDF5 file, or the `callback_data` of a training in memory.

    Returns:
        None if there are none; else (layer, [(map, image, visualization)]), with pictures as of
        `convert_rgb_to_bokehrgba`.

    Raises:
        RecordsError: the file is missing, damaged, or not what it should be.
    """
    records = _opened(filename, "deconv")
    layers = records.group("deconv/max_act")
    if layers is None:
        return None
    stored: dict[int, tuple[np.ndarray, Any]] = {}
    return [
        (key, _maps(records, records.group(f"deconv/max_act/{key}"), stored))
        for key in sorted(layers.keys())
        if "/" not in key
    ]


def _maps(
    records: Records, group: Any, stored: dict[int, tuple[np.ndarray, Any]]
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    pictures = records.array(group, "vis", (4,))
    origins = records.array(group, "batch_img", (2,))
    if origins.shape != (len(pictures), 2):
        raise records.fault(
            f"{group.name!r}: {len(pictures)} pictures, but batch_img has the shape {origins.shape}"
        )
    if len(pictures) > NAMES:
        raise records.fault(f"{group.name!r} has {len(pictures)} pictures, more than {NAMES}")
    found = []
    for number, (picture, (batch, image)) in enumerate(zip(pictures, origins, strict=True)):
        batch, image = int(batch), int(image)
        if batch not in stored:
            folder = f"deconv/img/batch_{batch}"
            owner = records.group(folder)
            if owner is None:
                raise records.fault(f"{folder!r}, which {group.name!r} needs, is missing")
            stored[batch] = records.array(owner, "HWC_uint8", (4,)), owner["HWC_uint8"]
        pixels, dataset = stored[batch]
        position = records.integer(dataset, str(image), default=-1)
        if not 0 <= position < pixels.shape[3]:
            raise records.fault(f"image {image} of batch {batch} is missing")
        found.append((number, _packed(records, pixels[..., position]), _packed(records, picture)))
    return found


def _packed(records: Records, picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8 or not picture.size:
        raise records.fault(f"a picture of shape {picture.shape} {picture.dtype} is no bytes")
    if picture.shape[2] < 3:  # grey
        picture = np.repeat(picture[..., :1], 3, axis=2)
    return convert_rgb_to_bokehrgba(picture[..., :3])


def convert_rgb_to_bokehrgba(img_data: np.ndarray, downsample: int = 1) -> np.ndarray:
    """Pack an image into one integer a pixel, the lowest row first.

    Args:
        img_data: (H, W, 3) bytes.
        downsample: take every n-th row and column.

    Returns:
        (H, W) uint32, in memory red, green, blue and 255.

    Raises:
        RecordsError: it is no such image.

    Example:
        pixels = convert_rgb_to_bokehrgba(np.zeros((2, 3, 3), np.uint8))
        assert pixels.shape == (2, 3)
    """
    if img_data.ndim != 3 or img_data.shape[2] != 3 or img_data.dtype != np.uint8:
        raise RecordsError(
            f"an image of shape {img_data.shape} {img_data.dtype} is not (H, W, 3) bytes"
        )
    taken = img_data[::-downsample, ::downsample]
    opaque = np.full((*taken.shape[:2], 1), 255, np.uint8)
    packed = np.ascontiguousarray(np.concatenate([taken, opaque], axis=2))
    return packed.view(np.uint32)[..., 0]


def _curves(records: Records, group: Any, epoch_axis: bool) -> list[Curve]:
    markers = _markers(records)
    found: list[Curve] = []
    for key in sorted(group.keys()):
        y = records.array(group, key, (1, 2))
        kind = _text(group[key].attrs.get("time_markers"))
        if kind == "minibatch":
            y = y if markers is None else y[: _last(markers)]
            x = create_minibatch_x(len(y), () if markers is None else markers, epoch_axis)
        elif kind == "epoch_freq":
            freq = _frequency(records, group[key])
            if markers is not None:
                y = y[: _firings(freq, markers.size)]
            x = create_epoch_x(len(y), freq, () if markers is None else markers, epoch_axis)
        else:
            raise records.fault(f"{group.name}/{key}: time_markers={kind!r} is not known")
        if len(x) != len(y):
            raise records.fault(f"{group.name}/{key}: {len(y)} values at {len(x)} epochs")
        columns = [y] if y.ndim == 1 else list(y.T)
        if len(columns) > 100:
            raise records.fault(f"{group.name}/{key} has {len(columns)} columns, more than 100")
        names = [key] if y.ndim == 1 else [f"{key} {i}" for i in range(len(columns))]
        found += [(name, x, column) for name, column in zip(names, columns, strict=True)]
    return found


def _last(markers: np.ndarray) -> int:
    """Minibatches that were done when the last epoch ended."""
    return int(markers[-1]) if markers.size else 0


def _markers(records: Records) -> np.ndarray | None:
    """Minibatches done at the end of each epoch that is complete; neon wrote float32.

    None in a file that says nothing about epochs: there all entries count.
    """
    group = records.group("time_markers")
    if group is None:
        return None
    raw = records.array(group, "minibatch", (1,))
    raw = raw[: max(0, records.integer(group, "epochs_complete", default=0))]
    if raw.size and not (np.isfinite(raw).all() and raw.min() >= 0 and raw.max() <= BATCHES):
        raise records.fault("'time_markers/minibatch' holds no counts")
    markers = np.rint(raw.astype(np.float64)).astype(np.int64)
    if (np.diff(markers) < 0).any():
        raise records.fault("'time_markers/minibatch' goes backwards")
    return markers


def _frequency(records: Records, dataset: Any) -> int | np.ndarray:
    value = np.asarray(dataset.attrs.get("epoch_freq", 1))
    if value.dtype.kind not in "iu" or value.size > EPOCHS or (value < 0).any():
        raise records.fault(f"attribute 'epoch_freq' of {dataset.name!r} is no frequency")
    if value.ndim == 0:
        return max(1, int(value))
    listed: np.ndarray = np.unique(value.reshape(-1)).astype(np.int64)
    return listed


def _firings(freq: int | np.ndarray, epochs: int) -> int:
    """Evaluations in the first epochs."""
    if isinstance(freq, int):
        return epochs // freq
    return int(np.searchsorted(freq, epochs))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
