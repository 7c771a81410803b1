"""Training again and again holds no more memory: a short form of `benchmarks/soak.py`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_soak(make_backend: Any, campaign: int, tmp_path: Path) -> None:
    program = runpy.run_path(str(PROGRAM))
    held, train = program["held"], program["train"]
    be = make_backend(batch_size=32, rng_seed=0)
    for number in range(6):  # each batch size with each optimizer
        train(be, number, str(tmp_path))
    before = held()
    for number in range(6 * campaign):
        train(be, number, str(tmp_path))
    after = held()
    assert after["files"] <= before["files"]
    assert after["mappings"] <= before["mappings"] + 2
    assert after["KiB"] < before["KiB"] * 1.1
