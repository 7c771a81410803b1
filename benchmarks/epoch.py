"""A whole epoch of neon's mnist_mlp shape by `Model.fit`: iterator, steps and callbacks.

    python benchmarks/epoch.py [--epochs N] [--backend cpu]

60,000 random pictures of 784 numbers, ten classes, 100 hidden units, minibatches of 128, momentum.
Prints the seconds of each epoch, and the processor time of all threads; the first epoch binds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import machine
from neonport.backends import gen_backend
from neonport.callbacks import Callbacks
from neonport.callbacks.callback import Callback
from neonport.data import ArrayIterator
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import CrossEntropyBinary, Logistic, Rectlin


class Clock(Callback):
    """Times of the epochs: (seconds, processor seconds)."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_epoch_begin(self, callback_data, model, epoch):
        self.start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, callback_data, model, epoch):
        wall, cpu = self.start
        self.times.append((time.perf_counter() - wall, time.process_time() - cpu))


def train(backend: str, epochs: int, record: bool) -> list[tuple[float, float]]:
    """Times of the epochs of one training."""
    be = gen_backend(backend, batch_size=128, rng_seed=0)
    draw = np.random.default_rng(0)
    images, labels = draw.random((60000, 784), np.float32), draw.integers(0, 10, 60000)
    data = ArrayIterator(images, labels, nclass=10, lshape=(1, 28, 28))
    small = Gaussian(scale=0.01)
    hidden = Affine(100, init=small, activation=Rectlin())
    model = Model([hidden, Affine(10, init=small, activation=Logistic(shortcut=True))])
    clock = Clock()
    callbacks = Callbacks(model, progress_bar=False)
    callbacks.add_callback(clock)
    cost, optimizer = GeneralizedCost(CrossEntropyBinary()), GradientDescentMomentum(0.1, 0.9)
    model.fit(data, cost, optimizer, epochs, callbacks, record=record)
    be.cleanup_backend()
    return clock.times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--backend", default="cpu")
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name}: {value}")
    for record in (False, True):
        times = train(options.backend, options.epochs, record)
        wall, cpu = np.median(times[1:], axis=0)
        print(
            f"{'recorded' if record else 'plain':8}  first {times[0][0]:.3f} s, then median "
            f"{wall:.3f} s ({cpu:.3f} s of processor time)"
        )


if __name__ == "__main__":
    main()
