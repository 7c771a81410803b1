"""The cases of the conformance suite, by what they test.

`from neonport.testing.suite import *` makes them tests of pytest: see
`neonport.testing.pytest_suite`, which is imported then, so that the suite runs without pytest too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "conformance_backend",
    "pytest_generate_tests",
    "test_conformance",
    "test_known_gaps",
    "test_what_is_not_declared",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("neonport.testing.pytest_suite"), name)
