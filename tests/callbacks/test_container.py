"""The container: order, life cycle, descriptions, the in-memory store."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callback import fires, firing_count, firing_index
from neonport.callbacks.records.store import MemoryStore
from neonport.errors import CheckpointError, ConfigurationError
from neonport.io import checkpoint

Make = Callable[..., Any]


def classes(callbacks: Callbacks) -> list[str]:
    return [type(callback).__name__ for callback in callbacks.callbacks]


def test_order_of_the_list(make_problem: Make, tmp_path: Path) -> None:
    from neonport.transforms import Accuracy

    p = make_problem()
    assert classes(Callbacks(p.model)) == [
        "TrainCostCallback",
        "ProgressBarCallback",
        "TrainLoggerCallback",
        "RunTimerCallback",
    ]
    callbacks = Callbacks(
        p.model,
        eval_set=p.held,
        eval_freq=1,
        metric=Accuracy(),
        save_path=str(tmp_path / "m.prm"),
        serialize=3,
        multicost=True,
    )
    callbacks.add_early_stop_callback(lambda state, loss: (state, False))
    callbacks.add_save_best_state_callback(str(tmp_path / "best.prm"))
    assert classes(callbacks) == [
        "LossCallback",
        "TrainMulticostCallback",
        "MetricCallback",
        "ProgressBarCallback",
        "SerializeModelCallback",
        "TrainLoggerCallback",
        "RunTimerCallback",
        "EarlyStopCallback",
        "SaveBestStateCallback",
    ]
    assert callbacks.callbacks[4].epoch_freq == 3


def test_firing() -> None:
    assert [e for e in range(8) if fires(3, e)] == [2, 5]
    assert [e for e in range(8) if fires([0, 7, 9], e)] == [0, 7]
    assert not any(fires(None, e) for e in range(8))
    assert fires(np.int64(2), 1)
    for freq in (1, 3, [0, 7, 9], [5, 2]):
        at = [e for e in range(8) if fires(freq, e)]
        assert firing_count(freq, 8) == len(at)
        assert [firing_index(freq, e) for e in at] == list(range(len(at)))


def test_only_a_weak_reference_to_the_model(make_problem: Make) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model)
    assert callbacks.model() is p.model
    p.model = None
    gc.collect()
    assert callbacks.model() is None
    with pytest.raises(ConfigurationError, match="no longer exists"):
        callbacks.on_train_begin(1)


def test_data_stay_readable_and_the_object_serves_again(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    callbacks = fit(p, 2)
    first = callbacks.callback_data
    assert (first["cost/train"][:] > 0).all()
    fit(p, 3, callbacks)
    assert callbacks.callback_data is not first
    assert callbacks.callback_data["config"].attrs["total_epochs"] == 3


def test_an_output_file_serves_one_fit(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    p = make_problem()
    callbacks = fit(p, 1, output_file=str(tmp_path / "log.h5"))
    with pytest.raises(ConfigurationError, match="new Callbacks object"):
        fit(p, 2, callbacks)


def test_errors_in_training_release_everything(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py")
    released = []

    class Fails(Callback):
        def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
            if epoch == 1:
                raise OSError("disk on fire")

        def on_train_abort(self) -> None:
            released.append(True)

    p = make_problem()
    callbacks = Callbacks(p.model, output_file=str(tmp_path / "log.h5"), progress_bar=False)
    callbacks.add_callback(Fails())
    with pytest.raises(OSError, match="on fire"):
        fit(p, 3, callbacks)
    assert released == [True]
    with h5py.File(tmp_path / "log.h5", "r") as file:  # closed, and readable up to there
        assert file["time_markers"].attrs["epochs_complete"] == 1


def test_a_description_says_nothing_of_the_inside_of_data(
    make_problem: Make, caplog: pytest.LogCaptureFixture
) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, eval_set=p.held, eval_freq=2)
    loss = callbacks.callbacks[0]
    with caplog.at_level("WARNING", "neonport"):
        assert callbacks.serialize()["callbacks"][0]["config"]["eval_set"]["name"] == "held"
        assert loss.get_description(skip=["eval_set"])["config"] == {"epoch_freq": 2}
    assert not caplog.records


def test_description_and_back(make_problem: Make, tmp_path: Path) -> None:
    from neonport.transforms import TopKMisclassification

    p = make_problem()
    metric = TopKMisclassification(2)
    callbacks = Callbacks(
        p.model,
        eval_set=p.held,
        eval_freq=2,
        metric=metric,
        save_path=str(tmp_path / "m.prm"),
        history=4,
    )
    callbacks.add_save_best_state_callback(str(tmp_path / "best.prm"))
    callbacks.epoch_marker = 5
    description = callbacks.serialize()
    loss = description["callbacks"][0]
    assert loss["type"] == "neon.callbacks.callbacks.LossCallback"
    assert loss["config"] == {"eval_set": {"type": "Data", "name": "held"}, "epoch_freq": 2}
    for source in ("dict", "file", "model file"):
        value: Any = description
        if source == "file":
            value = tmp_path / "callbacks.json"
            checkpoint.save(description, value)
        elif source == "model file":
            value = tmp_path / "both.prm"
            checkpoint.save({"model": {}, "callbacks": description}, value)
        writes = [tmp_path / "m.prm", tmp_path / "best.prm"]
        back = Callbacks.load_callbacks(value, p.model, data=[p.data, p.held], writes=writes)
        assert classes(back) == classes(callbacks)
        assert back.serialize() == description
        assert back.callbacks[0].eval_set is p.held  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"'held'.*'train'"):
        Callbacks.load_callbacks(description, p.model, data=[p.data], writes=writes)


class TestStore:
    def test_paths_make_groups(self) -> None:
        store = MemoryStore()
        dataset = store.create_dataset("a/b/c", (2, 3), dtype="int64")
        assert store["a"]["b/c"] is dataset
        assert store["a/b"].name == "/a/b"
        assert dataset.name == "/a/b/c"
        assert "a/b/c" in store
        assert "a/x/c" not in store
        assert "a/b/c/d" not in store
        assert list(store) == ["a"]
        assert (dataset.shape, dataset.dtype, dataset.size, len(dataset)) == ((2, 3), "i8", 6, 2)
        assert store.get("a/q") is None
        assert store.require_group("a/b") is store["a/b"]
        assert store.require_group("n/m").name == "/n/m"
        del store["a/b"]
        assert "a/b/c" not in store

    def test_reading_copies_and_writing_goes_through(self) -> None:
        store = MemoryStore()
        dataset = store.create_dataset("x", data=np.arange(4.0), compression="gzip")
        dataset[:][0] = 9
        assert dataset[0] == 0
        dataset[1:3] = [7, 8]
        np.testing.assert_array_equal(np.asarray(dataset), [0, 7, 8, 3])

    def test_refusals_are_those_of_h5py(self) -> None:
        store = MemoryStore()
        store.create_dataset("x", (2,))
        with pytest.raises(ValueError, match="exists"):
            store.create_dataset("x", (2,))
        with pytest.raises(ValueError, match="exists"):
            store.create_group("x")
        with pytest.raises(KeyError):
            store["nothing/here"]
        with pytest.raises(TypeError, match="not a group"):
            store.require_group("x")

    def test_it_agrees_with_h5py(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "f.h5", "w") as file:
            for store in (file, MemoryStore()):
                store.create_group("g").attrs["n"] = 3
                dataset = store["g"].create_dataset("d/e", (3,), dtype="float32")
                dataset[1] = 2.5
                assert dataset.dtype == np.float32
                assert store["g/d/e"][:].tolist() == [0, 2.5, 0]
                assert store["/g/d"].name == "/g/d"
                assert list(store["g"].keys()) == ["d"]
                assert store["g"].attrs["n"] == 3
                store.flush()


def test_files_that_a_description_names_are_written_only_where_allowed(
    make_problem: Make, tmp_path: Path
) -> None:
    p = make_problem()
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    named = [
        {"callbacks": [], "output_file": str(precious)},
        {"callbacks": Callbacks(p.model, save_path=str(precious)).serialize()["callbacks"]},
    ]
    best = Callbacks(p.model)
    best.add_save_best_state_callback(str(precious))
    named.append(best.serialize())
    for description in named:
        checkpoint.save(description, tmp_path / "callbacks.st")
        for source in (description, tmp_path / "callbacks.st"):
            with pytest.raises(ConfigurationError, match=r"would write.*precious.*writes=\["):
                Callbacks.load_callbacks(source, p.model)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"callbacks": 3},
        {"callbacks": [3]},
        {"callbacks": [{"type": "neon.models.model.Model", "config": {"layers": []}}]},
        {"callbacks": [{"type": "neon.callbacks.callbacks.RunTimerCallback", "config": 3}]},
        {"callbacks": [{"config": {}}]},
        {"callbacks": [{"type": "neon.callbacks.callbacks.TrainCostCallback", "config": {"w": 1}}]},
        {"callbacks": [], "epoch_marker": "x"},
        {"callbacks": [], "output_file": 3},
    ],
)
def test_malformed_descriptions(make_problem: Make, description: Any) -> None:
    with pytest.raises(CheckpointError):
        Callbacks.load_callbacks(description, make_problem().model)
