"""Damaged and hostile files give a RecordsError: no crash, no hang, no memory as they ask for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import RecordsError
from neonport.visualizations import copying, data

Make = Callable[..., Path]
h5py = pytest.importorskip("h5py")


def read_all(records: Any) -> None:
    if isinstance(records, Path):
        records = data.read_records(records)
    for group in data.GROUPS:
        data.h5_curves(records, group)
    data.h5_hist_data(records)
    data.h5_deconv_data(records)


def replace(file: Any, name: str, value: Any, **kwargs: Any) -> None:
    attributes = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    made = file.create_dataset(name, data=value, **kwargs)
    made.attrs.update(attributes)


def huge_curve(file: Any) -> None:
    del file["cost/train"]
    made = file.create_dataset("cost/train", (10**12,), dtype="f4")
    made.attrs["time_markers"] = "minibatch"


def huge_histogram(file: Any) -> None:
    del file["hist/Linear_0_0_W"]
    file.create_dataset("hist/Linear_0_0_W", (64, 10**10), dtype="i4", chunks=(64, 100))


def huge_pictures(file: Any) -> None:
    del file["deconv/max_act/0002/vis"]
    file.create_dataset("deconv/max_act/0002/vis", (2, 10**6, 10**6, 3), dtype="u1")


def many_in_all(file: Any) -> None:
    for number in range(3):
        made = file.create_dataset(f"cost/{number}", (2**25,), dtype="f4", chunks=(2**16,))
        made.attrs["time_markers"] = "minibatch"


def link_elsewhere(file: Any) -> None:
    file["cost/other"] = h5py.ExternalLink("/etc/passwd", "/")


def link_in_circles(file: Any) -> None:
    file["cost/again"] = h5py.SoftLink("/cost/again")


def contents_elsewhere(file: Any) -> None:
    file.create_dataset(
        "cost/secret", (10,), dtype="u1", external=[("/etc/hostname", 0, 10)]
    ).attrs["time_markers"] = "minibatch"


CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a huge curve": (huge_curve, r"cost/train.*512 MiB would be exceeded"),
    "a huge histogram": (huge_histogram, r"512 MiB would be exceeded"),
    "huge pictures": (huge_pictures, r"512 MiB would be exceeded"),
    "too much in all": (many_in_all, r"512 MiB would be exceeded"),
    "another file": (link_elsewhere, r"cost/other' is a link"),
    "a circle": (link_in_circles, r"cost/again' is a link"),
    "bytes of another file": (contents_elsewhere, r"contents in other files"),
    "words": (lambda f: replace(f, "cost/train", "x"), r"no array of numbers"),
    "a group for a curve": (lambda f: f.create_group("cost/a/b"), r"no array of numbers"),
    "a curve for a group": (lambda f: f.create_dataset("gan", data=[1.0]), r"'gan' is no group"),
    "another time": (
        lambda f: f["cost/train"].attrs.update(time_markers="<b>"),
        r"time_markers='<b>' is not known",
    ),
    "no frequency": (
        lambda f: f["cost/loss"].attrs.update(epoch_freq="a"),
        r"'epoch_freq' .* is no frequency",
    ),
    "a negative frequency": (
        lambda f: f["cost/loss"].attrs.update(epoch_freq=[-1, 2]),
        r"is no frequency",
    ),
    "backwards": (
        lambda f: replace(f, "time_markers/minibatch", [5.0, 3.0, 9.0]),
        r"goes backwards",
    ),
    "no counts": (
        lambda f: replace(f, "time_markers/minibatch", [3.0, np.nan, 9.0]),
        r"holds no counts",
    ),
    "many epochs": (
        lambda f: f["time_markers"].attrs.update(epochs_complete="many"),
        r"'epochs_complete' .* is no number",
    ),
    "no bins": (lambda f: f["hist"].attrs.update(bins=0), r"no histograms of magnitudes"),
    "other bins": (lambda f: f["hist"].attrs.update(bins=32), r"64 rows, not bins=32"),
    "a missing batch": (
        lambda f: f["deconv/max_act/0002/batch_img"].write_direct(np.full((2, 2), 9, "u2")),
        r"batch_9', which .* needs, is missing",
    ),
    "a missing image": (
        lambda f: f["deconv/img/batch_1/HWC_uint8"].attrs.update({"5": 77}),
        r"image 5 of batch 1 is missing",
    ),
    "other pictures": (
        lambda f: replace(f, "deconv/max_act/0002/vis", np.zeros((3, 2, 2, 3), "u1")),
        r"3 pictures, but batch_img has the shape",
    ),
    "no bytes": (
        lambda f: replace(f, "deconv/max_act/0002/vis", np.zeros((2, 2, 2, 3), "f4")),
        r"is no bytes",
    ),
    "no origins": (lambda f: f["deconv/max_act/0002"].pop("batch_img"), r"batch_img' is missing"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_file_must_not_say(make_records: Make, case: str) -> None:
    change, words = CASES[case]
    path = make_records(change)
    with h5py.File(path) as file, pytest.raises(RecordsError, match=words) as caught:
        read_all(file)  # as the process does that copies it
    assert "run.h5" in str(caught.value)


@pytest.mark.parametrize("case", ["a huge curve", "another file", "bytes of another file", "words"])
def test_what_is_not_copied(make_records: Make, case: str) -> None:
    change, words = CASES[case]
    with pytest.raises(RecordsError, match=words):
        read_all(make_records(change))


def test_files_that_are_none(tmp_path: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("<html>")
    cases = [(text, "is no HDF5 file"), (tmp_path / "no.h5", "does not exist")]
    cases.append((tmp_path, "is no file"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        cases.append((tmp_path / "pipe", "is no file"))
    for path, words in cases:
        with pytest.raises(RecordsError, match=f"{words}; give the output_file"):
            data.h5_cost_data(path)


@pytest.mark.parametrize("length", [9, 600, -1])
def test_truncated_files(make_records: Make, length: int) -> None:
    path = make_records()
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RecordsError, match=r"damaged|no HDF5"):
        read_all(path)


SEEDS = range(4)  # of those, some end HDF5's library


@pytest.mark.parametrize("seed", SEEDS)
def test_changed_bytes(make_records: Make, seed: int) -> None:
    path = make_records()
    changed = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.RandomState(seed)
    places = rng.randint(0, len(changed), 40)
    changed[places] = rng.randint(0, 256, len(places))
    path.write_bytes(changed.tobytes())
    with contextlib.suppress(RecordsError):  # the bytes may mean nothing
        read_all(path)


def test_a_process_that_dies_is_an_error(
    make_records: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_CHILD", "import os; os.abort()")
    with pytest.raises(RecordsError, match="is damaged: reading it ended with status"):
        read_all(make_records())
    monkeypatch.setattr(copying, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(copying, "SECONDS", 0.1)
    with pytest.raises(RecordsError, match=r"takes more than 0\.1 s to read"):
        read_all(make_records())
