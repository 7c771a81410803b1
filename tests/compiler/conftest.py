from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from neonport.backends import gen_backend


@pytest.fixture
def cpu() -> Iterator[Any]:
    be = gen_backend("cpu", rng_seed=0, batch_size=8)
    yield be
    be.cleanup_backend()
