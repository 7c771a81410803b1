"""A training step that is recorded once in an epoch and replayed for the other minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonport.engine.recording import ATTEMPTS
from neonport.log import logger

if TYPE_CHECKING:
    from neonport.models.model import Model

BUFFERS = 8  # recordings in an epoch: a data iterator may take turns with a few buffers


class RecordedStep:
    """Trains on a minibatch as the model does, by replays where that is possible.

    The forward pass is one recording, the backward pass with the update another: between them the
    cost is read on the host, which a replay could not do. Both are made in the same run, for the
    backward pass finds what the Python code of the forward pass left in the layers.

    Where nothing can be recorded the model's own step runs, and the log says why, once.

    Args:
        model: the model, initialized.

    Attributes:
        reason: why steps are not recorded; empty if they are.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.reason = ""
        self._record = getattr(model.be, "record", None)
        self._epoch = -1
        self._ready: dict[Any, tuple[Any, Any, Any, Any]] = {}
        self._failures = 0

    def __call__(self, x: Any, t: Any, epoch: int) -> None:
        """Train on a minibatch.

        Args:
            x, t: inputs and targets: tensors, or lists of them.
            epoch: index of the epoch. A new one is recorded anew, as schedules and callbacks may
                have changed what a step does.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._ready.clear()
        key = _identity((x, t))
        if key in self._ready:
            forward, backward, y, _ = self._ready[key]
            forward()
            self.model._add_cost(y, t)
            backward()
        elif self._possible():
            self._run_and_record(key, x, t, epoch)
        else:
            self.model._train_step(x, t, epoch)

    def _possible(self) -> bool:
        if self._record is None:
            self._give_up(f"the backend {self.model.be} cannot record")
        elif len(self._ready) >= BUFFERS:
            self._give_up("the data come in other tensors each time; yield the same buffers")
        return not self.reason

    def _run_and_record(self, key: Any, x: Any, t: Any, epoch: int) -> None:
        assert self._record is not None
        with self._record() as forward:
            y = self.model.fprop(x)
        self.model._add_cost(y, t)
        with self._record() as backward:
            self.model._update(y, t, epoch)
        reason = forward.reason or backward.reason
        if not reason:
            self._failures = 0
            # x and t are kept, so that no other tensor gets their identity
            self._ready[key] = forward, backward, y, (x, t)
            return
        self._failures += 1
        if self._failures >= ATTEMPTS:  # the first run may allocate what later runs find
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        if not self.reason:
            logger.warning("fit: the training step is not recorded: %s", reason)
        self.reason = reason


def _identity(value: Any) -> Any:
    return tuple(map(_identity, value)) if isinstance(value, (list, tuple)) else id(value)
