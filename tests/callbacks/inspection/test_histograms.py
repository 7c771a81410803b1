"""HistCallback records what NumPy counts, an epoch or a minibatch a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import HistCallback
from neonport.errors import ConfigurationError

Make = Callable[..., Any]


def counted(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        level = np.rint(np.log2(np.abs(values.astype(np.float32)))).reshape(-1)
    return np.bincount(np.clip(level + 48, 0, 63).astype(int), minlength=64)


class Watch(Callback):
    """Keeps the weights and their gradients of each minibatch."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        layer = model.layers.layers[0]
        self.kept.append((layer.W.get(), layer.dW.get()))


@pytest.mark.parametrize("per_minibatch", [False, True])
@pytest.mark.parametrize("on_disk", [False, True])
def test_counts(
    make_problem: Make, fit: Make, tmp_path: Any, per_minibatch: bool, on_disk: bool
) -> None:
    h5py = pytest.importorskip("h5py") if on_disk else None
    p = make_problem(ndata=24)
    path = tmp_path / "f.h5" if on_disk else None
    callbacks = Callbacks(p.model, progress_bar=False, output_file=path)
    callbacks.add_hist_callback(plot_per_mini=per_minibatch, filter_key=["W", "dW", "no"])
    callbacks.add_callback(watch := Watch())
    fit(p, 2, callbacks)
    data = h5py.File(path, "r") if h5py else callbacks.callback_data
    group = data["hist"]
    wanted = watch.kept if per_minibatch else watch.kept[2::3]
    assert dict(group.attrs) == {
        "bins": 64,
        "offset": -48,
        "time_markers": "minibatch" if per_minibatch else "epoch",
        "time_steps": 6 if per_minibatch else 2,
    }
    name = p.model.layers.layers[0].name
    assert list(group.keys()) == [f"{name}_0_W", f"{name}_0_dW"]
    for position, dataset in enumerate(group.values()):
        assert dataset.dtype == np.int32
        np.testing.assert_array_equal(
            dataset[:].T, [counted(tensors[position]) for tensors in wanted]
        )
    if h5py:
        data.close()


def test_a_slash_in_a_name_makes_no_group(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    p.model.layers.layers[0].name = "a/../b"
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_hist_callback()
    fit(p, 1, callbacks)
    assert list(callbacks.callback_data["hist"].keys()) == ["a_.._b_0_W"]


def test_histograms_of_the_user_stay(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    p.be.array([[1.0]]).hist("mine")
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_hist_callback(plot_per_mini=True)
    fit(p, 1, callbacks)
    assert p.be.dump_hist_data()[1] == {"mine": 0}


def test_mistakes_and_description() -> None:
    wrongs: list[Any] = [[], [1]]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match=r"filter_key=.* must name attributes"):
            HistCallback(filter_key=wrong)
    assert HistCallback(filter_key="dW").filter_key == ["dW"]
    assert HistCallback(True, ["W", "dW"]).get_description() == {
        "type": "neon.callbacks.callbacks.HistCallback",
        "config": {"plot_per_mini": True, "filter_key": ["W", "dW"]},
    }
