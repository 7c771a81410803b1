"""What machine and options a script of neon's runs with, as text through the log."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterable
from typing import Any

import numpy as np

from neonport import __version__
from neonport.log import logger


def _show(title: str, rows: Iterable[tuple[str, Any]]) -> None:
    """Log a titled list."""
    lines = [title, "-" * len(title), *(f"{name:<20} {value}" for name, value in rows)]
    display: Any = logger
    display.display("\n".join(lines))


def display_model_params(args: argparse.Namespace, root_yaml: Any = None) -> None:
    """Log the options of a script, and the experiment's keys.

    Example:
        import argparse

        from neonport.util.display_information import display_model_params

        display_model_params(argparse.Namespace(epochs=10))
    """
    _show("Options", sorted(vars(args).items()))
    if isinstance(root_yaml, dict):
        _show("Experiment", ((str(key), str(root_yaml[key])[:60]) for key in root_yaml))


def display_cpu_information() -> None:
    """Log what processor this is.

    Example:
        from neonport.util.display_information import display_cpu_information

        display_cpu_information()
    """
    _show("Processor", [("machine", platform.machine()), ("processors", os.cpu_count())])


def display_platform_information() -> None:
    """Log the versions of system, Python, NumPy and this library.

    Example:
        from neonport.util.display_information import display_platform_information

        display_platform_information()
    """
    rows = [("system", platform.platform()), ("Python", platform.python_version())]
    _show("Platform", [*rows, ("NumPy", np.__version__), ("neonport", __version__)])
