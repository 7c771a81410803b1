"""History: what `fit` returns, the numbers of each epoch."""

from __future__ import annotations

import math


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
