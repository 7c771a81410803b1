"""Whole trainings: the costs of every epoch and the weights at the end, as NumPy computes them.

The same seed gives the same initial weights, the same order of samples and the same dropout on
every device. What differs is rounding, so curves are compared after a few epochs only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neonport.base import NervanaObject
from neonport.plugins.registry import create_backend
from neonport.testing.cases import Case, Outcome, Want, compare
from neonport.testing.inputs import current_seed, generator
from neonport.testing.tolerances import Allowance

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
SAMPLES, BATCH, EPOCHS, CLASSES = 12, 4, 3, 3
TOLERANCE = 5e-4  # of float32, after 9 steps; a wrong gradient is further off


class Training(NamedTuple):
    """A small network and how it is trained.

    Attributes:
        layers: makes the layers.
        optimizer: makes the optimizer.
        shape: logical shape of a sample.
    """

    layers: Callable[[], list[Any]]
    optimizer: Callable[[], Any]
    shape: tuple[int, ...]


def _perceptron() -> list[Any]:
    from neonport.layers import Affine
    from neonport.transforms import Softmax, Tanh

    hidden = Affine(9, "glorot_uniform", bias="zeros", activation=Tanh())
    return [hidden, Affine(CLASSES, "glorot_uniform", activation=Softmax())]


def _convolutional() -> list[Any]:
    from neonport.layers import Affine, Conv, Dropout, Pooling
    from neonport.transforms import Rectlin, Softmax

    conv = Conv((3, 3, 4), "he_normal", padding=1, batch_norm=True, activation=Rectlin())
    last = Affine(CLASSES, "glorot_uniform", bias="zeros", activation=Softmax())
    return [conv, Pooling(2), Dropout(0.8), last]


def _recurrent() -> list[Any]:
    from neonport.layers import LSTM, Affine, RecurrentLast
    from neonport.transforms import Logistic, Softmax, Tanh

    cells = LSTM(5, "glorot_uniform", activation=Tanh(), gate_activation=Logistic())
    return [cells, RecurrentLast(), Affine(CLASSES, "glorot_uniform", activation=Softmax())]


def _momentum() -> Any:
    from neonport.optimizers import GradientDescentMomentum

    return GradientDescentMomentum(0.1, 0.9)


def _adam() -> Any:
    from neonport.optimizers import Adam

    return Adam(learning_rate=0.01)


def _rmsprop() -> Any:
    from neonport.optimizers import RMSProp

    return RMSProp(learning_rate=0.01)


TRAININGS: dict[str, Training] = {
    "two layers with momentum": Training(_perceptron, _momentum, (6,)),
    "convolution, batch norm and dropout with Adam": Training(_convolutional, _adam, (1, 6, 6)),
    "LSTM with RMSProp": Training(_recurrent, _rmsprop, (4, 5)),
}


@contextmanager
def current(be: Any) -> Iterator[None]:
    """Make a backend the one that new layers and data are on."""
    before, batch = NervanaObject.be, be.bsz
    NervanaObject.be, be.bsz = be, BATCH
    try:
        yield
    finally:
        NervanaObject.be, be.bsz = before, batch


def train(be: Any, training: Training) -> dict[str, Array]:
    """Train on a backend that is in the first state of its generators.

    Returns:
        The costs of the epochs as "costs", and each parameter by its name.
    """
    from neonport.data import ArrayIterator
    from neonport.layers import GeneralizedCost
    from neonport.models import Model
    from neonport.transforms import CrossEntropyMulti

    rng = generator(9)
    x = rng.uniform(-1, 1, (SAMPLES, int(np.prod(training.shape)))).astype(np.float32)
    with current(be):
        data = ArrayIterator(x, np.arange(SAMPLES) % CLASSES, CLASSES, lshape=training.shape)
        model = Model(training.layers())
        cost, optimizer = GeneralizedCost(CrossEntropyMulti()), training.optimizer()
        history = model.fit(data, cost, optimizer, EPOCHS, progress_bar=False)
        found = {"costs": np.array(history["cost"])}
        for number, layer in enumerate(model.layers_to_optimize):
            parameters = layer.get_params()
            pairs = parameters if isinstance(parameters, list) else [parameters]
            for index, ((weights, _), _) in enumerate(pairs):
                found[f"parameter {index} of layer {number}"] = weights.get()
    return found


@cache
def _defined(name: str, seed: int) -> tuple[Any, dict[str, Array]]:
    """Where the generators began, and what NumPy's definitions of the ops give from there."""
    be = create_backend("cpu", rng_seed=0)
    be.executor.run = be.executor.interpret
    try:
        return be.rng_get_state(), train(be, TRAININGS[name])
    finally:
        be.cleanup_backend()


def _same(name: str, be: Backend) -> Outcome:
    state, wanted = _defined(name, current_seed())
    before = be.rng_get_state()
    be.rng_set_state(state)
    try:
        found = train(be, TRAININGS[name])
    finally:
        be.rng_set_state(before)
    worst = Outcome()
    for label, values in wanted.items():
        allowed = Allowance(TOLERANCE * (1 + np.abs(values)), TOLERANCE)
        outcome = compare(found[label], Want(values.astype(np.float64), allowed))
        if outcome.message:
            return outcome._replace(message=f"{label}: {outcome.message}")
        if (outcome.max_error or 0) >= (worst.max_error or 0):
            worst = outcome
    return worst


def cases() -> Iterator[Case]:
    """All trainings."""
    for name in TRAININGS:
        yield Case("trainings", name, partial(_same, name))
