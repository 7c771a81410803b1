"""Built programs are kept on disk, and a driver's complaints are shown with the lines."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from neonport.backends.opencl.programs import Programs
from neonport.errors import CompileError

TEXT = "__kernel void twice(__global float *x) { x[get_global_id(0)] *= 2.0f; }\n"
PROCESS = f"""
from neonport.plugins.registry import create_backend
be = create_backend("opencl")
be.device.programs.load({TEXT!r}, ())
print(be.device.programs.compiled)
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    return tmp_path / "opencl"


@pytest.fixture
def load(ocl, folder):
    """Load the text as a process would that has just begun; how often it was compiled."""
    if ocl.device.info.keeps_programs:
        pytest.skip(f"{ocl.device.info.words} keeps programs in a cache of its own")

    def run(device=ocl.device.info):
        programs = Programs(ocl.device.context, device)
        programs.load(TEXT, ())
        programs.load(TEXT, ())
        return programs.compiled

    return run


def test_the_second_process_compiles_nothing(load):
    assert [load(), load()] == [1, 0]


@pytest.mark.parametrize("damage", [b"", b"rubbish", "half"])
def test_a_damaged_entry_is_built_again(load, folder, damage):
    load()
    (entry,) = folder.glob("*.bin")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    assert [load(), load()] == [1, 0]


def test_a_right_entry_that_the_driver_refuses_is_built_again(load, folder, ocl):
    from neonport.io.cache_dir import write_checked

    if ocl.device.info.platform == "rusticl":
        pytest.skip("Mesa 22.3 ends the process on a binary that is none; entries have checksums")
    load()
    (entry,) = folder.glob("*.bin")
    write_checked("opencl", entry.name, b"no program of any driver")
    assert [load(), load()] == [1, 0]


def test_another_driver_version_compiles_again(load, ocl):
    @dataclass(frozen=True)
    class Updated(type(ocl.device.info)):
        @property
        def identity(self):
            return super().identity + " of tomorrow"

    d = ocl.device.info
    load()
    assert load(Updated(d.handle, d.platform, d.ordinal, d.index)) == 1


def test_a_cache_that_cannot_be_written_is_no_matter(load, folder):
    folder.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="is not used"):
        assert load() == 1
    assert load() == 0, "the process has a temporary folder instead"


def test_two_processes_fill_the_cache_at_once(load, folder, tmp_path):
    environment = {**os.environ, "NEONPORT_CACHE_DIR": str(tmp_path)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    counts = [p.communicate(timeout=120)[0].strip() for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert set(counts) <= {"0", "1", "2"}  # the text and the trial kernel, unless there already
    assert load() == 0


def test_an_error_shows_the_line_and_the_log(ocl, folder):
    with pytest.raises(CompileError) as caught:
        ocl.device.programs.load("__kernel void f(void) {\n  int x = nonsense;\n}\n", ())
    text = str(caught.value)
    assert "2 |   int x = nonsense;" in text
    assert ocl.device.info.words in text
