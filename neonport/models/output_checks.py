"""Output activations and costs that belong together, because one leaves out a derivative.

The gradient of a cross entropy is y - t, that is, with the derivative of the logistic (or softmax)
already taken care of. A Logistic without `shortcut=True` multiplies it in a second time; neon does
so silently.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any


def _pairs(terminal: Any, cost: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (output transform, cost function) for each output of a model."""
    costs = getattr(cost, "costs", None)
    if costs is not None and isinstance(terminal, (list, tuple)):
        for layer, part in zip(terminal, costs, strict=False):
            yield from _pairs(layer, part)
    elif not isinstance(terminal, (list, tuple)):
        yield getattr(terminal, "transform", None), getattr(cost, "costfunc", None)


def warn_mismatch(layers: Any, cost: Any) -> None:
    """Warn of outputs whose gradient is not the one of their cost."""
    from neonport.transforms.shortcuts import shortcut_warning

    for transform, costfunc in _pairs(layers.get_terminal(), cost):
        text = shortcut_warning(transform, costfunc)
        if text is not None:
            warnings.warn(text, UserWarning, stacklevel=4)


def apply(layers: Any, cost: Any) -> None:
    """Set the shortcut of every Logistic whose cost expects it."""
    from neonport.transforms import CrossEntropyBinary, Logistic

    for transform, costfunc in _pairs(layers.get_terminal(), cost):
        if isinstance(transform, Logistic) and isinstance(costfunc, CrossEntropyBinary):
            transform.set_shortcut(True)
