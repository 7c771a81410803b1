"""Files in neon's layout, written without neonport."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

MARKERS = [3, 5, 9, 0]  # of four epochs the last one is not done


def write_records(file: Any, markers_dtype: str = "float32") -> None:
    """Costs, histograms and pictures of three epochs with 3, 2 and 4 minibatches."""
    file.create_group("config").attrs.update(total_minibatches=16, total_epochs=4)
    markers = file.create_group("time_markers")
    markers.create_dataset("minibatch", data=np.array(MARKERS, markers_dtype))
    markers.attrs.update(epochs_complete=3, minibatches_complete=9)
    train = file.create_dataset("cost/train", data=np.arange(16, dtype="f4"))
    train.attrs["time_markers"] = "minibatch"
    loss = file.create_dataset("cost/loss", data=np.array([7, 0], "f4"))
    loss.attrs.update(time_markers="epoch_freq", epoch_freq=2)
    accuracy = file.create_dataset("metrics/Accuracy", data=np.array([0.5, 0.75, 0], "f4"))
    accuracy.attrs.update(time_markers="epoch_freq", epoch_freq=[2, 0, 3])
    both = file.create_dataset("multicost/train", data=np.arange(32.0).reshape(16, 2))
    both.attrs["time_markers"] = "minibatch"
    hist = file.create_group("hist")
    hist.attrs.update(bins=64, offset=-48, time_markers="minibatch", time_steps=16)
    counts = np.zeros((64, 16), np.int32)
    counts[40] = np.arange(16)
    hist.create_dataset("Linear_0_0_W", data=counts)
    pictures = file.create_group("deconv/max_act/0002")
    pictures.create_dataset("vis", data=np.arange(2 * 3 * 4 * 3, dtype="u1").reshape(2, 3, 4, 3))
    pictures.create_dataset("batch_img", data=np.array([[1, 5], [0, 2]], "u2"))
    for batch, image in ((1, 5), (0, 2)):
        pixels = np.full((3, 4, 3, 2), 10 * batch, "u1")
        pixels[..., 1] += np.arange(36, dtype="u1").reshape(3, 4, 3)
        stored = file.create_dataset(
            f"deconv/img/batch_{batch}/HWC_uint8", data=pixels, compression="gzip"
        )
        stored.attrs[str(image)] = 1


@pytest.fixture
def make_records(tmp_path: Path) -> Callable[..., Path]:
    """Factory: a file, changed by a function before it is closed."""

    def make(change: Callable[[Any], None] | None = None, **kwargs: Any) -> Path:
        path = tmp_path / "run.h5"
        with h5py.File(path, "w") as file:
            write_records(file, **kwargs)
            if change is not None:
                change(file)
        return path

    return make
