"""Predict a noisy time series with a GRU: the next value from the 24 values before it.

Run: python examples/gru_time_series.py [epochs]
Prints, for values that were not trained on, the error (root of the mean square) of the guess that
nothing changes and of the GRU, which comes near the noise (0.1), and the share of the variance that
the GRU explains: 0.97 or more after 20 epochs.
"""

from __future__ import annotations

import sys

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import GlorotUniform
from neonport.layers import GRU, Affine, GeneralizedCost, RecurrentLast
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import Logistic, MeanSquared, Tanh

STEPS, NOISE = 24, 0.1


def series(count: int) -> np.ndarray:
    """Two oscillations of different periods and some noise."""
    t = np.arange(count)
    clean = np.sin(2 * np.pi * t / 12) + 0.5 * np.sin(2 * np.pi * t / 37)
    return clean + NOISE * np.random.RandomState(0).randn(count)


def main(epochs: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Train on the first 1,200 values, predict the last ones, and return those and the guesses."""
    gen_backend("cpu", batch_size=32, rng_seed=1)
    values = series(1600)
    windows = np.lib.stride_tricks.sliding_window_view(values, STEPS + 1)
    inputs, following = windows[:, :-1], windows[:, -1:]
    shape = (1, STEPS)  # one feature at each step
    train = ArrayIterator(
        inputs[:1200], following[:1200], lshape=shape, make_onehot=False, shuffle=True, seed=1
    )
    later = slice(1200 + STEPS, None)  # no value of these windows was trained on

    init = GlorotUniform()
    model = Model(
        [
            GRU(24, init=init, activation=Tanh(), gate_activation=Logistic(), reset_cells=True),
            RecurrentLast(),
            Affine(1, init=init, bias=init),
        ]
    )
    model.fit(
        train,
        cost=GeneralizedCost(costfunc=MeanSquared()),
        optimizer=Adam(learning_rate=0.005),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
    )
    test = ArrayIterator(inputs[later], following[later], lshape=shape, make_onehot=False)
    predicted = model.get_outputs(test).reshape(-1, 1)
    wanted = following[later]
    unchanged, found = (np.mean((x - wanted) ** 2) for x in (inputs[later, -1:], predicted))
    print(f"error of the last value: {unchanged**0.5:.3f}, of the GRU: {found**0.5:.3f}")
    print(f"variance explained: {1 - found / wanted.var():.3f}")
    return wanted[:, 0], predicted[:, 0]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
