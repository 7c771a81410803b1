"""Whether a device reaches a level: what it declares is really done by the device, not by NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.dtypes import FLOAT_NAMES
from neonport.engine.profile import FALLBACK, profiled
from neonport.errors import DLPackError, DtypeError
from neonport.optree.node import apply
from neonport.testing.abilities import (
    CONVOLUTION,
    DLPACK,
    KERNELS,
    LEVEL,
    MATMUL,
    RANDOM,
    RECORDING,
    WITHOUT,
    Ability,
    small_convolution,
)
from neonport.testing.cases import Case, Outcome

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


def _by_device(be: Backend, statement: Callable[[], Any]) -> Outcome:
    """Whether a statement is done without NumPy."""
    statement()  # what is made once is made now
    with profiled(be) as profile:
        statement()
    if not profile.rows():
        return Outcome(message="nothing was launched on the device")
    hosted = ", ".join(sorted({row.op for row in profile.rows() if row.origin == FALLBACK}))
    return Outcome(message=f"NumPy did {hosted}, on the host" if hosted else "")


def _kernels(be: Backend) -> Outcome:
    x, y = be.array(np.linspace(-1, 1, 12).reshape(3, 4)), be.empty((3, 4))

    def statement() -> None:
        y[:] = be.exp(x) * 2 + be.sum(x, axis=0)

    return _by_device(be, statement)


def _products(be: Backend) -> Outcome:
    x, y = be.array(np.eye(4)), be.empty((4, 4))
    outcome = _by_device(be, lambda: be.compound_dot(x, x, y))
    if outcome.message or not be.device.compiles:
        return outcome
    return _by_device(be, lambda: y.__setitem__(slice(None), be.dot(x, x)))


def _convolution(be: Backend) -> Outcome:
    operands, y, params = small_convolution(be)
    tree = apply("conv", *operands, **params)
    return _by_device(be, lambda: y.__setitem__(slice(None), tree))


def _recording(be: Backend) -> Outcome:
    x = be.array(np.ones((3, 4)))
    step = be.record(lambda: x.__setitem__(slice(None), x * 2))
    for _ in range(3):
        step()
    if not step.replays:
        return Outcome(message=f"a step of one kernel is not replayed: {step.reason}")
    right = np.array_equal(x.get(), np.full((3, 4), 8))
    return Outcome(message="" if right else f"three steps that double 1 give {x.get()[0, 0]}")


def _dlpack(be: Backend) -> Outcome:
    x = be.array(np.ones((3, 4)))
    if not be.dlpack_shares(x.__dlpack_device__()):
        return Outcome(message="the device cannot adopt its own memory")
    twin = be.from_dlpack(x)
    twin[:] = 5
    right = np.array_equal(x.get(), np.full((3, 4), 5))
    return Outcome(message="" if right else "a tensor and what adopted its memory differ")


def _random(be: Backend) -> Outcome:
    x = be.empty((3, 4))
    return _by_device(be, lambda: x.__setitem__(slice(None), be.rand() * 2))


CHECKS: tuple[tuple[Ability, Callable[[Backend], Outcome], str], ...] = (
    (KERNELS, _kernels, "a statement is a kernel"),
    (MATMUL, _products, "a product is the device's"),
    (CONVOLUTION, _convolution, "a convolution is the device's"),
    (RECORDING, _recording, "a step is replayed"),
    (DLPACK, _dlpack, "memory is shared"),
    (RANDOM, _random, "random numbers are drawn in a kernel"),
)


def _held(ability: Ability, check: Callable[[Backend], Outcome], be: Backend) -> Outcome:
    """Whether a device has what its level asks for."""
    if not ability.declared(be):
        return Outcome(
            message=f"level {ability.level} needs {ability.name}, which the device does not "
            f"declare: {ability.how}"
        )
    return check(be)


def _dtype_refused(dtype: str, be: Backend) -> Outcome:
    """A dtype that is not declared is refused when a tensor is made."""
    try:
        tensor = be.empty((2, 3), dtype=dtype)
    except DtypeError as error:
        named = dtype in str(error)
        return Outcome(message="" if named else f"the refusal does not name {dtype}: {error}")
    return Outcome(message=f"a tensor of {tensor.dtype} was made, which is not declared")


def _dlpack_refused(be: Backend) -> Outcome:
    """Without DLPack there is an error that says so, or a copy that is asked for."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = be.array(values)
    for label, share in (
        ("an export", lambda: tensor.__dlpack__(copy=False)),
        ("an import", lambda: be.from_dlpack(values, copy=False)),
    ):
        try:
            share()
        except DLPackError:
            continue
        except Exception as error:
            return Outcome(message=f"{label} raised {type(error).__name__}, not DLPackError")
        return Outcome(message=f"{label} without a copy worked; the device declares no DLPack")
    copied = be.from_dlpack(values, copy=True)
    right = np.array_equal(copied.get(), values)
    return Outcome(message="" if right else "an import with copy=True has other values")


def cases() -> Iterator[Case]:
    """One case for each ability, and one for each that is refused when it is not declared."""
    for ability, check, label in CHECKS:
        needs = frozenset([ability.name])
        yield Case(LEVEL, f"{ability.level}: {label}", partial(_held, ability, check), needs)
    for dtype in FLOAT_NAMES:
        needs = frozenset([WITHOUT + dtype])
        yield Case("undeclared", f"{dtype} is refused", partial(_dtype_refused, dtype), needs)
    yield Case("undeclared", "DLPack is refused", _dlpack_refused, frozenset([WITHOUT + "DLPack"]))
