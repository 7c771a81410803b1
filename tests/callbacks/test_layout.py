"""The whole file in neon's layout, and callbacks that come back from their descriptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callbacks import (
    BatchNormTuneCallback,
    DeconvCallback,
    GANCostCallback,
    HistCallback,
    MultiLabelStatsCallback,
    SaveBestStateCallback,
)
from neonport.callbacks.plotting_callbacks import GANPlotCallback
from neonport.errors import ConfigurationError
from neonport.transforms import Misclassification, PrecisionRecall

Make = Callable[..., Any]
h5py = pytest.importorskip("h5py")

# path -> shape, dtype, attributes: 3 epochs of 3 minibatches, evaluated each second epoch
LAYOUT = {
    "time_markers/minibatch": ((3,), "int64", {}),
    "cost/train": ((9,), "float32", {"time_markers": "minibatch"}),
    "cost/loss": ((1,), "float32", {"time_markers": "epoch_freq", "epoch_freq": 2}),
    "time/loss": ((1,), "float32", {"time_markers": "epoch_freq", "epoch_freq": 2}),
    "metrics/Top1Misclass": ((1,), "float32", {"time_markers": "epoch_freq", "epoch_freq": 2}),
    "time/train/start_time": ((1,), "float64", {"units": "seconds"}),
    "time/train/end_time": ((1,), "float64", {"units": "seconds"}),
    "hist/weights_0_W": ((64, 3), "int32", {}),
    "gan/gen_iter": ((9,), "float32", {"time_markers": "minibatch"}),
    "gan/cost_dis": ((9,), "float32", {"time_markers": "minibatch"}),
}
GROUPS = {
    "config": {"total_minibatches": 9, "total_epochs": 3},
    "time_markers": {"epochs_complete": 3, "minibatches_complete": 9},
    "hist": {"bins": 64, "offset": -48, "time_markers": "epoch", "time_steps": 3},
}


def test_layout_of_the_file(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem(ndata=24)
    p.model.layers.layers[0].name = "weights"
    p.model.gen_iter, p.model.cost_dis = 0, np.zeros(1)
    callbacks = Callbacks(
        p.model,
        output_file=tmp_path / "f.h5",
        eval_set=p.held,
        eval_freq=2,
        metric=Misclassification(),
        progress_bar=False,
    )
    callbacks.add_hist_callback()
    callbacks.add_callback(GANCostCallback())
    fit(p, 3, callbacks)
    found: dict[str, Any] = {}
    with h5py.File(tmp_path / "f.h5", "r") as file:

        def note(name: str, member: Any) -> None:
            if isinstance(member, h5py.Dataset):
                found[name] = member.shape, member.dtype.name, dict(member.attrs)
            elif name in GROUPS:
                assert dict(member.attrs) == GROUPS[name], name

        file.visititems(note)
        assert file["time_markers/minibatch"][:].tolist() == [3, 6, 9]
    assert found == LAYOUT


def test_callbacks_come_back_from_their_descriptions(make_problem: Make, tmp_path: Path) -> None:
    p = make_problem()
    picture, best = str(tmp_path / "x"), str(tmp_path / "best")
    made = [
        HistCallback(True, ["W", "dW"]),
        BatchNormTuneCallback(p.held, epoch_freq=[1, 3]),
        DeconvCallback(p.data, p.held, max_fm=3),
        MultiLabelStatsCallback(p.held, ["a", "b", "c"], PrecisionRecall(3), epoch_freq=2),
        GANCostCallback(),
        GANPlotCallback(picture, hw=8, nchan=3),
        SaveBestStateCallback(best),
    ]
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.callbacks = made
    description = callbacks.serialize()
    with pytest.raises(ConfigurationError, match="the callbacks would write"):
        Callbacks.load_callbacks(description, p.model, data=[p.data, p.held])
    again = Callbacks.load_callbacks(
        description, p.model, data=[p.data, p.held], writes=[picture, best]
    )
    assert [type(callback) for callback in again.callbacks] == [type(c) for c in made]
    assert again.serialize() == description
    assert again.callbacks[1].tune_set is p.held
    assert again.callbacks[3].metric.num_classes == 3
