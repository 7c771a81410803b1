"""Fixtures of second opinions."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.RandomState(3)
