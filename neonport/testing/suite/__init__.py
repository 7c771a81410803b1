"""The cases of the conformance suite, by what they test.

`from neonport.testing.suite import *` makes them tests of pytest: see
`neonport.testing.pytest_suite`, which is imported then, so that the suite runs without pytest too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neonport.testing.pytest_suite import conformance_backend as conformance_backend
    from neonport.testing.pytest_suite import pytest_generate_tests as pytest_generate_tests
    from neonport.testing.pytest_suite import test_conformance as test_conformance
    from neonport.testing.pytest_suite import test_known_gaps as test_known_gaps

__all__ = [
    "conformance_backend",
    "pytest_generate_tests",
    "test_conformance",
    "test_known_gaps",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from neonport.testing import pytest_suite

    return getattr(pytest_suite, name)
