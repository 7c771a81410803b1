"""Every CUDA C++ text compiles to machine code with NVIDIA's compiler, which needs no GPU.

The texts: every kernel that the conformance suite and the tests of the layers run, rendered as the
cuda backend renders them; statements that reach every form of a kernel; hand-written kernels.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neonport.backends import gen_backend
from neonport.backends.device.variants import hand_written
from neonport.render_dialects import cuda_dialect
from tests.compiler import nvrtc
from tests.compiler.render_trees import TREES, WIDE

pytestmark = pytest.mark.nvrtc
ROOT = Path(__file__).parents[2]
RUN = ["tests/conformance/test_suite.py", "tests/layers", "tests/optimizers"]


def run_by_tests(folder: Path) -> list[str]:
    """Texts of the kernels that tests run on the cpu backend."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--cuda-texts", str(folder)]
    done = subprocess.run([*command, *RUN], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    return [path.read_text() for path in folder.glob("*.cu")]


def rendered() -> list[str]:
    """Texts of statements that reach every form of a kernel."""
    null = gen_backend("null", batch_size=4)
    try:
        trees = {**TREES, **WIDE}
        return [text for make in trees.values() for text in null.render(make(null), "cuda")]
    finally:
        null.cleanup_backend()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    by_hand = [text for _, text in hand_written(cuda_dialect())]
    found = {*run_by_tests(tmp_path_factory.mktemp("texts")), *rendered(), *by_hand}
    assert len(found) > 500
    return sorted(found)


@pytest.mark.parametrize("arch", nvrtc.TARGETS)
def test_every_text_compiles(texts, arch, capsys):
    found = nvrtc.complaints(texts, arch, cuda_dialect().options)
    assert not found, f"{len(found)} of {len(texts)} texts for sm_{arch}: {found[0]}"
    with capsys.disabled():
        print(f" {len(texts)} kernels ", end="", flush=True)


def test_the_compiler_is_asked():
    source = rendered()[0].replace("neo_int p0", "neo_nonsense p0")
    (found,) = nvrtc.complaints([source], 80, cuda_dialect().options)
    assert "undefined" in found
