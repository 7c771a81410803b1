"""Train a small network on scikit-learn's 8x8 digits.

Run: python examples/mnist_like_mlp.py [epochs]
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import GlorotUniform
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import Accuracy, CrossEntropyMulti, Rectlin, Softmax


def main(epochs: int = 20) -> None:
    """Train on 1437 digits and print the accuracy on the other 360."""
    gen_backend("cpu", batch_size=64, rng_seed=1)
    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    images, labels = digits.data[order] / 16, digits.target[order]
    train = ArrayIterator(images[:1437], labels[:1437], nclass=10)
    test = ArrayIterator(images[1437:], labels[1437:], nclass=10)

    init = GlorotUniform()
    model = Model(
        [
            Affine(nout=100, init=init, activation=Rectlin()),
            Affine(nout=10, init=init, activation=Softmax()),
        ]
    )
    model.fit(
        train,
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=GradientDescentMomentum(learning_rate=0.1, momentum_coef=0.9),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
    )
    accuracy = model.eval(test, metric=Accuracy())
    print(f"test accuracy: {float(accuracy[0]):.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
