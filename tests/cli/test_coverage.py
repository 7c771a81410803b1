"""`neonport coverage NAME` tells what to write next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neonport.cli.main import main
from neonport.engine.profile import Row
from neonport.plugins import registry
from neonport.testing.reports.coverage import Coverage

PLUGINS = Path(__file__).parents[1] / "fixtures" / "plugins"
SCRIPT = """
import sys
import numpy as np
from neonport import gen_backend

be = gen_backend({name}rng_seed=0)
x = be.array(np.ones((30, 30)))
for _ in range(int(sys.argv[1])):
    x[:] = be.exp(-x) + be.dot(x, x) * 0.01
print("the script's words")
"""


@pytest.fixture
def covered(monkeypatch, capsys):
    """`covered(*arguments)` runs the command where `zero` is installed: (status, out, err)."""
    monkeypatch.syspath_prepend(str(PLUGINS / "level_zero"))
    registry.reset()

    def run(*arguments):
        status = main(["coverage", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    yield run
    monkeypatch.undo()
    registry.reset()


def test_a_device_that_has_nothing_is_told_what_to_write(covered):
    status, out, _ = covered("zero", "--steps", "1", "--json")
    assert status == 0
    data = json.loads(out)
    assert data["origins"] == {"native": 0, "derived": 0, "fallback": 1}
    methods = [step["method"] for step in data["write_next"]]
    assert methods[0] == "dialect and compile_c (or bind_kernel)"
    assert {'library_call("conv")', "matmul"} < set(methods)
    rest = [step["seconds"] for step in data["write_next"][1:]]
    assert rest == sorted(rest, reverse=True)
    assert sum(step["saves_up_to"] for step in data["write_next"]) == pytest.approx(1)
    assert sum(row["share"] for row in data["ops"]) == pytest.approx(1)


def test_a_script_is_run_on_the_backend(covered, tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.format(name=""))
    status, out, err = covered("zero", "--model", str(path), "--", "3")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["exp", "fallback", "3"] in [line[:3] for line in lines]
    assert ["1.", "dialect"] in [line[:2] for line in lines]
    assert "the script's words" not in out
    status, out, err = covered("cpu", "--model", str(path), "--seconds", "0.05", "--", "1000000000")
    assert status == 0
    assert "nothing is left to write" in out
    assert "train.py was stopped; --seconds" in err


def test_a_script_that_names_another_backend_is_told_so(covered, tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.format(name="'cpu', "))
    status, _, err = covered("zero", "--model", str(path), "--", "1")
    assert status == 1
    assert "ran nothing on zero but on cpu; let it call gen_backend() without a name" in err


@pytest.mark.parametrize(("end", "status"), [("sys.exit(0)", 0), ("sys.exit(3)", 1)])
def test_a_script_that_ends_itself(covered, tmp_path, end, status):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.format(name="") + end)
    found, out, err = covered("zero", "--model", str(path), "--", "1")
    assert found == status
    assert ("what to write next" in out) == (status == 0)
    assert ("train.py ended with status 3" in err) == (status == 1)


def test_wrong_usage(covered, tmp_path):
    path = tmp_path / "train.py"
    path.write_text("")
    assert covered("zero", "--model", str(tmp_path / "none.py"))[0] == 2
    assert covered("zero", "--model", str(path), "--steps", "1")[0] == 2
    assert covered("zero", "more")[0] == 2
    status, _, err = covered("null")
    assert (status, "computes nothing" in err) == (1, True)
    assert covered("nonsense")[0] == 1


def test_kernels_come_first_and_then_what_saves_most():
    rows = [
        Row("conv", "fallback", 'library_call("conv")', 1, 5.0),
        Row("exp", "fallback", "compile_c", 1, 1.0),
        Row("pool", "fallback", 'library_call("pool")', 1, 2.0),
        Row("copy", "fallback", "", 1, 1.0),
        Row("mul", "native", "", 1, 1.0),
    ]
    found = Coverage("npu", rows, 12.0)
    assert [step.ops for step in found.advice()] == [["exp"], ["conv"], ["pool"]]
    assert found.share(5.0) == 0.5
    assert found.origins() == {"native": 0.1, "derived": 0.0, "fallback": 0.9}
