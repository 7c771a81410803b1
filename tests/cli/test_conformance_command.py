"""`neonport conformance NAME` counts what the suite yields."""

from __future__ import annotations

import json
import math
import sys
import types
from collections import namedtuple

import pytest

from neonport.cli.main import main

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
    """`suite(results)` replaces the conformance suite; returns the names it was run for."""

    def install(results):
        names = []
        module = types.ModuleType("neonport.testing.conformance")
        module.run = lambda name: (names.append(name), iter(results))[1]
        monkeypatch.setitem(sys.modules, "neonport.testing.conformance", module)
        return names

    return install


def test_all_pass(suite, capsys):
    names = suite(GOOD)
    assert main(["conformance", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert names == ["cpu"]
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
