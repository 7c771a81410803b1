"""Ctrl-C during training."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.io import checkpoint

Make = Callable[..., Any]


class PressCtrlC(Callback):
    """Sends the signal at one minibatch, before it is trained."""

    def __init__(self, epoch: int, minibatch: int, times: int = 1) -> None:
        super().__init__()
        self.when, self.times = (epoch, minibatch), times

    def on_minibatch_begin(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        if (epoch, mb) == self.when:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def handler() -> Any:
    """A handler that was there before, and is expected to be there afterwards."""

    def mine(number: int, frame: Any) -> None:
        raise AssertionError("the handler from before must not run during training")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def weights(model: Any) -> np.ndarray:
    return model.layers.layers[0].W.get()


def test_first_signal_saves_whole_minibatches_and_stops(
    make_problem: Make, fit: Make, tmp_path: Path, handler: Any
) -> None:
    p = make_problem()
    path = tmp_path / "m.prm"
    callbacks = Callbacks(p.model, save_path=str(path), progress_bar=False)
    callbacks.add_callback(PressCtrlC(1, 1))
    with pytest.raises(KeyboardInterrupt):
        fit(p, 3, callbacks)
    assert signal.getsignal(signal.SIGINT) is handler
    saved = checkpoint.load(path)
    assert saved["epoch_index"] == 1
    assert saved["resume"]["minibatch"] == 2  # the minibatch at which it came was finished
    np.testing.assert_array_equal(
        saved["model"]["config"]["layers"][0]["params"]["W"], weights(p.model)
    )

    straight = make_problem()
    fit(straight, 3)
    wanted = weights(straight.model)
    q = make_problem()
    q.model.load_params(path)
    fit(q, 3)
    np.testing.assert_array_equal(weights(q.model), wanted)


def test_second_signal_stops_at_once(
    make_problem: Make, fit: Make, tmp_path: Path, handler: Any
) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, save_path=str(tmp_path / "m.prm"), progress_bar=False)
    callbacks.add_callback(PressCtrlC(0, 1, times=2))
    with pytest.raises(KeyboardInterrupt):
        fit(p, 3, callbacks)
    assert p.model.minibatch_index == 1
    assert not (tmp_path / "m.prm").exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_signal_after_the_last_minibatch_still_counts(
    make_problem: Make, fit: Make, tmp_path: Path, handler: Any
) -> None:
    class AtEnd(Callback):
        def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    p = make_problem()
    path = tmp_path / "m.prm"
    callbacks = Callbacks(p.model, save_path=str(path), progress_bar=False)
    callbacks.add_callback(AtEnd())
    with pytest.raises(KeyboardInterrupt):
        fit(p, 1, callbacks)
    assert checkpoint.load(path)["epoch_index"] == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_previous_handler_is_back_after_success_and_error(
    make_problem: Make, fit: Make, handler: Any
) -> None:
    during = []

    class Look(Callback):
        def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
            during.append(signal.getsignal(signal.SIGINT))
            if len(during) == 2:
                raise ValueError("enough")

    for epochs in (1, 2):
        p = make_problem()
        callbacks = Callbacks(p.model, progress_bar=False)
        look = Look()
        callbacks.add_callback(look)
        if epochs == 1:
            fit(p, 1, callbacks)
        else:
            with pytest.raises(ValueError, match="enough"):
                fit(p, 2, callbacks)
        assert signal.getsignal(signal.SIGINT) is handler
    assert handler not in during


def test_training_works_outside_the_main_thread(
    make_problem: Make, fit: Make, handler: Any
) -> None:
    p = make_problem()
    seen: list[Any] = []

    class Look(Callback):
        def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
            seen.append(signal.getsignal(signal.SIGINT))

    def work() -> None:
        try:
            callbacks = Callbacks(p.model, progress_bar=False)
            callbacks.add_callback(Look())
            fit(p, 2, callbacks)
        except BaseException as error:
            seen.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler, handler]
    assert p.model.epoch_index == 2


def test_an_ignored_signal_stays_ignored(make_problem: Make, fit: Make) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        p = make_problem()
        callbacks = Callbacks(p.model, progress_bar=False)
        callbacks.add_callback(PressCtrlC(0, 0))
        fit(p, 1, callbacks)
        assert p.model.epoch_index == 1
    finally:
        signal.signal(signal.SIGINT, before)
