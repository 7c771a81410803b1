"""Fixtures of all tests: backends by name, so that one test runs on every device."""

from __future__ import annotations

import functools
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.errors import BackendUnavailable, ConfigurationError, UnknownBackendError
from neonport.plugins import registry

HERE = Path(__file__).parent
XFAILS = HERE / "xfails"
DRIVE_OPENCL = (HERE / "backends" / "opencl", HERE / "backends" / "gpu")
LONGEST = HERE / "testing" / "test_suite.py"  # a test of it takes up to half a minute
ON_A_DEVICE = {"opencl", "interop", "nvrtc"}  # markers of what the plain run leaves out
FREEZE = 400  # tests after which what lives is taken to live on

# A shell starts what goes on in its background with SIGINT ignored, and so would be the processes
# that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a CuPy over host memory for this process and the ones it starts: fixtures/cuda_emulator/README.md
EMULATED = os.environ.get("NEONPORT_CUDA_EMULATOR", "") not in ("", "0")
if EMULATED:
    _packages = str(HERE / "fixtures" / "cuda_emulator" / "packages")
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
        "--only-backend",
        action="store_true",
        help="leave out what --backend has no influence on; the plain run of all tests has it",
    )
    parser.addoption(
        "--cuda-texts",
        metavar="FOLDER",
        help="write the CUDA C++ of every kernel of the cpu backend there; NumPy runs instead",
    )
    parser.addoption(
        "--campaign",
        type=int,
        default=1,
        metavar="N",
        help="N times the short form of the campaigns in docs/explanation/reliability.md",
    )


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--cuda-texts")
    beside = os.environ.get("CUDA_TEXTS")
    if not (folder or beside):
        return
    from tests.compiler.codegen import cuda_texts

    if folder:
        cuda_texts.interpret_and_keep(Path(folder))
    elif beside:
        cuda_texts.BESIDE.append(Path(beside))
        if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
            del os.environ["CUDA_TEXTS"]  # no matter of the processes that tests start
        paths = [cuda_texts.ROOT / path for path in cuda_texts.RUN]
        config.pluginmanager.register(cuda_texts.KeepBeside(Path(beside), paths))


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> int:
    """How many times the short form of a campaign is run."""
    return int(request.config.getoption("--campaign"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        names = metafunc.config.getoption("--backend") or ["cpu"]
        metafunc.parametrize("backend_name", list(dict.fromkeys(names)))


def _platform(config: pytest.Config) -> str:
    """What the file of known gaps is called: the backend under test, or the platform below it."""
    (*_, name) = config.getoption("--backend") or ["cpu"]
    device = os.environ.get("NEONPORT_OPENCL_DEVICE", "").partition(":")[0].strip().lower()
    return device or name


def known_gaps(text: str) -> dict[str, str]:
    """Reasons by pattern of test ids; a line reads `pattern  # reason`, `*` stands for anything."""
    found = {}
    for line in text.splitlines():
        pattern, mark, reason = line.partition("  # ")
        if not line.strip() or line.startswith("#"):
            continue
        if not mark or not reason.strip():
            raise pytest.UsageError(f"a known gap needs a reason: pattern  # reason; got {line!r}")
        found[pattern.strip()] = reason.strip()
    return found


def depends_on_backend(item: pytest.Item) -> bool:
    """Whether the run of a test for a backend can differ from the plain run, `pytest`.

    The plain run has neither PyOpenCL nor CuPy, and nothing skips for want of them on CI: a test
    that passes there without `backend_name` and without a marker uses no device.
    """
    marked = any(mark.name in ON_A_DEVICE for mark in item.iter_markers())
    drives = HERE / "backends" in item.path.parents
    return marked or drives or "backend_name" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Take 15,000 tests out of the sight of the garbage collector: they live to the end.

    Else each of the many collections that tests ask for, and each of Python's own, would walk
    through all of them, for a third of a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Take what lives between two files, every so many tests, out of the collector's sight too.

    That is modules above all, 2,700 once scikit-learn, pandas and matplotlib are there.
    """
    try:
        return (yield)
    finally:
        _since_freeze.append(item.nodeid)
        new_file = nextitem is not None and nextitem.path != item.path
        if len(_since_freeze) >= FREEZE and new_file:
            _since_freeze.clear()
            gc.collect()
            gc.freeze()


_since_freeze: list[str] = []  # tests


@functools.cache
def drives_opencl(path: Path) -> bool:
    """Whether the tests of a file need PyOpenCL and a runtime."""
    return any(folder in path.parents for folder in DRIVE_OPENCL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what drives OpenCL; expect the failures of tests/xfails/<platform>.txt.

    A line of that file that fits no test, or a test that passes, is an error.
    """
    for item in items:
        if drives_opencl(item.path):
            item.add_marker("opencl")
    # first: at the end of a run one worker would wait for the other
    items.sort(key=lambda item: item.path != LONGEST)
    if config.getoption("--only-backend"):
        apart = [item for item in items if not depends_on_backend(item)]
        items[:] = [item for item in items if depends_on_backend(item)]
        config.hook.pytest_deselected(items=apart)
    path = XFAILS / f"{_platform(config)}.txt"
    if not path.is_file():
        return
    for pattern, reason in known_gaps(path.read_text(encoding="utf-8")).items():
        form = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        fits = [item for item in items if form.fullmatch(item.nodeid)]
        for item in fits:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        whole = not any("::" in arg for arg in config.args)
        collected = any(item.nodeid.startswith(pattern.partition("::")[0]) for item in items)
        if not fits and whole and collected:
            raise pytest.UsageError(f"{path.name}: no test is called {pattern!r} any more")


@pytest.fixture
def make_backend(backend_name: str) -> Iterator[Callable[..., Any]]:
    """Factory of the process-wide backend: `make_backend(batch_size=8, dtype=np.float64)`.

    A backend that is known but has no device, or is not installed here, skips the test with the
    reason it gave, and so does a device without the dtype. A broken one fails it, and so does a
    name that nobody registered: a skip would make a suite green in which nothing runs.
    """

    def make(*, dtype: Any = None, **kwargs: Any) -> Any:
        if dtype is not None:
            kwargs["datatype"] = dtype
        try:
            return gen_backend(backend_name, **kwargs)
        except UnknownBackendError:
            raise
        except ConfigurationError as error:
            if dtype is not None and "cannot be the default" in str(error):
                pytest.skip(str(error))
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
