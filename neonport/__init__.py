"""neonport: op-trees, autodiff and layers on the arrays people already have.

Importing the package loads neither a device library nor the plugins: names are resolved on first
use (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from neonport.log import DISPLAY, logger, register_display_level

__version__ = "0.1.0"

register_display_level()

_LAZY = {
    "NervanaObject": "neonport.base",
    "get_args": "neonport.base",
    "gen_backend": "neonport.backends",
    "cleanup_backend": "neonport.backends",
    "on": "neonport.backends.placement",
    "Autodiff": "neonport.autodiff.autodiff",
    "Tensor": "neonport.tensor.tensor",
    "OpTreeNode": "neonport.optree.node",
}

__all__ = ["DISPLAY", "__version__", "logger", *_LAZY]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'neonport' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
