"""Libraries that only some users need: imported when they are used, named when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from neonport.errors import ConfigurationError

# library -> the extra that brings it
_EXTRAS = {"h5py": "hdf5", "matplotlib": "plot", "onnx": "onnx", "PIL": "plot", "yaml": "neon"}


def need(module: str, purpose: str) -> Any:
    """Import a module of a library that an extra brings.

    Args:
        module: dotted name of the module.
        purpose: what needs it, the beginning of the error.

    Raises:
        ConfigurationError: it is not installed, with what to install.
    """
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{purpose} needs {library}; install it with `pip install "
            f"'neonport[{_EXTRAS[library]}]'` ({error})"
        ) from error
