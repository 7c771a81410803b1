"""Learn a text letter by letter with an LSTM, then let it write.

The text is cut into 8 streams. A minibatch holds the next 16 letters of each, and the LSTM goes on
where it stopped in the minibatch before (reset_cells=False). For writing, the same weights run with
a batch of one letter.

Run: python examples/char_lstm.py [epochs]
Prints the share of letters that are foreseen (0.95 or more after 60 epochs), before it a line that
the network wrote.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import GlorotUniform
from neonport.layers import LSTM, Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import Accuracy, CrossEntropyMulti, Logistic, Softmax, Tanh

STREAMS, STEPS = 8, 16
TEXT = (
    "the miller wakes before the sun and walks along the stream. "
    "the stream turns the wheel, the wheel turns the stone, the stone grinds the grain. "
    "the baker takes the flour and lights the oven in the dark. "
    "the oven warms the room, the room fills with bread, the bread fills the street. "
    "the children follow the smell of the bread and run along the street. "
    "the smith hears the children and opens the door of the forge. "
    "the forge warms the iron, the hammer bends the iron, the iron becomes a wheel. "
    "the miller takes the wheel and walks along the stream. "
)


def layers(letters: int) -> list:
    """The network: one LSTM, then the probability of each letter to come next."""
    init = GlorotUniform()
    return [
        LSTM(96, init=init, activation=Tanh(), gate_activation=Logistic()),
        Affine(letters, init=init, bias=init, activation=Softmax()),
    ]


def sequences(codes: np.ndarray, letters: int) -> np.ndarray:
    """One-hot rows (letters * STEPS): first the first pieces of all streams, then the second."""
    pieces = codes.reshape(STREAMS, -1, STEPS).swapaxes(0, 1).reshape(-1, STEPS)
    return np.eye(letters)[pieces].swapaxes(1, 2).reshape(len(pieces), -1)


def write(path: str, alphabet: list[str], start: str, count: int) -> str:
    """The likeliest letters after `start`, one by one; the state goes on between the calls."""
    be = gen_backend("cpu", batch_size=1)
    model = Model(layers(len(alphabet)))
    model.load_params(path, load_states=False)
    model.initialize((len(alphabet), 1))
    x, text = be.zeros((len(alphabet), 1)), start
    for step in range(len(start) + count):
        x[:] = np.eye(len(alphabet))[alphabet.index(text[step])].reshape(-1, 1)
        likeliest = alphabet[int(model.fprop(x).get().argmax())]
        text += likeliest if step >= len(start) - 1 else ""
    return text


def main(epochs: int = 60) -> None:
    """Train, write a line, and print how many letters are foreseen."""
    gen_backend("cpu", batch_size=STREAMS, rng_seed=1)
    alphabet = sorted(set(TEXT))
    codes = np.array([alphabet.index(letter) for letter in TEXT])
    codes = codes[: (len(codes) - 1) // (STREAMS * STEPS) * STREAMS * STEPS + 1]
    shape = (len(alphabet), STEPS)
    inputs, targets = (sequences(c, len(alphabet)) for c in (codes[:-1], codes[1:]))
    train = ArrayIterator(inputs, targets, lshape=shape, target_shape=shape, make_onehot=False)

    model = Model(layers(len(alphabet)))
    model.fit(
        train,
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.01),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
    )
    accuracy = float(model.eval(train, metric=Accuracy())[0])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "letters.safetensors")
        model.save_params(path)
        print(write(path, alphabet, "the miller ", 60))
    print(f"letters foreseen: {accuracy:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
