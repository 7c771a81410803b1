"""The training behind `neonport train digits`."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any

from neonport.backends import cleanup_backend, gen_backend
from neonport.errors import CheckpointError, ConfigurationError
from neonport.io import checkpoint
from neonport.io.atomic_write import check_target

DEFAULT_EPOCHS = 20
DEFAULT_BATCH_SIZE = 32
DEFAULT_SEED = 0
HELD_OUT = 359  # images held out of 1,797: also the largest batch that can be evaluated


class DigitsRun:
    """Backend, model and data of one run; a context manager that frees the backend.

    Args:
        backend: name, or None for the default.
        seed: seed, or None for the default or the checkpoint's.
        batch_size: images in a minibatch, or None likewise.
        path: checkpoint file.
        resume: continue from that file.
        force: start anew where that file exists.

    Raises:
        CheckpointError: the file cannot be continued from, or would be overwritten unasked.
        ConfigurationError: seed or batch size contradict the checkpoint, or the backend computes
            nothing and would continue it.
    """

    def __init__(
        self,
        backend: str | None,
        seed: int | None,
        batch_size: int | None,
        path: str,
        resume: bool,
        force: bool,
    ) -> None:
        self.path = path
        description = checkpoint.load(path) if resume else None
        if description is None:
            self._check_overwrite(force)
        self.seed = self._setting(description, "seed", seed, DEFAULT_SEED)
        self.batch_size = self._setting(description, "batch size", batch_size, DEFAULT_BATCH_SIZE)
        be = gen_backend(backend, rng_seed=self.seed, batch_size=self.batch_size)
        self.backend = be.backend_name
        try:
            if description is not None and not be.device.capabilities.runs:
                raise ConfigurationError(
                    f"the backend {self.backend} computes nothing, so continuing on it would "
                    f"replace what was trained in {self.path!r}; give another --backend"
                )
            self._build(description)
        except BaseException:
            cleanup_backend()
            raise

    def _check_overwrite(self, force: bool) -> None:
        check_target(self.path)
        if not os.path.exists(self.path):
            return
        if not checkpoint.is_checkpoint(self.path):
            raise CheckpointError(
                f"{self.path!r} exists and is not a neonport checkpoint; give another "
                "--checkpoint, or remove the file"
            )
        if not force:
            raise CheckpointError(
                f"{self.path!r} exists: --resume continues it, --force starts anew and replaces "
                "it, --checkpoint names another file"
            )

    def _setting(
        self, description: dict[str, Any] | None, name: str, given: int | None, default: int
    ) -> int:
        """Choose between what was given, what the checkpoint says, and the default."""
        if description is None:
            return default if given is None else given
        if name == "seed":
            stored = description.get("backend", {}).get("rng_seed")
        else:
            stored = description.get("resume", {}).get("batch_size")
        if stored is None:
            raise CheckpointError(
                f"{self.path!r} was not written by `neonport train digits`: it has no {name}"
            )
        if given not in (None, stored):
            raise ConfigurationError(
                f"{self.path!r} was trained with {name} {stored}, not {given}; leave the option "
                "out to continue, or leave out --resume to start again"
            )
        return int(stored)

    def _build(self, description: dict[str, Any] | None) -> None:
        from neonport.data import Digits
        from neonport.layers import GeneralizedCost
        from neonport.models import Model
        from neonport.optimizers import Adam
        from neonport.transforms import CrossEntropyMulti

        self.data = Digits()
        self.model = Model(network())
        self.cost = GeneralizedCost(CrossEntropyMulti())
        self.optimizer = Adam(learning_rate=0.002)
        if description is not None:
            self.model.deserialize(description)
        else:
            # A checkpoint from the first moment on: whenever the run ends, it can be continued.
            self.model.optimizer = self.optimizer
            self.model.initialize(self.data.train_iter, self.cost)
            self.model.save_params(self.path)

    def train(self, epochs: int, progress: bool) -> dict[str, Any]:
        """Train up to `epochs` epochs in total and evaluate; returns what the command reports."""
        from neonport.callbacks import Callbacks
        from neonport.transforms import Accuracy

        callbacks = Callbacks(self.model, save_path=self.path, progress_bar=progress)
        start = time.perf_counter()
        self.model.fit(self.data.train_iter, self.cost, self.optimizer, epochs, callbacks)
        seconds = time.perf_counter() - start
        return {
            "accuracy": round(float(self.model.eval(self.data.valid_iter, Accuracy())), 6),
            "seconds": round(seconds, 3),
            "backend": self.backend,
            "epochs": self.model.epoch_index,
            "checkpoint": os.path.abspath(self.path),
            "seed": self.seed,
            "batch_size": self.batch_size,
            "cost": float(self.model.total_cost.item()),
        }

    def __enter__(self) -> DigitsRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cleanup_backend()


def network() -> list[Any]:
    """Return the layers: two hidden ones with batch normalisation, and a softmax."""
    from neonport.initializers import Constant, GlorotUniform
    from neonport.layers import Affine
    from neonport.transforms import Rectlin, Softmax

    init = GlorotUniform()
    return [
        Affine(128, init, batch_norm=True, activation=Rectlin(), name="hidden1"),
        Affine(64, init, batch_norm=True, activation=Rectlin(), name="hidden2"),
        Affine(10, init, bias=Constant(0.0), activation=Softmax(), name="digit"),
    ]
