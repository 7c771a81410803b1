"""Runtimes of wheels are found although their .icd files name other machines' paths."""

from __future__ import annotations

import os

import pytest

from neonport.backends.opencl import icd_loader as runtimes


def _wheel(root, named, library=None):
    folder = root / "etc" / "OpenCL" / "vendors"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "some.icd").write_text(f"{named}\n")
    if library:
        (root / "lib").mkdir(exist_ok=True)
        (root / "lib" / library).write_bytes(b"")


def test_a_wrong_path_is_corrected(tmp_path):
    _wheel(tmp_path, "/build/machine/lib/libsome.so", "libsome.so")
    assert runtimes.wheel_runtimes(tmp_path) == {"some.icd": str(tmp_path / "lib" / "libsome.so")}


def test_a_runtime_without_library_is_left_out(tmp_path):
    _wheel(tmp_path, "/build/machine/lib/libsome.so")
    assert runtimes.wheel_runtimes(tmp_path) == {}


def test_a_right_path_stays(tmp_path):
    library = tmp_path / "libright.so"
    library.write_bytes(b"")
    _wheel(tmp_path, library)
    assert runtimes.wheel_runtimes(tmp_path) == {"some.icd": str(library)}


def test_what_the_user_says_is_not_touched(monkeypatch, tmp_path):
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    assert runtimes.vendor_folder() is None


def test_the_folder_has_the_systems_runtimes_too(monkeypatch, tmp_path):
    for name in runtimes.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    system = tmp_path / "system"
    system.mkdir()
    (system / "gpu.icd").write_text("libgpu.so.1\n")
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(runtimes, "SYSTEM", system)
    monkeypatch.setattr(runtimes.sys, "platform", "linux")
    monkeypatch.setattr(runtimes, "wheel_runtimes", lambda: {"cpu.icd": "/env/lib/libcpu.so"})
    folder = runtimes.vendor_folder()
    texts = {p.name: p.read_text().strip() for p in folder.iterdir()}
    assert texts == {"wheel-cpu.icd": "/env/lib/libcpu.so", "gpu.icd": "libgpu.so.1"}


def test_a_path_that_is_no_utf8(tmp_path):
    library = os.fsencode(tmp_path) + b"/lib\xe9.so"
    _wheel(tmp_path, "")
    (tmp_path / "etc" / "OpenCL" / "vendors" / "some.icd").write_bytes(library + b"\n")
    try:
        open(library, "wb").close()
    except OSError as error:
        pytest.skip(f"the file system refuses such a name: {error}")
    assert runtimes.wheel_runtimes(tmp_path) == {"some.icd": os.fsdecode(library)}
