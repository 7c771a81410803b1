"""Checkpoints during training, the best state, early stop."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import (
    CSVLogger,
    EarlyStopCallback,
    ProgressBarCallback,
    ReduceOnPlateau,
    SaveBestStateCallback,
    SerializeModelCallback,
)
from neonport.errors import ConfigurationError
from neonport.io import checkpoint

Make = Callable[..., Any]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(("serialize", "epochs"), [(0, [1, 2, 3]), (1, [1, 2, 3]), (2, [2])])
def test_save_path(
    make_problem: Make, fit: Make, tmp_path: Path, serialize: int, epochs: list[int]
) -> None:
    path = tmp_path / "m.prm"
    seen: list[int] = []

    class Look(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            if path.exists():
                found = checkpoint.load(path)["epoch_index"]
                if found not in seen:
                    seen.append(found)

    p = make_problem()
    callbacks = Callbacks(p.model, save_path=str(path), serialize=serialize, progress_bar=False)
    callbacks.add_callback(Look())
    fit(p, 3, callbacks)
    assert seen == epochs


def test_history_keeps_that_many_and_links_the_newest(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    path = tmp_path / "m.prm"
    p = make_problem()
    fit(p, 5, save_path=str(path), history=2)
    assert names(tmp_path) == ["m.prm", "m_3.prm", "m_4.prm"]
    assert path.is_symlink()
    assert path.resolve().name == "m_4.prm"
    assert checkpoint.load(path)["epoch_index"] == 5
    assert checkpoint.load(tmp_path / "m_3.prm")["epoch_index"] == 4


def test_history_replaces_a_plain_file_and_survives_a_deleted_one(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    path = tmp_path / "m.prm"
    path.write_text("old")
    p = make_problem()
    callbacks = Callbacks(p.model, save_path=str(path), history=2, progress_bar=False)

    class Delete(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            (tmp_path / "m_0.prm").unlink(missing_ok=True)

    callbacks.add_callback(Delete())
    fit(p, 4, callbacks)
    assert names(tmp_path) == ["m.prm", "m_2.prm", "m_3.prm"]


def test_without_links_a_copy_does_it(
    make_problem: Make, fit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refuse(*args: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "symlink", refuse)
    path = tmp_path / "m.prm"
    fit(make_problem(), 3, save_path=str(path), history=2)
    assert names(tmp_path) == ["m.prm", "m_1.prm", "m_2.prm"]
    assert not path.is_symlink()
    assert checkpoint.load(path)["epoch_index"] == 3


@pytest.mark.parametrize("kind", ["save_path", "best"])
def test_a_bad_path_is_refused_before_training(
    make_problem: Make, fit: Make, tmp_path: Path, kind: str
) -> None:
    for path, words in ((tmp_path / "no" / "m.prm", "does not exist"), (tmp_path, "is a folder")):
        p = make_problem()
        callbacks = Callbacks(p.model, progress_bar=False)
        if kind == "best":
            callbacks.add_save_best_state_callback(str(path))
        else:
            callbacks.add_callback(SerializeModelCallback(str(path)))
        with pytest.raises(ConfigurationError, match=words):
            fit(p, 1, callbacks)
        assert p.model.completed_epochs == 0


class Losses(Callback):
    """Puts given losses where LossCallback would."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.losses = losses

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        for name in ("cost/loss", "time/loss"):
            callback_data.create_dataset(name, (epochs,), dtype="float32").attrs["epoch_freq"] = 1

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        callback_data["cost/loss"][epoch] = self.losses[epoch]


def test_best_state(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    path = tmp_path / "best.prm"
    saved = []

    class Look(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            saved.append(checkpoint.load(path)["epoch_index"])

    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Losses([3, 2, 2.5, 2, 1.5, 7]))
    callbacks.add_save_best_state_callback(str(path))
    callbacks.add_callback(Look())
    fit(p, 6, callbacks)
    assert saved == [1, 2, 2, 2, 5, 5]


def test_early_stop(make_problem: Make, fit: Make, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def stop_func(state: Any, loss: float) -> tuple[Any, bool]:
        calls.append((state, float(loss)))
        return (loss, False) if state is None else (min(state, loss), loss > state)

    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Losses([3, 2, 2.5, 1, 1, 1]))
    callbacks.add_early_stop_callback(stop_func)
    fit(p, 6, callbacks)
    assert calls == [(None, 3), (3, 2), (2, 2.5)]
    assert p.model.finished
    assert p.model.epoch_index == 3
    assert "early stopping triggered at epoch 2" in caplog.text


def test_early_stop_sees_evaluated_epochs_only(make_problem: Make, fit: Make) -> None:
    calls = []
    p = make_problem()
    callbacks = Callbacks(p.model, eval_set=p.held, eval_freq=2, progress_bar=False)
    callbacks.add_early_stop_callback(lambda s, loss: (calls.append(loss), False))
    fit(p, 5, callbacks)
    np.testing.assert_array_equal(calls, callbacks.callback_data["cost/loss"][:])
    assert len(calls) == 2


def resumed(make_problem: Make, path: Path) -> Any:
    p = make_problem()
    p.model.load_params(path)
    return p


def test_history_holds_over_resumes(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    path = tmp_path / "m.prm"
    fit(make_problem(), 4, save_path=str(path), history=3)
    for epochs in (7, 9):
        fit(resumed(make_problem, path), epochs, save_path=str(path), history=3)
        newest = [f"m_{epoch}.prm" for epoch in range(epochs - 3, epochs)]
        assert names(tmp_path) == ["m.prm", *newest]
    fit(resumed(make_problem, path), 10, save_path=str(path), history=2)
    assert names(tmp_path) == ["m.prm", "m_8.prm", "m_9.prm"]


def test_history_holds_when_one_model_is_trained_on(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    p = make_problem()
    for epochs in (4, 7):
        fit(p, epochs, save_path=str(tmp_path / "m.prm"), history=3)
    assert names(tmp_path) == ["m.prm", "m_4.prm", "m_5.prm", "m_6.prm"]


def test_history_holds_after_a_save_over_the_link(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    path = tmp_path / "m.prm"
    p = make_problem()
    fit(p, 3, save_path=str(path), history=2)
    p.model.save_params(path)  # as Ctrl-C does; goes to m_2.prm
    p = resumed(make_problem, path)
    fit(p, 4, save_path=str(path), history=2)
    assert names(tmp_path) == ["m.prm", "m_2.prm", "m_3.prm"]
    p.model.save_params(tmp_path / "m_2.prm")
    fit(p, 5, save_path=str(path), history=2)
    assert names(tmp_path) == ["m.prm", "m_3.prm", "m_4.prm"]


def test_history_deletes_what_this_series_wrote_only(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    path = tmp_path / "m.prm"
    other = make_problem()
    fit(other, 12)
    kept = ["m_.prm", "m_00.prm", "m_10.prm", "m_11.prm", "m_x.prm", "mm_1.prm"]
    for name in kept:
        other.model.save_params(tmp_path / name)  # a series of somebody else's
    foreign = (tmp_path / "m_10.prm").read_bytes()
    fit(make_problem(), 3, save_path=str(path), history=2)
    (tmp_path / "m_1.prm").write_bytes(foreign)  # replaced since
    fit(resumed(make_problem, path), 5, save_path=str(path), history=2)
    assert names(tmp_path) == sorted([*kept, "m.prm", "m_1.prm", "m_3.prm", "m_4.prm"])
    fit(make_problem(), 2, save_path=str(path), history=2)  # another training: its own series
    assert names(tmp_path) == sorted([*kept, "m.prm", *(f"m_{n}.prm" for n in (0, 1, 3, 4))])


def test_a_checkpoint_cannot_have_other_files_deleted(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    path, folder = tmp_path / "m.prm", tmp_path / "sub"
    folder.mkdir()
    fit(make_problem(), 2, save_path=str(path), history=2)
    description = checkpoint.load(path)
    victims = {"other_0.prm": "", "../other_1.prm": "", "m_x.prm": "", "sub/m_0.prm": ""}
    for name in victims:
        victims[name] = checkpoint.save(name, tmp_path / "sub" / ".." / name)
    (tmp_path / "m_7.prm").write_text("text")
    description["resume"]["saved"] = {**victims, "m_7.prm": "", "m_0.prm": "0" * 64}
    checkpoint.save(description, path)
    fit(resumed(make_problem, path), 5, save_path=str(path), history=2)
    assert all((tmp_path / "sub" / ".." / name).exists() for name in victims)
    assert (tmp_path / "m_7.prm").read_text() == "text"
    assert (tmp_path / "m_0.prm").exists()


def test_a_name_of_the_series_that_is_taken_is_refused_before_training(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    (tmp_path / "m_1.prm").write_text("results")
    p = make_problem()
    with pytest.raises(ConfigurationError, match=r"m_1\.prm' exists and is no checkpoint"):
        fit(p, 3, save_path=str(tmp_path / "m.prm"), history=2)
    assert p.model.completed_epochs == 0
    assert (tmp_path / "m_1.prm").read_text() == "results"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_are_refused_before_training(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.prm")
    with pytest.raises(ConfigurationError, match="is a named pipe"):
        fit(make_problem(), 1, save_path=str(tmp_path / "m.prm"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EarlyStopCallback("loss"), "stop_func is the text 'loss'; give a function"),
        (lambda: EarlyStopCallback(None), "stop_func is None"),
        (lambda: SaveBestStateCallback(3), "SaveBestStateCallback: path is 3; name a file"),
        (lambda: SaveBestStateCallback(""), "path is the text ''"),
        (lambda: SerializeModelCallback(None), "save_path is None; name a file"),
        (lambda: SerializeModelCallback("m.prm", history="3"), "history=the text '3' must be"),
        (lambda: SerializeModelCallback("m.prm", history=True), "history=True must be"),
        (lambda: CSVLogger(7), "CSVLogger: path is 7; name a file"),
        (lambda: ReduceOnPlateau(1.0), "monitor is 1.0; give the name"),
        (lambda: ProgressBarCallback(update_thresh_s="1"), "update_thresh_s is the text '1'"),
    ],
)
def test_arguments_are_checked_when_a_callback_is_made(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        make()
