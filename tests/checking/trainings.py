"""Short trainings, each with what some fault needs to show: for the tests of planted faults."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from neonport.backends.cpu.device import CPUDevice
from neonport.callbacks import Callbacks
from neonport.callbacks.callback import Callback
from neonport.data.dataiterator import NervanaDataIterator
from neonport.errors import OutOfDeviceMemory
from neonport.initializers import Gaussian
from neonport.layers import Affine, Dropout, GeneralizedCost, Linear, MergeBroadcast, OpTreeLayer
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import CrossEntropyMulti, Softmax, Tanh

SAMPLES = 16
INIT = Gaussian(scale=0.3)


def features(size=6, seed=0):
    return np.random.RandomState(seed).uniform(-2, 2, (SAMPLES, size)).astype(np.float32)


def with_gaps():
    """Data in which values are missing."""
    x = features()
    x[::3, 1] = np.nan
    return x


def halves():
    return np.floor(features()) + np.float32(0.5)


def fit(be: Any, layers: Any, x: Any = None, epochs: int = 1, watch: Any = (), **how: Any) -> None:
    """Train layers and three outputs.

    Args:
        be: where.
        layers: below the outputs.
        x: an array, or a data iterator.
        epochs: how long.
        watch: callbacks.
        how: for `Model.fit`.
    """
    model = Model([*layers, Affine(3, INIT, activation=Softmax())], be=be)
    data = (features() if x is None else x, np.arange(SAMPLES) % 3)
    callbacks = Callbacks(model, progress_bar=False) if watch else None
    for callback in watch:
        callbacks.add_callback(callback)
    model.fit(
        *(data if x is None or isinstance(x, np.ndarray) else data[:1]),
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=GradientDescentMomentum(0.1, 0.9),
        num_epochs=epochs,
        progress_bar=False,
        callbacks=callbacks,
        **how,
    )


class Formula(OpTreeLayer):
    """A layer of one's own: `forward(be, x)`."""

    def __init__(self, formula: Any) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x):
        return self.formula(self.be, x)


def computes(formula, data=features):
    """A training of a network with a layer of one's own."""
    return lambda be, **how: fit(be, [Formula(formula)], data(), **how)


# ---- trainings ----------------------------------------------------------------------------------


def dense(be, **how):
    hidden = Affine(5, INIT, bias=Gaussian(), activation=Tanh())
    fit(be, [hidden, Dropout(keep=0.8)], **how)


def recorded(be, **how):
    dense(be, epochs=2, record=True, **how)


def recorded_steps(be):
    """The smallest recorded step with a number and random numbers that are new at each replay."""
    x, y, rate = be.array(features()), be.zeros((SAMPLES, 6)), iter(range(1, 99))

    def step():
        y[:] = y + x
        y[:] = y * be.number(lambda: float(next(rate))) + be.rand()

    replay = be.record(step)
    for _ in range(3):
        replay()


def wide(be, **how):
    """Weights of more than a megabyte."""
    fit(be, [Affine(700, INIT)], features(400), **how)


def paths(be, **how):
    """Paths that write into their parts of a buffer, and share the gradient unevenly."""
    side_by_side = MergeBroadcast([Linear(3, INIT), Linear(4, INIT)], "stack", alphas=[0.5, 1.0])
    fit(be, [Affine(5, INIT), side_by_side], **how)


class Quantized(Formula):
    """Writes its inputs as whole numbers too, as a network for a small processor has them."""

    def __init__(self, dtype: str, scale: float) -> None:
        super().__init__(lambda be, x: x + 0)
        self.kept = dtype, scale

    def fprop(self, inputs, inference=False, beta=0.0):
        dtype, scale = self.kept
        codes = self.be.empty(inputs.shape, dtype=dtype)
        codes[:] = inputs * scale
        return super().fprop(inputs, inference, beta)


def quantized(dtype, scale):
    return lambda be, **how: fit(be, [Quantized(dtype, scale)], **how)


class Adopted(NervanaDataIterator):
    """Minibatches in the memory of arrays, which nothing copies."""

    ndata, nbatches, shape = SAMPLES, SAMPLES // 4, (6,)

    def __init__(self, be: Any) -> None:
        super().__init__()
        self.be = be
        columns, onehot = features().T, np.eye(3, dtype=np.float32)[:, np.arange(SAMPLES) % 3]
        parts = [slice(i, i + 4) for i in range(0, SAMPLES, 4)]
        self.arrays = [(columns[:, p].copy(), onehot[:, p].copy()) for p in parts]
        for x, _ in self.arrays:
            x.flags.writeable = False

    def reset(self):
        """Nothing is left from an epoch."""

    def __iter__(self):
        for x, t in self.arrays:
            yield self.be.from_dlpack(x), self.be.from_dlpack(t)


def on_arrays(be, **how):
    fit(be, [Affine(5, INIT)], Adopted(be), **how)


class Exports(Callback):
    """Hands weights to NumPy after each epoch."""

    def __init__(self, copy: bool | None) -> None:
        super().__init__()
        self.copy = copy

    def on_epoch_end(self, callback_data, model, epoch):
        weights = np.from_dlpack(model.layers.layers[0].W, copy=self.copy)
        assert np.isfinite(weights).all()


def exporting(copy):
    return lambda be, **how: fit(be, [Affine(5, INIT)], watch=[Exports(copy)], **how)


class SmallMemory(CPUDevice):
    """A device whose blocks are small."""

    most = 8192

    def allocate(self, nbytes):
        if nbytes > self.most:
            raise OutOfDeviceMemory(f"no block of {nbytes} bytes")
        return super().allocate(nbytes)


def similarities(be, x):
    """Needs room for a matrix of all pairs of features between its kernels."""
    return be.dot(be.dot(be.exp(x), be.transpose(x * 2)), x) * 1e-3


def beyond_memory(be, **how):
    """A layer whose statement needs more memory than there is."""
    fit(be, [Formula(similarities)], features(64), **how)


def smaller_after_an_error(be, **how):
    """A network that does not fit, and one that does."""
    with suppress(OutOfDeviceMemory):
        beyond_memory(be, **how)
    dense(be, **how)


def too_large(be, **how):
    """A layer that no memory holds."""
    fit(be, [Linear(1 << 45, INIT)], **how)
