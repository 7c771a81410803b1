"""What the callbacks record, against NumPy, in memory and in an HDF5 file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import LossCallback, MetricCallback, TrainCostCallback
from neonport.callbacks.cost import TrainMulticostCallback, _kept_costs, _values
from neonport.errors import ConfigurationError
from neonport.layers.deferred_cost import UNREAD
from neonport.transforms import Accuracy

Make = Callable[..., Any]


class Watch(Callback):
    """Notes cost of each minibatch, and loss and error of the held-out data at each epoch's end."""

    def __init__(self, problem: Any) -> None:
        super().__init__()
        self.problem = problem
        self.costs: list[float] = []
        self.losses: list[float] = []
        self.errors: list[float] = []

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        self.costs.append(model.cost.cost.item())

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        p = self.problem
        weights = model.layers.layers[0].W.get().astype(np.float64)
        z = weights @ p.held_x.T
        y = np.exp(z - z.max(axis=0))
        y /= y.sum(axis=0)
        self.losses.append(np.mean(-np.log(y[p.held_y, np.arange(len(p.held_y))])))
        self.errors.append(np.mean(y.argmax(axis=0) != p.held_y))


def watched(problem: Any, fit: Make, epochs: int, **kwargs: Any) -> tuple[Any, Watch]:
    callbacks = Callbacks(problem.model, progress_bar=False, **kwargs)
    watch = Watch(problem)
    callbacks.add_callback(watch)
    return fit(problem, epochs, callbacks), watch


def test_train_cost_is_a_moving_average(make_problem: Make, fit: Make) -> None:
    p = make_problem(ndata=32)
    callbacks, watch = watched(p, fit, 4)
    recorded = callbacks.callback_data["cost/train"]
    wanted = [np.mean(watch.costs[max(0, i - 9) : i + 1]) for i in range(16)]
    np.testing.assert_allclose(recorded[:], wanted, rtol=1e-6)
    assert recorded.dtype == np.float32
    assert recorded.attrs["time_markers"] == "minibatch"


@pytest.mark.parametrize("held", [8, 11, 16, 23])
def test_held_out_loss_and_metric(make_problem: Make, fit: Make, held: int) -> None:
    from neonport.transforms import Misclassification

    p = make_problem(held=held)
    callbacks, watch = watched(p, fit, 3, eval_set=p.held, eval_freq=1, metric=Misclassification())
    data = callbacks.callback_data
    np.testing.assert_allclose(data["cost/loss"][:], watch.losses, rtol=1e-5)
    np.testing.assert_allclose(data["metrics/Top1Misclass"][:], watch.errors, rtol=1e-6)
    assert (data["time/loss"][:] > 0).all()
    assert data["cost/loss"].attrs["time_markers"] == "epoch_freq"
    assert data["cost/loss"].attrs["epoch_freq"] == 1


@pytest.mark.parametrize(
    ("freq", "epochs"), [(2, [1, 3]), (3, [2]), ([0, 4], [0, 4]), ([3, 1, 9], [1, 3]), (6, [])]
)
def test_frequencies(make_problem: Make, fit: Make, freq: Any, epochs: list[int]) -> None:
    p = make_problem()
    callbacks, watch = watched(p, fit, 5, eval_set=p.held, eval_freq=freq, metric=Accuracy())
    data = callbacks.callback_data
    np.testing.assert_allclose(data["cost/loss"][:], np.array(watch.losses)[epochs], rtol=1e-5)
    np.testing.assert_allclose(
        data["metrics/Accuracy"][:], 1 - np.array(watch.errors)[epochs], rtol=1e-5
    )


def test_markers_are_exact_integers(make_problem: Make, fit: Make) -> None:
    p = make_problem(ndata=18)  # 3 batches, then 2
    data = fit(p, 3).callback_data
    markers = data["time_markers/minibatch"]
    assert markers.dtype == np.int64
    np.testing.assert_array_equal(markers[:], [3, 5, 7])
    assert dict(data["time_markers"].attrs) == {"epochs_complete": 3, "minibatches_complete": 7}
    assert dict(data["config"].attrs) == {"total_minibatches": 9, "total_epochs": 3}
    costs = data["cost/train"][:]
    assert (costs[:7] > 0).all()
    assert (costs[7:] == 0).all()


def test_run_time(make_problem: Make, fit: Make) -> None:
    before = time.time()
    data = fit(make_problem(), 2).callback_data
    start, end = (data[f"time/train/{name}"][0] for name in ("start_time", "end_time"))
    assert before <= start <= end <= time.time()
    assert data["time/train/end_time"].attrs["units"] == "seconds"


def test_layout_is_neons_and_the_same_in_a_file(
    make_problem: Make, fit: Make, tmp_path: Path
) -> None:
    from neonport.transforms import Misclassification

    h5py = pytest.importorskip("h5py")

    def run(output_file: Any) -> Any:
        p = make_problem()
        return fit(
            p,
            2,
            output_file=output_file,
            eval_set=p.held,
            eval_freq=1,
            metric=Misclassification(),
        ).callback_data

    def walk(group: Any, prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, member in group.items():
            path = f"{prefix}{name}"
            attrs = {k: np.asarray(v).tolist() for k, v in member.attrs.items()}
            if hasattr(member, "dtype"):
                found[path] = (member.shape, str(member.dtype), attrs)
            else:
                found[path] = attrs
                found.update(walk(member, f"{path}/"))
        return found

    memory = run(None)
    run(tmp_path / "log.h5")
    with h5py.File(tmp_path / "log.h5", "r") as file:
        assert walk(file) == walk(memory)
        for path in ("cost/train", "cost/loss", "metrics/Top1Misclass", "time_markers/minibatch"):
            np.testing.assert_array_equal(file[path][:], memory[path][:])
        assert {path for path in walk(file) if "/" in path} == {
            "cost/loss",
            "cost/train",
            "metrics/Top1Misclass",
            "time/loss",
            "time/train",
            "time/train/end_time",
            "time/train/start_time",
            "time_markers/minibatch",
        }


def test_existing_output_file_is_replaced_with_a_warning(
    make_problem: Make, fit: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / "log.h5"
    fit(make_problem(), 1, output_file=str(path))
    assert "overwriting" not in caplog.text
    fit(make_problem(), 1, output_file=str(path))
    assert "overwriting" in caplog.text


def test_missing_h5py_is_explained(
    make_problem: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    p = make_problem()
    with pytest.raises(ConfigurationError, match=r"neonport\[hdf5\]"):
        Callbacks(p.model, output_file=str(tmp_path / "log.h5"))


def test_continued_training_keeps_the_axes(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem()
    fit(p, 2)
    data = fit(p, 5).callback_data
    np.testing.assert_array_equal(data["time_markers/minibatch"][:], [3, 6, 9, 12, 15])
    costs = data["cost/train"][:]
    assert (costs[:6] == 0).all()
    assert (costs[6:] > 0).all()


def test_several_costs(make_problem: Make, fit: Make) -> None:
    """A tree of two outputs is not needed: a cost with two parts that knows both is enough."""
    p = make_problem()

    class TwoCosts:
        classnm = "TwoCosts"

        def __init__(self, inner: Any) -> None:
            self.inner = inner
            self.costs = [self, self]

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    with pytest.raises(ConfigurationError, match="needs a Multicost"):
        fit(p, 1, multicost=True)
    p = make_problem()
    leaf = [type("Leaf", (), {"cost": np.array([[v]])})() for v in (5.0, 1.0, 2.0)]
    nested = type("Nested", (), {"costs": leaf[1:]})()
    nested.cost = leaf[1].cost
    values = _values(*_kept_costs(type("C", (), {"costs": [leaf[0], nested]})()))
    np.testing.assert_array_equal(values["train"], [5, 1])
    np.testing.assert_array_equal(values["train_allbranches"], [5, 1, 2])


def test_several_costs_wait_on_the_device(make_problem: Make) -> None:
    class Later:
        """A cost that counts who reads it."""

        reads = 0

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            Later.reads += 1
            return np.full((1, 1), float(Later.reads), dtype=dtype)

    p = make_problem()
    p.cost = p.cost.__class__(p.cost.costfunc)
    callbacks = Callbacks(p.model, progress_bar=False)
    multi = TrainMulticostCallback(wsz=1)
    part = type("Part", (), {"last_cost": Later()})()
    p.model.cost = type("Multi", (), {"costs": [part, part], "classnm": "Multi"})()
    p.model.nbatches, p.model.ndata = 2 * UNREAD, 16 * UNREAD
    callbacks.callbacks = [multi]
    callbacks.on_train_begin(1)
    before = Later.reads
    for minibatch in range(UNREAD - 1):
        callbacks.on_minibatch_end(0, minibatch)
    assert Later.reads == before
    callbacks.on_minibatch_end(0, UNREAD - 1)
    assert Later.reads > before
    callbacks.on_train_abort()


def test_log_lines(make_problem: Make, fit: Make, caplog: pytest.LogCaptureFixture) -> None:
    from neonport.callbacks.callbacks import TrainLoggerCallback

    p = make_problem()
    callbacks = Callbacks(
        p.model, eval_set=p.held, eval_freq=2, metric=Accuracy(), progress_bar=False
    )
    callbacks.add_callback(TrainLoggerCallback(minibatch_freq=3))
    with caplog.at_level("INFO", logger="neonport"):
        fit(p, 2, callbacks)
    text = caplog.text
    assert "Linear Layer" in text
    assert "Epoch 0 Minibatch 2 complete. Train cost:" in text
    assert "Epoch 0 complete.  Train Cost" in text
    losses = callbacks.callback_data["cost/loss"]
    assert f"Eval Cost {losses[0]:.6g}" in text
    assert text.count("Eval Cost") == 2  # two loggers, one evaluated epoch
    assert "Accuracy: 0." in text


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda p: Callbacks(p.model, eval_freq=1), "eval_freq needs an eval_set"),
        (lambda p: Callbacks(p.model, metric=Accuracy()), "metric needs an eval_set"),
        (lambda p: Callbacks(p.model, eval_set=p.held_x), "not a data iterator.*ArrayIterator"),
        (lambda p: Callbacks(p.model, eval_set=p.held, eval_freq="1"), "epoch_freq .*'1'"),
        (lambda p: Callbacks(p.model, eval_set=p.held, metric="accuracy"), "text 'accuracy'"),
        (lambda p: Callbacks(p.model, eval_set=p.held, metric=Accuracy), "class Accuracy"),
        (lambda p: Callbacks(p.model, eval_set=p.held, metric=len), "not a metric"),
        (lambda p: Callbacks("model"), "text 'model'"),
        (lambda p: Callbacks(type(p.model)), "class Model"),
        (lambda p: Callbacks(p.data), "ArrayIterator, not a Model"),
        (lambda p: Callbacks(p.model).add_callback(TrainCostCallback), "class TrainCost"),
        (lambda p: Callbacks(p.model).add_callback(print), "is no callback"),
        (lambda p: LossCallback(p.held, epoch_freq=0), "epoch_freq must be 1 or more"),
        (lambda p: Callback(minibatch_freq=-1), "minibatch_freq"),
        (lambda p: MetricCallback(p.held, TrainCostCallback), "instance"),
    ],
)
def test_mistakes_are_named(make_problem: Make, build: Any, words: str) -> None:
    p = make_problem()
    with pytest.raises(ConfigurationError, match=words):
        build(p)


def test_train_set_is_deprecated(make_problem: Make) -> None:
    p = make_problem()
    with pytest.warns(DeprecationWarning, match="train_set"):
        Callbacks(p.model, train_set=p.data)
