"""The faults that are planted for the conformance suite: which ones show while a program runs."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.checking.opinion import second_opinion
from neonport.errors import WrongResultError
from tests.testing import test_finds_device_faults as of_devices
from tests.testing.test_finds_faults import FAULTS, Evaluator, make


def values(shape=(6, 4), seed=0):
    return np.random.RandomState(seed).uniform(-2, 2, shape).astype(np.float32)


def assign(tree, shape=(6, 4), dtype="float32"):
    """A program that stores what `tree(be, x)` builds."""

    def program(be):
        x = be.array(values())
        out = be.empty(shape, dtype=dtype)
        out[:] = tree(be, x)

    return program


def with_nan(be):
    x = values()
    x[2, 1] = np.nan
    return be.array(x)


def product(alpha, fill):
    def program(be):
        out = be.array(np.full((6, 6), fill, np.float32))
        be.compound_dot(be.array(values()), be.array(values((4, 6))), out, alpha=alpha)

    return program


def swap(be):
    a, b = be.array(values()), be.array(values(seed=1))
    be.assign_many([(a, b + 0), (b, a + 0)])


def in_a_view(be):
    be.zeros((6, 4))[1:3, 1:3] = be.array(values((2, 2))) + 1


def used_again(be):
    for _ in range(3):
        be.array(values())


# what has to run for a fault to show; each is a piece of some training
PROGRAMS = {
    "memory is not zeroed": lambda be: be.zeros((6, 4)),
    "memory is not zeroed again": used_again,
    "nbytes is rounded up": lambda be: be.zeros((3, 1)),
    "equal addresses": lambda be: (be.zeros((6, 4)), be.zeros((6, 4))),
    "equal memory": assign(lambda be, x: be.tanh(x)),
    "copy_out gives a view": assign(lambda be, x: be.tanh(x)),
    "copy_out gives a frozen array": assign(lambda be, x: be.tanh(x)),
    "copy_in reads later": lambda be: be.array(values()),
    "out of memory is not noticed": lambda be: be.zeros((1 << 10, 1 << 10)),
    "a little off": assign(lambda be, x: be.exp(x)),
    "float16 arithmetic": assign(lambda be, x: x + 0.1),
    "fast reciprocal": assign(lambda be, x: 1 / x),
    "nan is lost": assign(lambda be, x: be.max(with_nan(be), axis=1), (6, 1)),
    "nan compares": assign(lambda be, x: with_nan(be) < x),
    "last tie": assign(lambda be, x: be.argmax(be.zeros((6, 4)), axis=1), (6, 1)),
    "variance in one pass": assign(lambda be, x: be.var(be.array(values() + 3000), axis=1), (6, 1)),
    "ties away from zero": assign(lambda be, x: be.rint(be.array([[0.5, 2.5]])), (1, 2)),
    "wrong sign of 0 ** odd": assign(lambda be, x: x**3),
    "one store before the next read": swap,
    "truncating stores": assign(lambda be, x: x * 3, dtype="int32"),
    "wrapping stores": assign(lambda be, x: x * 1000, dtype="int8"),
    "writes outside of views": in_a_view,
    "other random numbers": assign(lambda be, x: x * (be.rand() < 0.5)),
    "reads an output that beta = 0 hides": product(1.0, np.nan),
    "forgets alpha": product(0.5, 0.0),
}

# what a second opinion cannot see, and why
UNSEEN = {
    "out of memory is not translated": "the program ends, by an error of another class",
    "read-only memory is written": "the values are right: the write should have been refused",
    "read-only is lost": "the program ends: NumPy refuses the write",
    "the owner is dropped": "the operands are garbage before the first statement reads them",
    "the owner is kept": "memory is held for too long; nothing is computed",
    "an exported copy shares": "it shows in another library, which writes into it",
    "raises": "the program ends, by that very error",
}


# the same for faults of what is no op


def in_place(be):
    x = be.array(values())
    x[:] = x * 2


def recorded(be):
    x, y, rate = be.array(values()), be.zeros((6, 4)), iter(range(1, 99))

    def step():
        y[:] = y + x
        y[:] = y * be.number(lambda: float(next(rate))) + be.rand()

    replay = be.record(step)
    for _ in range(3):
        replay()


DEVICE_PROGRAMS = {
    "a replay forgets a launch": recorded,
    "a replay has old numbers": recorded,
    "products are off": product(1.0, 0.0),
    "a target is written first": in_place,
}

DEVICE_UNSEEN = {
    "says that it compiles": "NumPy runs: slower, the same values",
    "exports are copies": "it shows in another library, whose writes do not arrive",
    "an error is swallowed": "memory must run out first; the target then keeps what it held",
    "an error gets another name": "the program ends, by an error of another class",
    "nothing works after an error": "the program ends, by the first error or by the next",
}


def test_every_planted_fault_of_devices_stands_in_one_list():
    assert not set(DEVICE_PROGRAMS) & set(DEVICE_UNSEEN)
    assert set(DEVICE_PROGRAMS) | set(DEVICE_UNSEEN) == set(of_devices.FAULTS)


@pytest.mark.parametrize("fault", DEVICE_PROGRAMS)
def test_a_fault_of_a_device_is_found(fault):
    be = of_devices.make(of_devices.FAULTS[fault][1])
    with second_opinion(be, "cpu:1:raise"), pytest.raises(WrongResultError):
        DEVICE_PROGRAMS[fault](be)


@pytest.mark.parametrize("fault", DEVICE_UNSEEN)
def test_what_is_not_seen_of_devices_changes_no_value(fault):
    be = of_devices.make(of_devices.FAULTS[fault][1])
    with second_opinion(be, "cpu:1:raise") as (opinion,):
        for program in DEVICE_PROGRAMS.values():
            program(be)
    assert opinion.checked
    assert not opinion.findings


def test_every_planted_fault_stands_in_one_list():
    assert not set(PROGRAMS) & set(UNSEEN)
    assert set(PROGRAMS) | set(UNSEEN) == set(FAULTS)


@pytest.mark.filterwarnings("ignore:.*kernels are not compiled")
@pytest.mark.parametrize("fault", PROGRAMS)
def test_it_is_found(fault):
    be = make(FAULTS[fault][1])
    with second_opinion(be, "cpu:1:raise"), pytest.raises(WrongResultError) as caught:
        PROGRAMS[fault](be)
    assert "cpu:0" in str(caught.value)


def test_without_a_fault_the_same_programs_say_nothing():
    be = make(Evaluator)
    with second_opinion(be, "cpu:1:raise") as (opinion,):
        for program in PROGRAMS.values():
            program(be)
    assert opinion.checked > len(PROGRAMS)


@pytest.mark.parametrize("fault", UNSEEN)
def test_what_is_not_seen_changes_no_value_or_ends_the_program(fault):
    be = make(FAULTS[fault][1])
    x, out = be.array(values()), be.empty((6, 4))
    with second_opinion(be, "cpu:1:raise") as (opinion,):
        if fault == "raises":
            with pytest.raises(NotImplementedError, match="tanh is not supported"):
                out[:] = be.tanh(x)
        else:
            out[:] = be.tanh(x)
            assert np.allclose(out.get(), np.tanh(values()))
    assert opinion.checked
    assert not opinion.findings
