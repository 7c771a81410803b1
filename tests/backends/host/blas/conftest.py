"""Fixtures of the matrix product: each engine by itself, a cache of its own."""

from __future__ import annotations

import pytest

from neonport.backends.host import threads
from neonport.backends.host.blas import choice as blas_choice
from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.blas.engines import NumpyEngine, OpenBlasEngine
from neonport.backends.host.blas.openblas import find_library, load_openblas

COUNTS = (1, 2, 3, 4, 7)  # of threads


@pytest.fixture(autouse=True)
def _threads():
    """The number of threads is as before after each test."""
    before = threads.num_threads()
    yield
    threads.set_num_threads(before)


@pytest.fixture
def bits():
    """What a product gives with each number of threads, planned anew each time: different bits."""

    def collect(a, b, c):
        found = set()
        for count in COUNTS:
            threads.set_num_threads(count)
            blas._plans.clear()
            blas.gemm(a, b, c)
            found.add(c.tobytes())
        return found

    return collect


@pytest.fixture(scope="session")
def openblas():
    """The private OpenBLAS, loaded once for all tests."""
    path = find_library()
    if path is None:
        pytest.skip("the wheel scipy-openblas32 is not installed")
    return load_openblas(path, None)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has computed no product."""
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NEONPORT_BLAS", raising=False)
    monkeypatch.setattr(blas_choice, "_state", blas_choice._State())
    monkeypatch.setattr(blas, "_plans", {})
    return blas_choice._state


@pytest.fixture(params=["openblas", "numpy"])
def engine(request, fresh):
    """Every product of the test goes through this engine."""
    if request.param == "openblas":
        fresh.engine = OpenBlasEngine(request.getfixturevalue("openblas"))
    else:
        fresh.engine = NumpyEngine()
    fresh.choice = blas_choice.Choice(request.param, forced=True)
    return fresh.engine
