"""Neon's readers give back what is in a file of neon's layout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks.records.store import MemoryStore
from neonport.errors import RecordsError
from neonport.visualizations import data

from .conftest import write_records

Make = Callable[..., Path]


def test_places_of_minibatches_and_evaluations() -> None:
    x = data.create_minibatch_x(10, [3, 5, 9])
    wanted = [0, 1 / 3, 2 / 3, 1, 1.5, 2, 2.25, 2.5, 2.75, 3]
    np.testing.assert_allclose(x, wanted)
    assert data.create_minibatch_x(3, [3, 5, 9], epoch_axis=False).tolist() == [0, 1, 2]
    assert data.create_minibatch_x(2, []).tolist() == [0, 1]
    assert data.create_epoch_x(2, 2, [3, 5, 9, 12]).tolist() == [2, 4]
    assert data.create_epoch_x(2, 2, [3, 5, 9, 12], epoch_axis=False).tolist() == [5, 12]
    assert data.create_epoch_x(2, [2, 0, 9], [3, 5, 9]).tolist() == [1, 3]


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_costs(make_records: Make, dtype: str) -> None:
    path = make_records(markers_dtype=dtype)
    (loss, *point), (train, x, y) = data.h5_cost_data(path)
    assert (loss, train) == ("loss", "train")
    assert [part.tolist() for part in point] == [[2.0], [7.0]]
    np.testing.assert_allclose(x, data.create_minibatch_x(9, [3, 5, 9]))
    assert y.tolist() == list(range(9))  # what was not trained is left out
    (_, *point), (_, x, _) = data.h5_cost_data(str(path), epoch_axis=False)
    assert [part.tolist() for part in point] == [[5.0], [7.0]]
    assert x.tolist() == list(range(9))


def test_metrics_at_listed_epochs_and_several_costs(make_records: Make) -> None:
    path = data.read_records(make_records())
    ((name, x, y),) = data.h5_curves(path, "metrics")
    assert (name, x.tolist(), y.tolist()) == ("Accuracy", [1, 3], [0.5, 0.75])
    curves = data.h5_curves(path, "multicost")
    assert [name for name, _, _ in curves] == ["train 0", "train 1"]
    assert curves[1][2].tolist() == list(range(1, 18, 2))
    assert data.h5_curves(path, "gan") == []


@pytest.mark.parametrize(("epoch_axis", "width"), [(True, 3), (False, 9)])
def test_histograms(make_records: Make, epoch_axis: bool, width: int) -> None:
    ((name, counts, dh, dw, bins, offset),) = data.h5_hist_data(make_records(), epoch_axis)
    assert (name, dh, dw, bins, offset) == ("Linear_0_0_W", 64, width, 64, -48)
    assert counts[40].tolist() == list(range(9))


@pytest.mark.parametrize(("epoch_axis", "width"), [(True, 3), (False, 9)])
def test_histograms_of_epochs(make_records: Make, epoch_axis: bool, width: int) -> None:
    def change(file: Any) -> None:
        file["hist"].attrs["time_markers"] = "epoch"

    ((_, counts, _, dw, _, _),) = data.h5_hist_data(make_records(change), epoch_axis)
    assert (counts.shape, dw) == ((64, 3), width)


def test_pictures(make_records: Make) -> None:
    found = data.h5_deconv_data(make_records())
    assert found is not None
    ((layer, maps),) = found
    assert (layer, [number for number, _, _ in maps]) == ("0002", [0, 1])
    ramp = np.arange(36, dtype="u1").reshape(3, 4, 3)
    for (_, image, picture), base, first in zip(maps, (10, 0), (0, 36), strict=True):
        for packed, wanted in ((image, ramp + base), (picture, ramp + first)):
            assert (packed.shape, packed.dtype) == ((3, 4), np.uint32)
            channels = packed.view("u1").reshape(3, 4, 4)[::-1]
            np.testing.assert_array_equal(channels[..., :3], wanted)
            assert (channels[..., 3] == 255).all()


def test_one_channel_is_grey(make_records: Make) -> None:
    def change(file: Any) -> None:
        group = file["deconv/max_act/0002"]
        grey = group["vis"][..., :1]
        del group["vis"]
        group["vis"] = grey

    found = data.h5_deconv_data(make_records(change))
    assert found is not None
    channels = found[0][1][0][2].view("u1").reshape(3, 4, 4)
    assert (channels[..., :3] == channels[..., :1]).all()


def test_a_file_without_pictures_or_epochs(make_records: Make) -> None:
    def change(file: Any) -> None:
        del file["deconv"], file["hist"]
        del file["time_markers"].attrs["epochs_complete"]

    path = data.read_records(make_records(change))
    assert data.h5_deconv_data(path) is None
    assert data.h5_hist_data(path) == []
    assert [len(y) for _, _, y in data.h5_cost_data(path)] == [0, 0]


def test_records_in_memory() -> None:
    store = MemoryStore()
    write_records(store)
    assert [name for name, _, _ in data.h5_cost_data(store)] == ["loss", "train"]
    assert data.h5_hist_data(store)[0][0] == "Linear_0_0_W"
    assert data.h5_deconv_data(store) is not None


def test_downsampled_pixels() -> None:
    image = np.arange(4 * 6 * 3, dtype="u1").reshape(4, 6, 3)
    packed = data.convert_rgb_to_bokehrgba(image, downsample=2)
    channels = packed.view("u1").reshape(2, 3, 4)
    np.testing.assert_array_equal(channels[..., :3], image[::-2, ::2])
    for wrong in (image[..., :2], image.astype("f4"), image[0]):
        with pytest.raises(RecordsError, match=r"is not \(H, W, 3\) bytes"):
            data.convert_rgb_to_bokehrgba(wrong)


WRITER = """
import sys
from neonport.callbacks.records.store import open_store
store = open_store(sys.argv[1])
markers = store.create_group("time_markers")
markers.create_dataset("minibatch", (3,), dtype="int64")[0] = 4
markers.attrs["epochs_complete"] = 1
costs = store.create_dataset("cost/train", (12,), dtype="float32")
costs.attrs["time_markers"] = "minibatch"
costs[:4] = [4, 3, 2, 1]
store.flush()  # the end of an epoch
costs[4] = 0.5
print("open", flush=True)
sys.stdin.read()
"""


def test_a_training_at_work_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    command = [sys.executable, "-c", WRITER, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        ((_, _, costs),) = data.h5_cost_data(path)
        process.communicate()
    assert costs.tolist() == [4, 3, 2, 1]
