"""Fixtures of all tests: backends by name, so that one test runs on every device."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from neonport import registry
from neonport.backends import cleanup_backend, gen_backend
from neonport.errors import BackendUnavailable, UnknownBackendError

# these drive PyOpenCL itself; the backend is not offered to users yet
collect_ignore = [] if find_spec("pyopencl") else ["backends/opencl"]

# a CuPy over host memory for this process and the ones it starts, see tests/cuda_emulator/README.md
EMULATED = os.environ.get("NEONPORT_CUDA_EMULATOR", "") not in ("", "0")
if EMULATED:
    _packages = str(Path(__file__).parent / "cuda_emulator" / "packages")
    sys.path.insert(0, _packages)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [_packages, *filter(None, [os.environ.get("PYTHONPATH")])]
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        action="append",
        metavar="NAME",
        help="backend to test; may be given several times (default: cpu)",
    )
    parser.addoption(
        "--cuda-texts",
        metavar="FOLDER",
        help="write the CUDA C++ of every kernel that the cpu backend compiles there",
    )


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--cuda-texts")
    if folder:
        from tests.compiler.cuda_texts import keep_texts

        keep_texts(Path(folder))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        names = metafunc.config.getoption("--backend") or ["cpu"]
        metafunc.parametrize("backend_name", list(dict.fromkeys(names)))


@pytest.fixture
def make_backend(backend_name: str) -> Iterator[Callable[..., Any]]:
    """Factory of the process-wide backend: `make_backend(batch_size=8, dtype=np.float64)`.

    A backend that is known but has no device, or is not installed here, skips the test with the
    reason it gave. A broken one fails it, and so does a name that nobody registered: a skip would
    make a suite green in which nothing runs.
    """

    def make(*, dtype: Any = None, **kwargs: Any) -> Any:
        if dtype is not None:
            kwargs["datatype"] = dtype
        try:
            return gen_backend(backend_name, **kwargs)
        except UnknownBackendError:
            raise
        except BackendUnavailable as error:
            if registry.probe(backend_name).state in ("no-device", "not-installed"):
                pytest.skip(str(error))
            raise

    yield make
    cleanup_backend()
    if EMULATED and backend_name == "cuda":
        from cupy import _machine

        _machine.check_guards()


@pytest.fixture
def be(make_backend: Callable[..., Any]) -> Any:
    """A fresh backend: float32, batch size 32, seed 0."""
    return make_backend(batch_size=32, rng_seed=0)
