"""Each cell of the tables in docs/reference/dlpack.md, tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neonport
from tests.tensor.dlpack.matrix import (
    BEFORE,
    IN,
    LARGE,
    MEMORIES,
    ROWS,
    outcome,
    tables,
    with_cupy,
)

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
TESTS = Path(__file__).parents[2]
TABLES = tables()


def _marks(memory, row):
    needs = row.expression + row.library.lower()
    marks = []
    if with_cupy(memory, row) or any(name in needs for name in (*LARGE, "arrow", "compiled")):
        marks.append(pytest.mark.interop)
    if "opencl" in memory or row.library == "PyOpenCL":
        marks.append(pytest.mark.opencl)
    return marks


CELLS = [
    pytest.param(memory, way, cell, marks=_marks(memory, row), id=f"{memory}-{way}-{cell}")
    for way, rows in ROWS.items()
    for cell, row in rows.items()
    for memory in MEMORIES
]


def test_the_tables_are_complete():
    for way, rows in ROWS.items():
        assert list(TABLES[way]) == list(rows)
        assert all(list(row) == list(MEMORIES) for row in TABLES[way].values())


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """What is found with the emulated CuPy."""
    packages = TESTS / "fixtures" / "cuda_emulator" / "packages"
    path = os.pathsep.join([str(packages), str(SITE), str(TESTS.parent)])
    cache = tmp_path_factory.mktemp("emulated")  # the emulator is no part of the keys
    done = subprocess.run(
        [sys.executable, "-m", "tests.tensor.dlpack.matrix"],
        env=os.environ | {"PYTHONPATH": path, "NEONPORT_CACHE_DIR": str(cache)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("memory", "way", "cell"), CELLS)
def test_cell(request, memory, way, cell):
    row = ROWS[way][cell]
    if with_cupy(memory, row):
        found = request.getfixturevalue("emulated")[f"{way} {cell} {memory}"]
    else:
        found = outcome(way, row, request.getfixturevalue("with_memory")(memory))
    assert found == TABLES[way][cell][memory]


COPIES = [
    pytest.param(memory, row, marks=_marks(memory, row), id=f"{memory}-{row.library}")
    for row in IN
    if row.library in ("NumPy", "PyTorch", "JAX", "Arrow")
    for memory in MEMORIES
    if memory != "cuda"
]


@pytest.mark.parametrize(("memory", "row"), COPIES)
def test_a_copy_is_taken_from_all(with_memory, memory, row):
    be = with_memory(memory)
    x = row.make(be, BEFORE)
    t = be.from_dlpack(x, copy=True)
    assert np.array_equal(t.get(), BEFORE)
    t[:] = -t
    be.synchronize()
    assert np.array_equal(row.values(x), BEFORE)
