"""Conversions of a store: every dtype into every dtype, of a tensor and of a computed value."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from math import frexp, inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import BFLOAT16, is_float
from neonport.testing.cases import (
    FLOATS,
    INTEGERS,
    Batch,
    Case,
    Outcome,
    Statement,
    compare,
    exactly,
)
from neonport.testing.inputs import special, special_integers
from neonport.testing.layouts import Target

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
DTYPES = (*FLOATS, *INTEGERS, "bool")
OPTIONAL = ("float16", "bfloat16", "float64")  # a device may be without them


def convert(value: Any, dtype: str) -> Any:
    """One value as a store writes it: the rule of the documentation, in Python's exact numbers."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return value != 0
    if kind.name == BFLOAT16:
        return kind.type(_nearest_bfloat16(value))
    if is_float(kind):
        with np.errstate(all="ignore"):
            return kind.type(float(value))
    if value != value:
        return kind.type(0)
    info = np.iinfo(kind)
    if value in (float("inf"), float("-inf")):
        return kind.type(info.max if value > 0 else info.min)
    # Python's round is exact and takes ties to even
    return kind.type(min(max(round(value), info.min), info.max))


def _nearest_bfloat16(value: Any) -> float:
    """A number rounded to the 8 digits of a bfloat16, once: exact fractions of Python."""
    if value in (0, inf, -inf) or value != value:
        return float(value)
    exact = Fraction(value)
    exponent = frexp(value)[1] if abs(value) < 2**53 else abs(int(value)).bit_length()
    unit = Fraction(2) ** (max(exponent, -125) - 8)
    return float(round(exact / unit) * unit)


def values_of(dtype: str) -> Array:
    """Values at the edges of this dtype and of all others."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([[False], [True]])
    if kind.kind in "iu":
        ties = [2**24 + 2**16 + 1, 2**24 + 2**16 - 1, 2**40 + 2**32 + 1, 2**62 + 2**54 + 1]
        fits = [t for t in ties if t <= np.iinfo(kind).max]
        return np.concatenate([special_integers(kind), np.array(fits, kind).reshape(-1, 1)])
    edges = [-0.5, 0.5, 1.5, 2.5, -1.5, 126.5, 127.5, 128.5, 254.5, 255.5, 256, 32767.5, 65535.5]
    edges += [2.0**31, 2.0**31 - 1, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 65519, 65520]
    edges += [1 + 2.0**-8, 1 + 3 * 2.0**-8, 3.3961775e38, 3.3961773e38, 2.0**-134, 3 * 2.0**-134]
    edges += [
        1 + 2.0**-11 + 2.0**-40,
        65520 - 1e-9,
        1 + 2.0**-8 + 2.0**-40,
        -1 - 2.0**-8 - 2.0**-40,
    ]
    edges += [1 + 2.0**-11, 1 + 3 * 2.0**-11, 2.0**-24, 2.0**-25, 1 + 2.0**-24, 1e39, -1e39]
    with np.errstate(all="ignore"):
        return np.concatenate([special(kind), np.array(edges).astype(kind).reshape(-1, 1)])


def _wanted(values: Array, target: str) -> Array:
    flat = [convert(v, target) for v in values.reshape(-1).tolist()]
    return np.array(flat, target).reshape(values.shape)


def _statements(source: str, targets: list[str], computed: bool, be: Backend) -> list[Statement]:
    values = values_of(source)
    if computed:  # what survives the way through the compute dtype
        compute = np.float64 if source == "float64" else np.float32
        values = values[np.abs(values.astype(np.float64)) < 2.0**24 if source in INTEGERS else ...]
        values = values.reshape(-1, 1).astype(compute).astype(source)
    tensor = be.array(values, dtype=source)
    statements = []
    for target in targets:
        out = Target(be, tensor.shape, target, "plain")
        tree = tensor * 1.0 if computed else tensor
        statements.append(Statement(out, tree, exactly(_wanted(values, target))))
    return statements


def _subnormals_kept(be: Backend) -> Outcome:
    """Copying moves bits: subnormal numbers, the sign of zero and infinities stay."""
    values = np.array([[1e-40, -1e-45, -0.0, np.inf, -np.inf, 3.4e38]], np.float32)
    copied = be.empty(values.shape, dtype=np.float32)
    copied[:] = be.array(values)
    same = copied.get().tobytes() == values.tobytes()
    return Outcome(message="" if same else f"{values} became {copied.get()}")


def _host(source: str, target: str, be: Backend) -> Outcome:
    """Host arrays are converted by the same rule."""
    values = values_of(source)
    tensor = be.empty(values.shape, dtype=target)
    tensor.set(values)
    return compare(tensor.get(), exactly(_wanted(values, target)))


def _fill(target: str, be: Backend) -> Outcome:
    for number in (0.5, 1.5, -1, 300.7, 1e10, float("nan"), float("inf"), True, np.float32(2.5)):
        tensor = be.empty((3, 5), dtype=target)
        tensor[:] = number
        wanted = np.full((3, 5), convert(float(number), target))
        outcome = compare(tensor.get(), exactly(wanted))
        if outcome.message:
            return outcome._replace(message=f"fill with {number!r}: {outcome.message}")
    return Outcome()


def cases() -> Iterator[Case]:
    """All conversions."""
    for source in DTYPES:
        needs = [source] if source in FLOATS else []
        for computed in (False, True) if source in FLOATS else (False,):
            form = "tree" if computed else "tensor"
            for targets in ([t for t in DTYPES if t not in OPTIONAL], *([t] for t in OPTIONAL)):
                more = [t for t in targets if t in OPTIONAL]
                names = [("store", f"{source} {form} into {t}") for t in targets]
                build = partial(_statements, source, targets, computed)
                yield from Batch(names, build, [*needs, *more]).cases()
        if source == "int32":  # a compiler knows more of a kernel with one target
            for target in ("int16", "uint8"):
                build = partial(_statements, source, [target], False)
                name = ("store", f"{source} tensor into {target} alone")
                yield from Batch([name], build, []).cases()
        for target in DTYPES:
            wide = [target] if target in FLOATS else []
            run = partial(_host, source, target)
            yield Case("store", f"{source} array into {target}", run, frozenset([*needs, *wide]))
    for target in DTYPES:
        needs = [target] if target in FLOATS else []
        yield Case("store", f"numbers into {target}", partial(_fill, target), frozenset(needs))
    yield Case("store", "a copy keeps every bit", _subnormals_kept)
