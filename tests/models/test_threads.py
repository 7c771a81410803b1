"""Models in several threads: one at a time computes in a model's buffers or records a step."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callback import Callback
from neonport.errors import ConfigurationError
from neonport.initializers import Array, Constant
from neonport.layers import Affine, GeneralizedCost, SkipNode
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax

X = np.random.RandomState(0).randn(64, 5).astype(np.float32)
Y = np.eye(3)[np.random.RandomState(1).randint(0, 3, 64)]


class Pause(SkipNode):
    """Lets other threads run in the middle of a forward pass."""

    def fprop(self, *args, **kwargs):
        outputs = super().fprop(*args, **kwargs)
        time.sleep(0.001)
        return outputs


def make(seed=0):
    draw = np.random.RandomState(seed)
    first, second = (Array(draw.randn(*shape).astype("f4")) for shape in ((7, 5), (3, 7)))
    return Model(
        [
            Affine(7, first, bias=Constant(0.0), activation=Rectlin()),
            Pause(),
            Affine(3, second, bias=Constant(0.0), activation=Softmax()),
        ]
    )


def train(model, num_epochs=5, callbacks=None, record=False):
    model.fit(
        X, Y, cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.01), num_epochs=num_epochs, callbacks=callbacks,
        record=record, progress_bar=False, shuffle=False,
    )  # fmt: skip
    return model


def in_threads(*functions):
    """Run functions at once; raise what one of them raised."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.fixture(autouse=True)
def backend(be):
    be.bsz = 8
    return be


def test_one_model_predicts_in_several_threads():
    model = train(make())
    parts = [X[i : i + 16] for i in range(0, 64, 16)]
    wanted = [model.predict(part) for part in parts]

    def many_times(part, expected):
        for _ in range(10):
            np.testing.assert_array_equal(model.predict(part), expected)

    in_threads(
        *(
            lambda part=part, expected=expected: many_times(part, expected)
            for part, expected in zip(parts, wanted, strict=True)
        )
    )


def test_a_training_does_not_mind_who_predicts_and_saves_meanwhile():
    wanted = train(make(), 8).predict(X)
    model = make()
    model.initialize(5)
    done = threading.Event()

    def work():
        try:
            train(model, 8)
        finally:
            done.set()

    def watch():
        while not done.is_set():
            assert np.allclose(model.predict(X).sum(axis=1), 1, atol=1e-5)
            assert model.evaluate(X, Y).get("cost", 0) >= 0
            model.serialize()

    in_threads(work, watch, watch)
    np.testing.assert_array_equal(model.predict(X), wanted)


def test_two_threads_do_not_train_one_model():
    model, refused = make(), []

    class Intruder(Callback):
        def on_epoch_end(self, callback_data, model, epoch):
            with pytest.raises(
                ConfigurationError, match=r"another thread.*copy\.deepcopy"
            ) as found:
                in_threads(lambda: train(model))
            refused.append(found.value)

    model.initialize(5)
    callbacks = Callbacks(model, progress_bar=False)
    callbacks.add_callback(Intruder())
    train(model, 2, callbacks)
    assert len(refused) == 2
    assert train(model, 3).epoch_index == 3


@pytest.mark.parametrize("record", [False, True])
def test_trainings_on_one_backend_in_several_threads(record):
    wanted = [train(make(seed)).predict(X) for seed in range(3)]
    models = [make(seed) for seed in range(3)]
    in_threads(*(lambda model=model: train(model, record=record) for model in models))
    for model, expected in zip(models, wanted, strict=True):
        np.testing.assert_array_equal(model.predict(X), expected)
