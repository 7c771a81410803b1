"""A recorded step does what the step does, or says why it is not replayed."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from neonport.errors import ClosedBackendError, RecordingError
from neonport.optimizers import (
    Adagrad,
    Adam,
    GradientDescentMomentum,
    RMSProp,
    Schedule,
    ShiftAdaMax,
)

OPTIMIZERS = {
    "adam": lambda: Adam(learning_rate=0.1),
    "momentum": lambda: GradientDescentMomentum(0.1, 0.9, wdecay=0.01, nesterov=True),
    "momentum with norm": lambda: GradientDescentMomentum(0.1, 0.9, gradient_clip_norm=0.5),
    "plain": lambda: GradientDescentMomentum(1.0, 0.0),
    "rmsprop": lambda: RMSProp(learning_rate=0.05),
    "adagrad": lambda: Adagrad(learning_rate=0.05),
    "shift": lambda: ShiftAdaMax(learning_rate=0.05, schedule=Schedule()),
}


class Layer:
    """Parameters for an optimizer."""

    def __init__(self, w, dw):
        self.w, self.dw, self.states = w, dw, []

    def get_params(self):
        return (self.w, self.dw), self.states


def train(be, optimizer, recorded):
    """Six steps of a small network with dropout; the learning rate changes before the fifth."""
    rng = np.random.RandomState(0)
    w, dw = be.array(rng.randn(3, 5)), be.zeros((3, 5))
    x, y, noise = be.zeros((5, 4)), be.zeros((3, 4)), be.zeros((3, 4))
    layer = Layer(w, dw)

    def step():
        be.compound_dot(w, x, y)
        noise[:] = be.rand(shape=(3, 4))
        y[:] = be.tanh(y) * (noise < 0.5)
        y[:] = y * 2.0
        y[:] = y * 2.0
        be.compound_dot(y, x.T, dw)
        optimizer.optimize([layer], epoch=0)
        return y

    run = be.record(step) if recorded else step
    found = []
    for i in range(6):
        x.set(rng.randn(5, 4))
        if i == 4:
            optimizer.learning_rate = 0.01
        found.append(run().get())
    return run, [*found, w.get(), noise.get()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replays_equal_runs(make_backend, name):
    _, wanted = train(make_backend(rng_seed=3, batch_size=4), OPTIMIZERS[name](), False)
    be = make_backend(rng_seed=3, batch_size=4)
    step, found = train(be, OPTIMIZERS[name](), True)
    assert (step.reason, step.recorded, step.replays >= 3) == ("", True, True)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_numbers_are_computed_anew_whatever_they_equal_when_recorded(be):
    x, y = be.array([[1.0, 4.0]]), be.zeros((1, 2))
    rate = {"value": 2.0}

    def step():
        number = be.number(lambda: rate["value"])
        # 2.0 stands there as well, and a power of 2 is a square
        y[:] = x * number + x * 2.0 + x**number + (number - 1.0) * x + be.log(number) + number

    run = be.record(step)
    for value in (2.0, 0.5, 1.0, 0.0, 3.0):
        rate["value"] = value
        run()
        plain = x.get()
        with np.errstate(divide="ignore"):
            want = plain * value + plain * 2 + plain**value + (value - 1) * plain + np.log(value)
        np.testing.assert_allclose(y.get(), want + value, rtol=1e-5)
    assert run.replays == 4


def test_a_number_alone_and_in_several_statements(be):
    y, z = be.zeros((2, 2)), be.zeros((2, 2))
    calls = []

    def step():
        number = be.number(lambda: calls.append(1) or float(len(calls)))
        y[:] = number
        be.assign_many([(z, y + number), (y, y - 2 * number)])

    run = be.record(step)
    for i in range(1, 4):
        run()
        np.testing.assert_array_equal(z.get(), np.full((2, 2), 2.0 * i))
        np.testing.assert_array_equal(y.get(), np.full((2, 2), -1.0 * i))
    assert len(calls) == 3


def test_outside_of_a_recording_a_number_is_a_float(be):
    assert type(be.number(lambda: 3)) is float


def test_gradients_keep_numbers(be):
    from neonport.backends import Autodiff

    x, dx, rate = be.array([[1.0, 2.0]]), be.zeros((1, 2)), [1.0]

    def step():
        loss = be.sum(x * x * be.number(lambda: rate[0]))
        Autodiff(loss, be).back_prop_grad([x], [dx])

    run = be.record(step)
    for value in (1.0, 3.0):
        rate[0] = value
        run()
        np.testing.assert_allclose(dx.get(), 2 * value * x.get())
    assert run.replays == 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda be, t: t.get(), "reads a tensor on the host"),
        (lambda be, t: float(be.sum(t).astensor()), "allocates a tensor"),
        (lambda be, t: np.asarray(t), "NumPy array"),
        (lambda be, t: t.set(np.ones((2, 2))), "copies host data"),
        (lambda be, t: be.empty((3, 3)), r"allocates a tensor of shape \(3, 3\)"),
        (lambda be, t: be.fill_normal(t), "random numbers on the host"),
        (lambda be, t: t[0:0].fill(1), "NumPy"),
    ],
)
def test_a_step_that_cannot_be_replayed_says_why_and_runs(be, what, words):
    t, runs = be.ones((2, 2)), []

    def step():
        runs.append(1)
        t[:] = t + 1
        what(be, t)

    run = be.record(step)
    for i in range(1, 5):
        run()
        assert len(runs) == i
        assert not run.recorded
    assert re.search(words, run.reason)


def test_what_the_first_run_allocates_does_not_matter(be):
    kept = []

    def step():
        if not kept:
            kept.append(be.zeros((2, 2)))
        kept[0][:] = kept[0] + 1

    run = be.record(step)
    for _ in range(4):
        run()
    assert (run.reason, run.replays) == ("", 2)
    np.testing.assert_array_equal(kept[0].get(), np.full((2, 2), 4.0))


def test_a_block(be):
    t = be.zeros((2, 2))
    with be.record() as step:
        t[:] = t + 1
    step()
    step()
    np.testing.assert_array_equal(t.get(), np.full((2, 2), 3.0))


def test_a_block_that_cannot_be_replayed(be):
    t = be.zeros((2, 2))
    with be.record() as step:
        t.get()
    with pytest.raises(RecordingError, match="reads a tensor on the host"):
        step()


def test_each_argument_is_recorded(be):
    t = be.zeros((2, 2))

    def step(amount):
        t[:] = t + amount

    run = be.record(step)
    for amount in (1, 10, 1, 10):
        run(amount)
    assert run.replays == 2
    np.testing.assert_array_equal(t.get(), np.full((2, 2), 22.0))


def test_one_recording_at_a_time(be):
    with be.record(), pytest.raises(RecordingError, match="one at a time"):
        be.record(lambda: None)()
    be.record(lambda: None)()


def test_an_error_ends_the_recording(be):
    t = be.zeros((2, 2))

    def step():
        raise KeyError("mine")

    with pytest.raises(KeyError):
        be.record(step)()
    t[:] = 5
    t[:] = 5  # found again among bound statements
    assert be.recorder is None
    assert be.bound


def test_other_threads_are_not_recorded(be):
    t, other = be.zeros((2, 2)), be.zeros((2, 2))

    def elsewhere():
        other[:] = other + 1
        other.get()

    def step():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        t[:] = t + 1

    run = be.record(step)
    run()
    run()
    assert (run.reason, run.replays) == ("", 1)
    np.testing.assert_array_equal(other.get(), np.ones((2, 2)))
    np.testing.assert_array_equal(t.get(), np.full((2, 2), 2.0))


def test_tensors_of_a_recording_stay_alive(be):
    t = be.zeros((64, 64))

    def make():
        hidden = be.ones((64, 64))

        def step():
            t[:] = t + hidden

        return step

    step = make()
    run = be.record(step)
    run()
    run.function = None
    del step
    for _ in range(4):
        be.zeros((64, 64)).fill(7)
    run()
    np.testing.assert_array_equal(t.get(), np.full((64, 64), 2.0))


def test_a_closed_backend(be):
    run = be.record(lambda: None)
    run()
    be.cleanup_backend()
    with pytest.raises(ClosedBackendError):
        run()


def test_a_recording_waits_for_that_of_another_thread(be):
    x, y = be.ones((2, 3)), be.zeros((2, 3))
    begun, order = threading.Event(), []

    def other():
        begun.wait()
        with be.record() as step:
            y[:] = y + 1
        order.append(step.reason)
        step()

    thread = threading.Thread(target=other)
    thread.start()
    with be.record() as mine:
        begun.set()
        thread.join(0.05)
        x[:] = x * 2
        order.append("first")
        with pytest.raises(RecordingError, match="one at a time"), be.record():
            pass
    thread.join()
    mine()
    assert order == ["first", mine.reason]
    np.testing.assert_array_equal(x.get(), np.full((2, 3), 4.0))
    np.testing.assert_array_equal(y.get(), np.full((2, 3), 2.0))
