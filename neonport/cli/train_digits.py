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

NETS = ("mlp", "conv")
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
        net: one of `NETS`, or None for "mlp" or the checkpoint's.

    Raises:
        CheckpointError: the file cannot be continued from, or would be overwritten unasked.
        ConfigurationError: network, seed or batch size contradict the checkpoint, or the backend
            computes nothing and would continue it.
    """

    def __init__(
        self,
        backend: str | None,
        seed: int | None,
        batch_size: int | None,
        path: str,
        resume: bool,
        force: bool,
        net: str | None = None,
    ) -> None:
        self.path = path
        description = checkpoint.load(path) if resume else None
        if description is None:
            self._check_overwrite(force)
        self.net: str = self._setting(description, "network", net, NETS[0])
        self.seed: int = self._setting(description, "seed", seed, DEFAULT_SEED)
        self.batch_size: int = self._setting(
            description, "batch size", batch_size, DEFAULT_BATCH_SIZE
        )
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
        self, description: dict[str, Any] | None, name: str, given: Any, default: Any
    ) -> Any:
        """Choose between what was given, what the checkpoint says, and the default."""
        if description is None:
            return default if given is None else given
        stored: Any
        if name == "network":
            stored = _net_of(description)
        elif name == "seed":
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
        return stored

    def _build(self, description: dict[str, Any] | None) -> None:
        from neonport.data import Digits
        from neonport.layers import GeneralizedCost
        from neonport.models import Model
        from neonport.transforms import CrossEntropyMulti

        self.data = Digits()
        self.model = Model(network(self.net))
        self.cost = GeneralizedCost(CrossEntropyMulti())
        self.optimizer = optimizer(self.net)
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
            "net": self.net,
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


def network(net: str) -> list[Any]:
    """Return the layers of a network.

    Args:
        net: "mlp": two hidden layers; "conv": three convolutions and a hidden layer. Both with
            batch normalisation.
    """
    from neonport.layers import Affine, Conv, Dropout, Pooling
    from neonport.transforms import Rectlin, Softmax

    def conv(maps: int) -> Any:
        return Conv(
            (3, 3, maps), init, padding=1, batch_norm=True, activation=Rectlin(),
            name=f"maps{maps}",
        )  # fmt: skip

    def hidden(nout: int, name: str) -> Any:
        return Affine(nout, init, batch_norm=True, activation=Rectlin(), name=name)

    init = "glorot_uniform" if net == "mlp" else "he_normal"

    last = Affine(10, "glorot_uniform", bias="zeros", activation=Softmax(), name="digit")
    if net == "mlp":
        return [hidden(128, "hidden1"), hidden(64, "hidden2"), last]
    front = [conv(16), conv(32), Pooling(2), conv(64), Pooling(2), Dropout(0.5)]
    return [*front, hidden(64, "hidden"), last]


def optimizer(net: str) -> Any:
    """Return the optimizer that a network is trained with."""
    from neonport.optimizers import Adam, AdamW, StepSchedule

    if net == "mlp":
        return Adam(learning_rate=0.002)
    schedule = StepSchedule([8, 12], [5e-4, 1e-4])
    return AdamW(learning_rate=0.002, wdecay=1e-3, schedule=schedule)


def _net_of(description: dict[str, Any]) -> str | None:
    """The network that a checkpoint holds; None if it is none of these."""
    model = description.get("model")
    config = model.get("config") if isinstance(model, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    first = layers[0] if isinstance(layers, list) and layers else None
    kind = str(first.get("type")).rpartition(".")[2] if isinstance(first, dict) else None
    return {"Linear": "mlp", "Convolution": "conv"}.get(kind or "")
