"""Checks of hyper-parameters; each error names optimizer, argument, value and what is allowed."""

from __future__ import annotations

from math import isfinite
from typing import Any

from neonport.base import NervanaObject, finite_number
from neonport.errors import ConfigurationError


def _fail(owner: NervanaObject, argument: str, value: Any, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"{owner.classnm}: {argument}={value!r} must be {allowed}")


def _as_float(value: Any) -> float:
    """Return a number as a float, anything else as nan (which no range contains)."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def not_negative(owner: NervanaObject, argument: str, value: Any) -> float:
    """Return a finite number >= 0."""
    number = _as_float(value)
    if not (isfinite(number) and number >= 0):
        raise _fail(owner, argument, value, "a finite number, not negative")
    return number


def positive(owner: NervanaObject, argument: str, value: Any) -> float:
    """Return a finite number > 0."""
    number = _as_float(value)
    if not (isfinite(number) and number > 0):
        raise _fail(owner, argument, value, "a finite number above 0")
    return number


def finite(owner: NervanaObject, argument: str, value: Any) -> float:
    """Return a finite number."""
    return finite_number(owner.classnm, argument, value)


def fraction(owner: NervanaObject, argument: str, value: Any) -> float:
    """Return a number in [0, 1): a share of the past that is kept at each step."""
    number = _as_float(value)
    if not 0 <= number < 1:
        raise _fail(owner, argument, value, "in [0, 1)")
    return number


def bound(owner: NervanaObject, argument: str, value: Any) -> float | None:
    """Return a clipping bound, a number above 0; None and 0 mean none."""
    return None if value is None else not_negative(owner, argument, value)


def rounding_bits(owner: NervanaObject, argument: str, value: Any) -> bool | int:
    """Return whether, or to how many bits, to round stochastically."""
    if isinstance(value, (bool, int)) and value >= 0:
        return value
    raise ConfigurationError(
        f"{owner.classnm}: {argument}={value!r} must be True, False or a number of bits; it is the "
        f"first argument, as in neon: for the rate write {owner.classnm}(learning_rate={value!r})"
    )


def whole(owner: NervanaObject, argument: str, value: Any) -> int:
    """Return an integer >= 1."""
    number = _as_float(value)
    if not (number >= 1 and number.is_integer()):
        raise _fail(owner, argument, value, "an integer above 0")
    return int(number)
