"""Teach an encoder and a decoder to write strings backwards, and decode them by beam search.

The encoder reads a string of 5 letters; its last state is all that the decoder knows of it. In
training the decoder is given the right letters, one step late; afterwards it goes on from its own.
The strings that are tested occur nowhere in training.

Run: python examples/reverse_strings.py [epochs]
Prints the share of held-out strings that are reversed in all letters (0.99 or more after 20
epochs).
"""

from __future__ import annotations

import sys

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import GlorotUniform
from neonport.layers import GRU, Affine, GeneralizedCost, Seq2Seq
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Logistic, Softmax, Tanh

ALPHABET, LENGTH, UNITS, BATCH = "abcdefgh", 5, 96, 64
SHAPE = (len(ALPHABET), LENGTH)


def network() -> Seq2Seq:
    """A GRU that reads, another one that goes on from its state, and a letter from each step."""
    init = GlorotUniform()
    gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
    letter = Affine(len(ALPHABET), init=init, bias=init, activation=Softmax())
    return Seq2Seq([GRU(UNITS, init=init, **gates), [GRU(UNITS, init=init, **gates), letter]])


def batches(strings: np.ndarray) -> ArrayIterator:
    """Strings, the letters that the decoder is given, and those that it shall write."""
    backwards = np.eye(len(ALPHABET))[strings[:, ::-1]]
    late = np.concatenate([np.zeros_like(backwards[:, :1]), backwards[:, :-1]], axis=1)
    rows = [
        letters.swapaxes(1, 2).reshape(len(strings), -1)
        for letters in (np.eye(len(ALPHABET))[strings], late, backwards)
    ]
    return ArrayIterator(
        rows[:2], rows[2], lshape=[SHAPE, SHAPE], target_shape=SHAPE, make_onehot=False
    )


def text(codes: np.ndarray) -> str:
    """Letters of a row of numbers."""
    return "".join(ALPHABET[code] for code in codes)


def main(epochs: int = 20) -> None:
    """Train, show some strings, and print how many are reversed."""
    gen_backend("cpu", batch_size=BATCH, rng_seed=1)
    every = np.indices((len(ALPHABET),) * LENGTH).reshape(LENGTH, -1).T  # all strings there are
    every = np.random.RandomState(1).permutation(every)
    train, test = every[:4096], every[4096:4608]

    model = Model(network())
    model.fit(
        batches(train),
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.005),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
    )
    found = model.get_outputs_beam(batches(test), num_beams=3)[:, :, 0]
    for string, written in zip(test[:3], found[:3], strict=True):
        print(f"{text(string)} backwards is {text(written)}")
    right = (found == test[:, ::-1]).all(axis=1).mean()
    print(f"strings reversed: {right:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
