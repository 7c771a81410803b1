"""Compiled kernels are kept; texts that do not compile are shown."""

from __future__ import annotations

import pytest

from neonport.backends.cuda.programs import target
from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from neonport.errors import CompileError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    return tmp_path / "cuda"


def run(make):
    be = make()
    t = be.ones((3, 3))
    t[:] = be.exp(t * 0) + 1
    assert (t.get() == 2).all()
    return be.device.programs.compiled


def test_the_second_process_compiles_nothing(folder, make_cuda):
    assert run(make_cuda) > 0
    assert run(make_cuda) == 0


def test_damaged_and_foreign_images_are_made_again(folder, make_cuda):
    from neonport.io.cache_dir import write_checked

    first = run(make_cuda)
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    assert run(make_cuda) == first
    for path in folder.iterdir():
        write_checked("cuda", path.name, b"not for this driver")
    assert run(make_cuda) == first
    assert run(make_cuda) == 0


def test_the_lines_at_fault_are_shown(cuda):
    kernel = "KERNEL void wrong(GLOBAL float *x) {\n  x[0] = nonsense;\n}\n"
    source = f"{cuda_dialect().prelude}\n{kernel}"
    with pytest.raises(CompileError) as raised:
        cuda.device.build(source, cuda_dialect().options)
    line = len(source.splitlines()) - 1
    assert f"{line} |   x[0] = nonsense;" in str(raised.value)
    assert "error" in str(raised.value)


def test_targets():
    assert target((9, 0), (75, 80, 90)) == "sm_90"
    assert target((8, 9), (75, 80, 90)) == "compute_80"
    assert target((12, 1), (75, 80, 90)) == "compute_90"


def test_explain_shows_cuda(cuda):
    t = cuda.zeros((3, 3))
    assert "__global__" in cuda_dialect().prelude
    assert "KERNEL" in str(cuda.explain(cuda.exp(t), source=True))
