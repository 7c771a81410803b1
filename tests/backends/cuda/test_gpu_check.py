"""The command for machines with a GPU works through all parts, whatever happens in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_dry_run_writes_what_it_got(tmp_path):
    # OpenCL is told to look for a device that is not there
    command = [sys.executable, "tools/gpu_check", "--dry-run", "--results", str(tmp_path)]

    done = subprocess.run(
        [*command, "--only", "gemm,opencl,sanitizer"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NEONPORT_OPENCL_DEVICE": "nobody"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (text,) = (p.read_text() for p in tmp_path.glob("dry-*.md"))
    (found,) = (json.loads(p.read_text()) for p in tmp_path.glob("dry-*.json"))
    states = {entry["title"]: entry["state"] for entry in found["parts"]}
    assert states["Matrix products, cuda, TF32 off"] == "ok"
    assert states["Matrix products, cuda, TF32 on"] == "ok"
    assert states["Training steps, OpenCL on the same GPU"].startswith("failed")
    assert "neonport GFLOP/s" in text
    assert found["about"]["emulated"] is True
    assert [e["timings"]["tf32"] for e in found["parts"] if e["part"] == "gemm"] == [False, True]
