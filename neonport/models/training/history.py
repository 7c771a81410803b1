"""History: what `fit` returns, the numbers of each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from neonport.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = ("cost", "eval_cost")


class History(dict[str, list[float]]):
    """Numbers of the epochs of one `fit`, by name: a list each, with one entry an epoch.

    `epoch` counts the epochs that are done (from 1; a continued training goes on counting), `cost`
    is the mean training cost, `eval_cost` the cost on the `eval_set` of the callbacks; metrics
    stand under their own names. An epoch that was not evaluated has nan there.

    Attributes:
        reason: why training ended, for example "all epochs done".

    Example:
        callbacks = Callbacks(model, eval_set=train, metric=Accuracy(), progress_bar=False)
        history = model.fit(train, cost, optimizer, num_epochs=3, callbacks=callbacks)
        assert list(history) == ["epoch", "cost", "eval_cost", "Accuracy"]
        assert history["epoch"] == [1, 2, 3] and len(history["Accuracy"]) == 3
    """

    def __init__(self) -> None:
        super().__init__(epoch=[], cost=[])
        self.reason = ""

    def add(self, epoch: int, cost: float, evaluated: dict[str, float]) -> None:
        """Append the numbers of an epoch.

        Args:
            epoch: epochs that are done.
            cost: mean training cost.
            evaluated: what else is known of this epoch, by name.
        """
        before = len(self["epoch"])
        numbers: dict[str, float] = {**evaluated, "epoch": epoch, "cost": cost}
        for name in numbers:
            self.setdefault(name, [math.nan] * before)
        for name, values in self.items():
            values.append(numbers.get(name, math.nan))

    def plot(self, names: Iterable[str] | None = None) -> Figure:
        """Curves over the epochs: costs in one picture, metrics in another beside it.

        Args:
            names: what to draw; None for all.

        Returns:
            A figure of matplotlib; a notebook shows it, `figure.savefig(path)` writes it.

        Raises:
            ConfigurationError: matplotlib is missing (extra `plot`), or there is no such name.

        Example:
            history = model.fit(train, cost, optimizer, num_epochs=3)
            history.plot(["cost"]).savefig("cost.png")
        """
        known = [name for name in self if name != "epoch"]
        chosen = known if names is None else list(names)
        if wrong := [name for name in chosen if name not in known]:
            raise ConfigurationError(
                f"plot: no numbers called {wrong[0]!r}; there are {', '.join(known)}"
            )
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ConfigurationError(
                "plot needs matplotlib; install it with `pip install neonport[plot]`"
            ) from error
        panels = [[n for n in chosen if n in COSTS], [n for n in chosen if n not in COSTS]]
        panels = [panel for panel in panels if panel]
        figure, axes = pyplot.subplots(
            1, len(panels) or 1, squeeze=False, figsize=(5 * (len(panels) or 1), 4)
        )
        for axis, panel in zip(axes[0], panels, strict=False):
            for name in panel:
                values = self[name]
                drawn = [i for i, value in enumerate(values) if not math.isnan(value)]
                epochs = [self["epoch"][i] for i in drawn]
                axis.plot(epochs, [values[i] for i in drawn], label=name, marker=".")
            axis.set_xlabel("epoch")
            axis.legend()
        return figure
