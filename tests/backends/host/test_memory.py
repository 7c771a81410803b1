"""Blocks of host memory: where they begin, and what they hold."""

from __future__ import annotations

import pytest

from neonport.backends.host import memory


@pytest.mark.parametrize("nbytes", [1, 100, 4096, 5 << 20])
def test_blocks_begin_on_pairs_of_cache_lines_and_hold_zeros(nbytes):
    blocks = [memory.allocate(nbytes) for _ in range(20)]
    for block in blocks:
        assert block.address % 128 == 0
        assert block.nbytes == len(block.native) == nbytes
        assert not block.native.any()
