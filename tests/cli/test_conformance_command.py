"""`neonport conformance NAME` counts what the suite yields."""

from __future__ import annotations

import json
import math
from collections import namedtuple

import pytest

from neonport.cli.main import main
from neonport.testing import conformance as suite_module
from tests.cli.terminal import on_terminal

Result = namedtuple("Result", "op case_id passed max_error bound message")

GOOD = [
    Result("add", "f32-3x4", True, 1e-7, 1e-6, ""),
    Result("add", "f64-3x4", True, 3e-7, 1e-6, ""),
    Result("exp", "f32-1x1", True, 0.0, 1e-6, ""),
]
BAD = [
    Result("exp", "f32-nan", False, math.nan, 1e-6, "expected\n  inf [a], got nan"),
    Result("exp", "f32-2x2", True, 0.5, 1.0, ""),
    Result("dot", "f16", False, None, 1e-3, "raised TypeError"),
]


@pytest.fixture
def suite(monkeypatch):
    """`suite(results)` replaces the results of the suite; returns what it was run for."""

    def install(results):
        asked = []
        monkeypatch.setattr(
            suite_module, "run", lambda be, only: (asked.append((str(be), only)), iter(results))[1]
        )
        return asked

    return install


def test_all_pass(suite, capsys):
    asked = suite(GOOD)
    assert main(["conformance", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert asked == [("cpu:0", None)]
    assert ["add", "2", "0", "3.00e-07", "ok"] in [line.split() for line in lines]
    assert lines[-2:] == ["3 cases", "3 passed, 0 failed"]


def test_failures_are_named_and_the_status_is_1(suite, capsys):
    suite(GOOD + BAD)
    assert main(["conformance", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ["exp", "2", "1", "nan", "FAIL"] in [line.split() for line in lines]
    assert "FAILED exp f32-nan: expected inf [a], got nan" in lines
    assert "FAILED dot f16: raised TypeError" in lines
    assert lines[-1] == "4 passed, 2 failed"


def test_a_suite_without_cases_is_no_success(suite):
    suite([])
    assert main(["conformance", "cpu"]) == 1


def test_json(suite, capsys):
    suite(GOOD + BAD)
    assert main(["conformance", "cpu", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["backend"], data["passed"], data["failed"]) == ("cpu", 4, 2)
    ops = {row["op"]: row for row in data["ops"]}
    assert ops["add"]["max_error"] == 3e-7
    assert ops["exp"]["max_error"] == "nan"
    assert ops["dot"]["failures"][0]["case_id"] == "f16"


def test_an_unknown_backend_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("NEONPORT_DEBUG", raising=False)
    assert main(["conformance", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("neonport: unknown backend 'nonsense'")


def test_only_some_ops(suite, capsys):
    asked = suite(GOOD)
    assert main(["conformance", "cpu", "--only", "add", "--only", "exp"]) == 0
    assert asked == [("cpu:0", ("add", "exp"))]


def test_an_op_without_cases_is_a_usage_error(capsys):
    assert main(["conformance", "cpu", "--only", "ad"]) == 2
    assert "no case is named 'ad'; did you mean add" in capsys.readouterr().err


def test_the_list_needs_no_backend(capsys):
    assert main(["conformance", "--list"]) == 0
    lines = [line.rsplit(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["op", "cases"]
    assert {op for op, _ in lines[1:]} == set(suite_module.counts())
    assert main(["conformance", "--list", "--json", "--only", "add"]) == 0
    assert json.loads(capsys.readouterr().out) == {"add": suite_module.counts()["add"]}


def test_without_a_name_it_says_what_to_give(capsys):
    assert main(["conformance"]) == 2
    assert "name a backend" in capsys.readouterr().err


def test_progress_on_a_terminal():
    text = on_terminal(["conformance", "null", "--only", "memory"], columns=80)
    assert "testing null" in text
