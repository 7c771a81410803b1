"""Rendered CUDA C++ compiles with the real compiler, which needs no GPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from neonport.backends import gen_backend
from neonport.backends.device.variants import hand_written
from neonport.render_dialects import cuda_dialect
from tests.compiler.render_trees import TREES, WIDE

pytestmark = pytest.mark.nvrtc


@pytest.fixture
def null() -> Iterator[Any]:
    """A backend that renders and runs nothing."""
    be = gen_backend("null", batch_size=4)
    yield be
    be.cleanup_backend()


def _nvrtc():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from cupy_backends.cuda.libs import nvrtc

            nvrtc.getVersion()
        except Exception as error:  # not installed, or its library is not
            pytest.skip(
                f"NVRTC is not installed (pip install cupy-cuda13x nvidia-cuda-nvrtc): {error}"
            )
    return nvrtc


def _targets(nvrtc) -> list[int]:
    """Architectures to compile for; NVRTC 13 begins with 75."""
    return [70 if nvrtc.getVersion() < (13, 0) else 75, 80, 90]


def _compile(nvrtc, source: str, arch: int) -> None:
    program = nvrtc.createProgram(source, "kernel.cu", [], [])
    try:
        nvrtc.compileProgram(program, (*cuda_dialect().options, f"-arch=compute_{arch}"))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program) + source)
    finally:
        nvrtc.destroyProgram(program)


@pytest.mark.parametrize("name", [*TREES, *WIDE])
def test_cuda_text_compiles(null, name):
    nvrtc = _nvrtc()
    for source in null.render({**TREES, **WIDE}[name](null), "cuda"):
        for arch in _targets(nvrtc):
            _compile(nvrtc, source, arch)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_hand_written_kernel_compiles(dtype):
    nvrtc = _nvrtc()
    for _, source in hand_written(cuda_dialect(), (dtype,)):
        _compile(nvrtc, source, 80)


def test_the_compiler_is_asked(null):
    nvrtc = _nvrtc()
    (source,) = null.render(TREES["map"](null), "cuda")
    with pytest.raises(pytest.fail.Exception, match="undefined"):
        _compile(nvrtc, source.replace("neo_int p0", "neo_nonsense p0"), 80)
