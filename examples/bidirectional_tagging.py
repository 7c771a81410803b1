"""Tag the letters of a sequence with a bidirectional LSTM: which stand between brackets?

A bracket counts only if it is closed later, so a letter's tag depends on what stands before it and
on what comes after it. A network that reads forward only cannot know the second half.

Run: python examples/bidirectional_tagging.py [epochs]
Prints the share of right tags on new sequences, of a forward LSTM and of a bidirectional one: 0.98
or more after 12 epochs.
"""

from __future__ import annotations

import sys

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import GlorotUniform
from neonport.layers import LSTM, Affine, BiLSTM, GeneralizedCost, LookupTable
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import Accuracy, CrossEntropyMulti, Logistic, Softmax, Tanh

STEPS, LETTERS = 12, 4  # besides the ids 0 and 1, the brackets
OPEN, CLOSE = 0, 1


def sequences(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random ids (count, STEPS) and their tags: 1 between brackets that belong together."""
    rng = np.random.RandomState(seed)
    ids = rng.randint(2, 2 + LETTERS, (count, STEPS))
    brackets = rng.rand(count, STEPS) < 0.3
    ids[brackets] = rng.randint(0, 2, brackets.sum())
    tags = np.zeros_like(ids)
    for row, tag in zip(ids, tags, strict=True):
        start = None
        for step, letter in enumerate(row):
            if letter == OPEN:
                start = step
            elif letter == CLOSE and start is not None:
                tag[start + 1 : step] = 1
                start = None
    return ids, tags


def batches(count: int, seed: int) -> ArrayIterator:
    """Minibatches of sequences: ids of words, and one-hot tags of two kinds at each step."""
    ids, tags = sequences(count, seed)
    onehot = np.stack([1 - tags, tags], axis=1).reshape(count, -1)
    return ArrayIterator(ids, onehot, lshape=(STEPS, 1), target_shape=(2, STEPS), make_onehot=False)


def accuracy(layer: type, units: int, epochs: int) -> float:
    """Train a network around a recurrent layer; the share of right tags on new sequences."""
    gen_backend("cpu", batch_size=64, rng_seed=1)
    init = GlorotUniform()
    gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
    model = Model(
        [
            LookupTable(vocab_size=2 + LETTERS, embedding_dim=8, init=init),
            layer(units, init=init, **gates),
            Affine(2, init=init, bias=init, activation=Softmax()),
        ]
    )
    model.fit(
        batches(2048, seed=0),
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.01),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
    )
    return float(model.eval(batches(1024, seed=1), metric=Accuracy())[0])


def main(epochs: int = 12) -> None:
    """Train both and print what they get right."""
    print(f"right tags, forward: {accuracy(LSTM, 32, epochs):.3f}")
    print(f"right tags, bidirectional: {accuracy(BiLSTM, 16, epochs):.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
