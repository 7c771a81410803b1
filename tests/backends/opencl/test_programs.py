"""Built programs are kept on disk, and a driver's complaints are shown with the lines."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends.opencl.backend import OpenCLBackend
from neonport.errors import CompileError


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    return tmp_path / "opencl"


def _run(be):
    x, y = be.array(np.arange(6.0).reshape(2, 3)), be.empty((2, 3))
    y[:] = be.exp(x) - 0.25
    assert np.allclose(y.get(), np.exp(np.arange(6.0).reshape(2, 3)) - 0.25)
    return be.programs.compiled


def test_the_second_backend_compiles_nothing(ocl, folder):
    assert _run(ocl) == 1
    assert _run(OpenCLBackend()) == 0


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_damaged_entry_is_built_again(ocl, folder, damage):
    _run(ocl)
    (entry,) = folder.glob("*.bin")
    entry.write_bytes(damage)
    assert _run(OpenCLBackend()) == 1


def test_an_error_shows_the_line_and_the_log(ocl, folder):
    with pytest.raises(CompileError) as caught:
        ocl.programs.load("__kernel void f(void) {\n  int x = nonsense;\n}\n", ())
    text = str(caught.value)
    assert "2 |   int x = nonsense;" in text
    assert ocl.device.words in text
