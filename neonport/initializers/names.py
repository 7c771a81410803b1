"""Initializers by name: `init="he_normal"`."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from neonport.errors import ConfigurationError
from neonport.initializers.base import Initializer
from neonport.initializers.matrix import Orthonormal
from neonport.initializers.random import GlorotUniform
from neonport.initializers.scaled import (
    GlorotNormal,
    HeNormal,
    HeUniform,
    LeCunNormal,
    LeCunUniform,
    TruncatedNormal,
)
from neonport.initializers.values import Constant

NAMES: dict[str, Callable[[bool], Initializer]] = {
    "glorot_normal": GlorotNormal,
    "glorot_uniform": lambda local: GlorotUniform(),
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "lecun_normal": LeCunNormal,
    "lecun_uniform": LeCunUniform,
    "ones": lambda local: Constant(1.0),
    "orthonormal": lambda local: Orthonormal(scale=1.0),
    "truncated_normal": lambda local: TruncatedNormal(),
    "zeros": lambda local: Constant(0.0),
}


def initializer_of(name: str, local: bool = False) -> Initializer:
    """The initializer of a name.

    Args:
        name: one of `NAMES`.
        local: whether it is for convolution weights (C*R*S, K), not for linear ones (nout, nin).

    Raises:
        ConfigurationError: there is none of that name.

    Example:
        layer = Affine(nout=10, init="he_normal", bias="zeros", activation=Rectlin())
        assert type(initializer_of("he_normal")).__name__ == "HeNormal"
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name.lower().replace("-", "_"), NAMES, 1)
        guess = f" did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(
            f"there is no initializer named {name!r};{guess} names: {', '.join(sorted(NAMES))}; "
            "others by their classes, such as Gaussian(scale=0.01)"
        )
    return NAMES[name](local)
