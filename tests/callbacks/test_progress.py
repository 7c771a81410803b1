"""The bar on a terminal, a line an epoch elsewhere, neon's text line."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import get_progress_string

Make = Callable[..., Any]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())

    def screen(self) -> list[str]:
        """What remains to be seen: the few control codes of a live display, obeyed."""
        rows, row = [""], 0
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\n":
                row += 1
                rows += [""] * (row + 1 - len(rows))
            elif part.endswith("A") and part[0] == "\x1b":
                row -= int(part[2:-1] or 1)
            elif part == "\x1b[2K":
                rows[row] = ""
            elif part[0] not in "\x1b\r":
                rows[row] += part
        return rows


def watch(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr (pytest undoes that between fixture and test)."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "180")
    monkeypatch.setenv("TERM", "xterm")
    return terminal


def test_a_pipe_gets_a_line_an_epoch(
    make_problem: Make, fit: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    from neonport.transforms import Accuracy, TopKMisclassification

    p = make_problem()
    callbacks = fit(p, 3, progress_bar=True, eval_set=p.held, eval_freq=2, metric=Accuracy())
    data = callbacks.callback_data
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert re.fullmatch(r"Epoch 1/3: cost \d\.\d+, \d+\.\d\ds", lines[0])
    loss, accuracy = data["cost/loss"][0], data["metrics/Accuracy"][0]
    evaluated = f"CrossEntropyMulti Loss {loss:.4g}, Accuracy {accuracy:.4g}, "
    assert evaluated in lines[1]
    assert lines[2].startswith("Epoch 3/3: cost ")
    assert "Loss" not in lines[2]
    assert len(lines) == 3
    fit(p, 4, progress_bar=True, eval_set=p.held, metric=TopKMisclassification(2))
    assert re.search("LogLoss .*, Top1Misclass .*, Top2Misclass ", capsys.readouterr().err)


def test_quiet_without_a_bar(
    make_problem: Make, fit: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    p = make_problem()
    fit(p, 2, progress_bar=False, eval_set=p.held)
    assert capsys.readouterr() == ("", "")


def test_a_pipe_does_not_even_load_the_library(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    callbacks = fit(p, 1, progress_bar=True)
    bar = next(c for c in callbacks.callbacks if type(c).__name__ == "ProgressBarCallback")
    assert bar._progress is None


def test_a_terminal_shows_epoch_batches_speed_cost_loss(
    make_problem: Make, fit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neonport.transforms import Accuracy

    terminal = watch(monkeypatch)
    p = make_problem()
    callbacks = fit(p, 2, progress_bar=True, eval_set=p.held, metric=Accuracy())
    data = callbacks.callback_data
    last = [line for line in terminal.text().splitlines() if "Epoch 2/2" in line][-1]
    assert "3/3 batches" in last
    assert re.search(r"\d/s", last)
    assert re.search(r"cost \d", last)
    assert f"CrossEntropyMulti Loss {data['cost/loss'][1]:.4g}" in last
    assert f"Accuracy {data['metrics/Accuracy'][1]:.4g}" in last
    assert re.search(r"took 0:0\d", last)
    assert re.search(r"0:0\d so far, (0:0\d|-:--) left", terminal.text())
    assert "Epoch 1/2" in terminal.text()


def test_a_narrow_terminal_shows_what_fits(
    make_problem: Make, fit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neonport.transforms import Accuracy

    terminal = watch(monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    p = make_problem()
    callbacks = fit(p, 2, progress_bar=True, eval_set=p.held, metric=Accuracy())
    data = callbacks.callback_data
    lines = [line.rstrip() for line in terminal.screen() if line.strip()]
    assert max(map(len, lines)) <= 60
    assert re.fullmatch(r"Epoch 2/2 \S+ 3/3 cost \d\.\d+ took 0:0\d", lines[2])
    assert lines[3].startswith(f"  CrossEntropyMulti Loss {data['cost/loss'][1]:.4g}, Accuracy ")
    assert " left" in terminal.text()


def test_each_epoch_leaves_one_line(
    make_problem: Make, fit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = watch(monkeypatch)
    p = make_problem()
    fit(p, 7, progress_bar=True)
    assert [line[:9] for line in terminal.screen() if line] == [f"Epoch {e}/7" for e in range(1, 8)]


def test_redraws_are_rare(make_problem: Make, fit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watch(monkeypatch)
    from neonport.callbacks.callbacks import ProgressBarCallback

    p = make_problem(ndata=800)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(ProgressBarCallback(update_thresh_s=1000))
    fit(p, 1, callbacks)
    assert set(re.findall(r"(\d+)/100", terminal.text())) == {"0", "100"}


def test_the_terminal_is_given_back_after_an_error(
    make_problem: Make, fit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = watch(monkeypatch)

    class Fails(Callback):
        def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
            raise RuntimeError("no")

    p = make_problem()
    callbacks = Callbacks(p.model)
    callbacks.add_callback(Fails())
    with pytest.raises(RuntimeError):
        fit(p, 1, callbacks)
    shown, hidden = (terminal.getvalue().count(f"\x1b[?25{c}") for c in "hl")
    assert shown == hidden >= 1  # cursor
    assert sys.stderr is terminal


def test_neons_line() -> None:
    line = get_progress_string("Train", 3, 25, 100, 0.456, 1.5)
    assert line == "Epoch 3   [Train |█████               |  25/100 batches, 0.46 cost, 1.50s]"
    line = get_progress_string("Train", 12, 100, 100, (0.5, 2), 10.0, blockchar="#")
    assert line == f"Epoch 12  [Train |{'#' * 20}| 100/100 batches, (0.50, 2.00) costs, 10.00s]"
