"""Fixtures of statements, see tests/fixtures/statements.py."""

from tests.fixtures.statements import cpu, fill, steps

__all__ = ["cpu", "fill", "steps"]
