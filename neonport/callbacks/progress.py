"""The progress bar, a line an epoch where nobody watches, and neon's text form of the bar."""

from __future__ import annotations

import sys
import time
from typing import Any

from neonport.base import shown
from neonport.callbacks.callback import Callback, scalar
from neonport.callbacks.records.evaluations import EVAL_COST, evaluations
from neonport.errors import ConfigurationError

BAR_WIDTH = 20
WIDE = 100  # columns of a terminal that shows all in one line


def get_progress_string(
    tag: str,
    epoch: int,
    minibatch: int,
    nbatches: int,
    cost: Any,
    time: float,
    blockchar: str = "\u2588",
) -> str:
    """Neon's progress line.

    Args:
        tag: what is going on, `Train`.
        epoch: 0-based epoch.
        minibatch: minibatches done.
        nbatches: minibatches of the epoch.
        cost: a number, or a sequence of them for several costs.
        time: seconds since the epoch began.
        blockchar: what the bar is made of.

    Example:
        print(get_progress_string("Train", epoch=0, minibatch=3, nbatches=10, cost=0.7, time=1.5))
    """
    bar = blockchar * int(BAR_WIDTH * minibatch // max(1, nbatches))
    digits = len(str(nbatches))
    if isinstance(cost, (list, tuple)):
        text = f"({', '.join(f'{c:.2f}' for c in cost)}) costs"
    else:
        text = f"{cost:.2f} cost"
    return (
        f"Epoch {epoch:<3} [{tag} |{bar:<{BAR_WIDTH}}| {minibatch:>{digits}}/{nbatches} batches, "
        f"{text}, {time:.2f}s]"
    )


class ProgressBarCallback(Callback):
    """Show a bar with speed, cost and remaining time on a terminal, elsewhere a line an epoch.

    Both go to standard error; both show the held-out loss and the metrics of the epoch.

    Args:
        epoch_freq: epochs that get a bar.
        minibatch_freq: minibatches that move it.
        update_thresh_s: least seconds between two redraws.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(ProgressBarCallback(epoch_freq=10))
    """

    reads_minibatches = False

    def __init__(
        self, epoch_freq: int = 1, minibatch_freq: int = 1, update_thresh_s: float = 0.1
    ) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=minibatch_freq)
        if not isinstance(update_thresh_s, (int, float)):
            raise ConfigurationError(
                f"{self.classnm}: update_thresh_s is {shown(update_thresh_s)}; give a number of "
                "seconds"
            )
        self.update_thresh_s = update_thresh_s
        self._terminal = False
        self._progress: Any = None  # of this epoch: finished ones stay on the screen as text
        self._epochs = 0
        self._last_update = 0.0
        self._started = 0.0

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Find out whether anybody is watching: standard error is a terminal."""
        self._epochs = epochs
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def on_epoch_begin(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Start a bar, or a clock."""
        self._started = time.monotonic()
        if self._terminal:
            self._close()
            from rich.console import Console

            self._progress = _open_display(Console(stderr=True))
            self._progress.add_task(
                f"Epoch {epoch + 1}/{self._epochs}", total=model.nbatches, cost="", loss=""
            )
            self._progress.start()
            self._last_update = time.monotonic()

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, minibatch: int) -> None:
        """Move the bar, at most every `update_thresh_s` seconds and at the end."""
        if self._progress is None:
            return
        now = time.monotonic()
        last = minibatch + 1 >= model.nbatches
        if last or now - self._last_update > self.update_thresh_s:
            self._last_update = now
            costs = [scalar(c.cost) for c in getattr(model.cost, "costs", [model.cost])]
            text = "cost " + " ".join(f"{cost:.4g}" for cost in costs)
            self._show(completed=minibatch + 1, cost=text)

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Leave the finished bar with what was evaluated, or write a line."""
        parts = self._evaluated(callback_data, model, epoch)
        if self._progress is not None:
            self._show(loss=", ".join(parts))
            console = self._progress.console
            self._close()
            if parts and console.width < WIDE:
                console.print(f"  {', '.join(parts)}", highlight=False, markup=False)
        elif sys.stderr is not None:
            cost = f"cost {scalar(model.total_cost):.4g}"
            seconds = f"{time.monotonic() - self._started:.2f}s"
            line = ", ".join([cost, *parts, seconds])
            print(f"Epoch {epoch + 1}/{self._epochs}: {line}", file=sys.stderr, flush=True)

    def _evaluated(self, callback_data: Any, model: Any, epoch: int) -> list[str]:
        """Held-out loss and metrics of an epoch as text."""
        parts = []
        for name, value in evaluations(callback_data, epoch).items():
            if name == EVAL_COST:
                loss = self._get_cached_epoch_loss(callback_data, model, epoch, "loss")
                name = loss["costnm"] if loss else name
            parts.append(f"{name} {value:.4g}")
        return parts

    def on_train_end(self, callback_data: Any, model: Any) -> None:
        """Give the terminal back."""
        self._close()

    def on_train_abort(self) -> None:
        """Give the terminal back."""
        self._close()

    def _show(self, **fields: Any) -> None:
        self._progress.update(self._progress.task_ids[0], **fields)
        self._progress.refresh()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _open_display(console: Any) -> Any:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = task.completed / task.elapsed if task.elapsed else 0.0
            return Text(f"{speed:.4g}/s", style="progress.data.speed")

    class Times(ProgressColumn):
        def render(self, task: Any) -> Text:
            words = f"took {_clock(task.elapsed)}"
            if not task.finished:
                words = f"{_clock(task.time_remaining)} left"
                if console.width >= WIDE:
                    words = f"{_clock(task.elapsed)} so far, {words}"
            return Text(words, style="progress.elapsed")

    columns = [TextColumn("{task.description}"), BarColumn(BAR_WIDTH), MofNCompleteColumn()]
    if console.width < WIDE:
        columns[1] = BarColumn(BAR_WIDTH // 2)
        columns += [TextColumn("{task.fields[cost]}"), Times()]
    else:
        columns += [TextColumn("batches"), Speed(), TextColumn("{task.fields[cost]}")]
        columns += [TextColumn("{task.fields[loss]}"), Times()]
    # redrawn by the callback: no thread beside the training
    return Progress(*columns, console=console, auto_refresh=False)


def _clock(seconds: float | None) -> str:
    """Minutes and seconds, as on a clock; dashes where nobody knows."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
