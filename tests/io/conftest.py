"""Fixtures of the cache folder."""

from __future__ import annotations

import pytest

from neonport.io import cache_dir as cache


@pytest.fixture
def fresh_cache():
    """The cache as a process finds it that has just begun."""
    before = cache._state
    cache._state = cache._State()
    yield
    cache._state = before


def use(monkeypatch, folder):
    """Make a folder the cache."""
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(folder))
