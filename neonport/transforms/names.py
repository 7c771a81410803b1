"""Activations by name: `activation="relu"`."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from neonport.errors import ConfigurationError
from neonport.transforms.elementwise import Identity, Logistic, Tanh
from neonport.transforms.rectifiers import Explin, Rectlin, Rectlinclip
from neonport.transforms.smooth_rectifiers import GELU, SiLU, Softplus
from neonport.transforms.softmax import Softmax
from neonport.transforms.transform import Transform

NAMES: dict[str, Callable[[], Transform]] = {
    "elu": Explin,
    "gelu": GELU,
    "identity": Identity,
    "leaky_relu": lambda: Rectlin(slope=0.01),
    "linear": Identity,
    "logistic": Logistic,
    "relu": Rectlin,
    "relu6": lambda: Rectlinclip(xcut=6.0),
    "sigmoid": Logistic,
    "silu": SiLU,
    "softmax": Softmax,
    "softplus": Softplus,
    "swish": SiLU,
    "tanh": Tanh,
}


def activation_of(name: str) -> Transform:
    """A new activation of a name.

    Args:
        name: one of `NAMES`: those of PyTorch and Keras.

    Raises:
        ConfigurationError: there is none of that name.

    Example:
        layer = Affine(nout=10, init="he_normal", activation="relu")
        assert type(activation_of("relu")).__name__ == "Rectlin"
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name.lower().replace("-", "_"), NAMES, 1)
        guess = f" did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(
            f"there is no activation named {name!r};{guess} names: {', '.join(sorted(NAMES))}; "
            "others by their classes, such as Rectlin(slope=0.2)"
        )
    return NAMES[name]()
