"""Functions that XLA computes with larger errors than neonport allows, by formulas that do not.

float32 operands are computed in float64. XLA's own `exp2` and `sinh` round a large argument before
they exponentiate it, its `log1p` away from 0 is `log(1 + x)`, and its `pow` and `atan2` take
numbers below the normal ones for 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LN2 = log(2.0)
LARGE = 22.0  # beyond, e^-x is nothing beside e^x


def exp2(x: Any) -> Any:
    """2^x: the power of the nearest integer, which is exact, times that of the rest."""
    whole = jnp.clip(jnp.round(x), -1080.0, 1030.0)
    power = jnp.ldexp(jnp.exp((x - whole) * LN2), jnp.nan_to_num(whole).astype(np.int32))
    return jnp.where(jnp.abs(x) < 1080.0, power, jnp.exp2(x))


def _half_exp(x: Any) -> Any:
    """e^x / 2 for large x, without its overflow."""
    root = jnp.exp(0.5 * x)
    return 0.5 * root * root


def sinh(x: Any) -> Any:
    """(e^x - e^-x) / 2, by e^x - 1 where both count."""
    size = jnp.abs(x)
    less = jnp.expm1(jnp.minimum(size, LARGE))
    small = 0.5 * (less + less / (less + 1.0))
    return jnp.sign(x) * jnp.where(size < LARGE, small, _half_exp(size))


def cosh(x: Any) -> Any:
    """(e^x + e^-x) / 2."""
    size = jnp.abs(x)
    power = jnp.exp(jnp.minimum(size, LARGE))
    return jnp.where(size < LARGE, 0.5 * (power + 1.0 / power), _half_exp(size))


def log1p(x: Any) -> Any:
    """log(1 + x), times what the sum lost (Kahan)."""
    total = jax.lax.optimization_barrier(1.0 + x)  # XLA would undo the sum
    lost = total - 1.0
    exact = jnp.log(total) * (x / jnp.where(lost == 0.0, 1.0, lost))
    return jnp.where(lost == 0.0, x, jnp.where(jnp.isinf(x), jnp.log1p(x), exact))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arctan2": jnp.arctan2,
    "cosh": cosh,
    "exp2": exp2,
    "log1p": log1p,
    "power": jnp.power,
    "sinh": sinh,
}
"""By the name of NumPy's ufunc; each computes in float64."""
