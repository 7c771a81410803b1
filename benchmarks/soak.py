"""Training for a long time: memory, mappings and file descriptors must stay flat.

    python benchmarks/soak.py --backend cpu --seconds 3600

A network with batch normalisation, dropout written as an expression and an evaluation each epoch is
trained on random data: a new model every two epochs, with another batch size, saved and loaded.
What the process holds is printed every `--every` seconds. It fails if the second half of the run
holds more than the second quarter by `--tolerance`.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost, OpTreeLayer
from neonport.models import Model
from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.transforms import CrossEntropyMulti, Misclassification, Rectlin, Softmax

CLASSES, FEATURES, ROWS = 10, 64, 2048


class Drop(OpTreeLayer):
    """Dropout as an expression."""

    def forward(self, x: Any) -> Any:
        return x * (self.be.rand(shape=x.shape) < 0.8) * 1.25


def held() -> dict[str, int]:
    """What this process holds: resident KiB, mappings, file descriptors."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    mappings = Path("/proc/self/maps").read_text(encoding="utf-8").count("\n")
    return {"KiB": int(kib), "mappings": mappings, "files": len(os.listdir("/proc/self/fd"))}


def train(be: Any, number: int, folder: str) -> None:
    """One model from the start, two epochs, saved and loaded."""
    be.bsz = (32, 64, 128)[number % 3]
    rng = np.random.default_rng(number)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    data = ArrayIterator(x, rng.integers(0, CLASSES, ROWS), nclass=CLASSES)
    init = Gaussian(scale=0.1)
    layers = [
        Affine(100, init, batch_norm=True, activation=Rectlin()), Drop(),
        Affine(CLASSES, init, activation=Softmax()),
    ]  # fmt: skip
    model = Model(layers)
    optimizer = Adam() if number % 2 else GradientDescentMomentum(0.1, 0.9)
    cost = GeneralizedCost(costfunc=CrossEntropyMulti())
    callbacks = Callbacks(model, eval_set=data, progress_bar=False)
    model.fit(data, cost=cost, optimizer=optimizer, num_epochs=2, callbacks=callbacks)
    path = Path(folder) / "soak.safetensors"
    model.save_params(path)
    again = Model(path, classes=[Drop])
    again.eval(data, metric=Misclassification())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--every", type=float, default=60, help="seconds between two lines")
    parser.add_argument("--tolerance", type=float, default=0.02, help="share that may be added")
    chosen = parser.parse_args()
    be = gen_backend(chosen.backend, rng_seed=0, batch_size=32)
    begun = shown = time.monotonic()
    rows: list[dict[str, int]] = []
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - begun < chosen.seconds:
            train(be, number, folder)
            number += 1
            if time.monotonic() - shown >= chosen.every:
                shown = time.monotonic()
                rows.append(held())
                words = ", ".join(f"{n} {what}" for what, n in rows[-1].items())
                print(f"{shown - begun:7.0f} s, {number} trainings: {words}", flush=True)
    if len(rows) < 4:
        sys.exit("too short to say anything: --seconds must be at least 4 times --every")
    first, second = rows[len(rows) // 4 : len(rows) // 2], rows[len(rows) // 2 :]
    grown = []
    for what in rows[0]:
        before, after = (max(row[what] for row in part) for part in (first, second))
        if after > before * (1 + chosen.tolerance) + (0 if what == "KiB" else 2):
            grown.append(f"{what} grew from {before} to {after}")
    print("; ".join(grown) or f"flat over {number} trainings")
    sys.exit(1 if grown else 0)


if __name__ == "__main__":
    main()
