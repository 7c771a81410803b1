"""Scripts leave nothing behind: for other packages, threads, processes and runs of pytest."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from neonport import compat
from neonport.compat import run_script

TRAIN = """
import sys
import numpy as np
from past.utils import old_div
from neon.backends import gen_backend
from neon.initializers import Gaussian
from neon.layers import Affine, GeneralizedCost
from neon.models import Model
from neon.data import ArrayIterator
from neon.optimizers import GradientDescentMomentum
from neon.transforms import CrossEntropyMulti, Softmax
from neon.callbacks.callbacks import Callbacks
import beside

seed = int(sys.argv[1])
be = gen_backend(backend='cpu', batch_size=8, rng_seed=seed)
rng = np.random.RandomState(0)
X, y = rng.normal(size=(32, 5)).astype(np.float), rng.randint(0, 3, 32).astype(np.int)
train = ArrayIterator(X, y, nclass=3)
model = Model([Affine(nout=3, init=Gaussian(scale=0.1), activation=Softmax())])
cost = GeneralizedCost(costfunc=CrossEntropyMulti())
model.fit(train, cost=cost, optimizer=GradientDescentMomentum(0.1, 0.9), num_epochs=3,
          callbacks=Callbacks(model, progress_bar=False))
found = model.get_outputs(train)
print('%.6f' % found[0, 0], old_div(7, 2), beside.word)
"""

PROGRAM = """
import builtins, importlib, logging, pkgutil, signal, sys, threading, warnings
import neonport, numpy as np
from neonport.compat import install, run_script, uninstall

SKIP = {"__main__", "__mp_main__", "linecache", "runpy"}  # what runs scripts notes them

def names():
    return [m.name for m in pkgutil.walk_packages(neonport.__path__, "neonport.")
            if m.name.count(".") == 1 and not m.name.endswith("__main__")]

def state():
    modules = {
        name: {key: id(value) for key, value in vars(module).items()}
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in ("neonport", *SKIP) and hasattr(module, "__dict__")
    }
    return {
        "modules": modules, "path": list(sys.path), "argv": list(sys.argv),
        "finders": list(sys.meta_path), "hooks": list(sys.path_hooks),
        "builtins": {key: id(value) for key, value in vars(builtins).items()},
        "filters": list(warnings.filters), "handlers": list(logging.root.handlers),
        "level": logging.root.level, "int": signal.getsignal(signal.SIGINT),
        "errors": np.geterr(), "threads": threading.active_count(),
    }

def use():
    for name in names():
        importlib.import_module(name)
    run_script("train.py", ["1"])

use()  # imports and compiles
before = state()
install()
for name in names():
    ours = importlib.import_module(name)
    assert importlib.import_module(name.replace("neonport", "neon", 1)) is ours
uninstall()
run_script("train.py", ["1"])
try:
    run_script("fails.py", ["1"])
except ZeroDivisionError:
    pass
after = state()
for key in before:
    if key != "modules":
        assert before[key] == after[key], (key, before[key], after[key])
new = set(after["modules"]) - set(before["modules"])
assert not new, new
for name, held in before["modules"].items():
    assert after["modules"][name] == held, name
for name in ("float", "int", "object"):
    assert name not in vars(np), name
try:
    import neon
except ModuleNotFoundError:
    print("clean")
"""

SUITE = """
import sys
import pytest
from neonport import compat
from neonport.compat import run_script

@pytest.fixture
def neon():
    compat.install()
    yield
    compat.uninstall()

def test_script(tmp_path):
    assert run_script("train.py", ["1"])["found"].shape == (32, 3)

def test_gone():
    with pytest.raises(ModuleNotFoundError):
        import neon
    assert "beside" not in sys.modules

@pytest.mark.parametrize("times", range(3))
def test_installed(neon, times):
    from neon.layers import Affine
    assert Affine.__module__ == "neonport.layers.compound"

test_gone_again = test_gone
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "train.py": TRAIN,
        "fails.py": "import numpy as np\nimport beside\nfrom neon.layers import Affine\n1 / 0\n",
        "beside.py": "import numpy as np\nword = np.str('beside')\n",
        "program.py": PROGRAM,
        "test_suite.py": SUITE,
    }.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*command: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], stdout=pipe, stderr=pipe, text=True)


def result(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    return out


def test_no_module_of_others_changes(folder: Path) -> None:
    assert result(start("-W", "error", "program.py")).splitlines()[-1] == "clean"


def test_two_interpreters_side_by_side(folder: Path) -> None:
    """In one folder, with one cache of kernels: each as if it were alone."""
    processes = [start("-m", "neonport", "run", "train.py", "1") for _ in range(2)]
    first, second = (result(process) for process in processes)
    assert first == second
    assert first.endswith("3 beside\n")


def test_scripts_of_several_threads(folder: Path) -> None:
    before = list(sys.path), list(sys.argv), list(sys.meta_path)
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        try:
            names = run_script("train.py", [str(number % 2)])
            found[number] = names["found"].tobytes(), names["seed"]
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[2] != found[1] == found[3], found
    assert [found[number][1] for number in range(4)] == [0, 1, 0, 1]
    assert (list(sys.path), list(sys.argv), list(sys.meta_path)) == before
    assert not compat.installed()
    assert not [name for name in sys.modules if name.partition(".")[0] in ("neon", "beside")]


def test_installing_from_several_threads() -> None:
    before = list(sys.meta_path)
    barrier = threading.Barrier(8)

    def install() -> None:
        barrier.wait()
        for _ in range(50):
            compat.install()

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sys.meta_path) == len(before) + 1
    compat.uninstall()
    assert sys.meta_path == before


def test_a_run_of_pytest(folder: Path) -> None:
    out = result(start("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"))
    assert "6 passed" in out
