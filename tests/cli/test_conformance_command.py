"""`neonport conformance NAME` counts what the suite yields."""

from __future__ import annotations

import json
import math
import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import neonport
from neonport.cli.main import main
from neonport.plugins import registry
from neonport.testing import conformance as suite_module
from neonport.testing.conformance import Result
from neonport.testing.reports import summary
from neonport.testing.reports.summary import Checked
from tests.cli.terminal import on_terminal

EPS = 2.0**-23
GOOD = [
    Checked(Result("add", "f32-3x4", True, 1e-7, 1e-6, "", EPS)),
    Checked(Result("add", "f64-3x4", True, 3 * EPS, 6 * EPS, "", EPS)),
    Checked(Result("exp", "f32-1x1", True, 0.0, 1e-6, "", EPS)),
]
BAD = [
    Checked(
        Result("exp", "f32-nan", False, math.nan, 1e-6, "expected\n  inf [a], got nan", EPS),
        "import numpy as np\nassert False\n",
    ),
    Checked(Result("exp", "f32-2x2", True, 0.5, 1.0, "", EPS)),
    Checked(Result("dot", "f16", False, None, 1e-3, "raised TypeError"), "raise TypeError\n"),
    Checked(Result("dot", "f64", True, None, 1e-3, "raised", 0.0, "nobody has written it")),
]
SITE = Path(neonport.__file__).parents[1]
FAULTY = Path(__file__).parents[1] / "fixtures" / "plugins" / "planted_faults"


@pytest.fixture
def suite(monkeypatch):
    """`suite(results)` replaces the results of the suite; returns what it was run for."""

    def install(results):
        asked = []

        def run(be, *arguments):
            asked.append((str(be), *arguments))
            return iter(results)

        monkeypatch.setattr(summary, "run", run)
        return asked

    return install


def test_all_pass(suite, capsys):
    asked = suite(GOOD)
    assert main(["conformance", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert asked == [("cpu:0", None, None, 0, [])]
    assert ["add", "2", "0", "3", "50%", "ok"] in [line.split() for line in lines]
    assert lines[-2:] == ["3 cases (what the device declares)", "3 passed, 0 failed"]


def test_failures_are_named_and_the_status_is_1(suite, capsys):
    suite(GOOD + BAD)
    assert main(["conformance", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ["exp", "2", "1", "nan", "nan", "FAIL"] in [line.split() for line in lines]
    at = lines.index("FAILED exp f32-nan: expected inf [a], got nan")
    assert lines[at + 1 : at + 3] == ["    import numpy as np", "    assert False"]
    assert "FAILED dot f16: raised TypeError" in lines
    assert lines[-1] == "4 passed, 2 failed, 1 known to fail"


def test_a_long_message_is_cut_and_not_repeated(suite, capsys):
    words = "raised CompileError: " + "redefinition \x1b[31m\n" * 5_000 + "the end"
    suite([Checked(Result("dot", f"f{n}", False, None, 0, words), "pass\n") for n in range(40)])
    assert main(["conformance", "cpu"]) == 1
    out = capsys.readouterr().out
    assert len(out) < 8_000
    assert "\x1b" not in out
    first, second = (
        line for line in out.splitlines() if line.startswith(("FAILED dot f0", "FAILED dot f1:"))
    )
    assert first.startswith("FAILED dot f0: raised CompileError")
    assert first.endswith("the end")
    assert second == "FAILED dot f1: the same"


def test_a_suite_without_cases_is_no_success(suite):
    suite([])
    assert main(["conformance", "cpu"]) == 1


def test_json(suite, capsys):
    suite(GOOD + BAD)
    assert main(["conformance", "cpu", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["backend"], data["passed"], data["failed"], data["known"]) == ("cpu", 4, 2, 1)
    ops = {row["op"]: row for row in data["ops"]}
    assert (ops["add"]["max_error"], ops["add"]["ulps"]) == (3 * EPS, 3)
    assert ops["dot"]["failures"][0]["script"] == "raise TypeError\n"
    assert ops["exp"]["max_error"] == "nan"
    assert ops["dot"]["failures"][0]["case_id"] == "f16"


def test_an_unknown_backend_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("NEONPORT_DEBUG", raising=False)
    assert main(["conformance", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("neonport: unknown backend 'nonsense'")


def test_only_some_ops(suite, capsys):
    asked = suite(GOOD)
    assert main(["conformance", "cpu", "--only", "add", "--only", "exp"]) == 0
    assert asked == [("cpu:0", ("add", "exp"), None, 0, [])]


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


class Page(HTMLParser):
    """What a page is made of: rows of its tables, its scripts, and addresses of other files."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.links, self.scripts = [], [], []
        self._where = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._where = tag
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        if tag == "pre":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._where = ""

    def handle_data(self, data):
        if self._where == "td":
            self.rows[-1][-1] += data
        if self._where == "pre":
            self.scripts[-1] += data


def test_the_page_holds_everything_and_needs_no_other_file(suite, tmp_path, capsys):
    suite(GOOD + BAD)
    path = tmp_path / "report.html"
    assert main(["conformance", "cpu", "--level", "0", "--report", str(path)]) == 1
    text = path.read_text()
    page = Page(text)
    assert page.links == []
    assert "url(" not in text
    assert ["add", "2", "0", "0", "3", "50%", "ok"] in page.rows
    assert ["exp", "2", "1", "0", "nan", "nan", "FAIL"] in page.rows
    assert any(row[:2] == ["DLPack", "3"] for row in page.rows)
    assert page.scripts == ["import numpy as np\nassert False\n", "raise TypeError\n"]
    assert "{{" not in text


def test_a_message_is_no_markup(suite, tmp_path):
    hostile = Checked(Result("<b>", "<i>", False, None, 0.0, "<script>alert(1)</script>"), "<u>")
    suite([hostile])
    path = tmp_path / "report.html"
    main(["conformance", "cpu", "--report", str(path)])
    text = path.read_text()
    assert "<script>alert" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_report_is_replaced_and_another_file_only_when_asked(suite, tmp_path, capsys):
    asked = suite(GOOD)
    path = tmp_path / "report.html"
    for _ in range(2):
        assert main(["conformance", "cpu", "--report", str(path)]) == 0
    path.write_text("<html>a diary</html>")
    asked.clear()
    assert main(["conformance", "cpu", "--report", str(path)]) == 1
    assert "report.html exists and is no report; --force replaces it" in capsys.readouterr().err
    assert path.read_text() == "<html>a diary</html>"
    assert asked == []  # nothing ran
    assert main(["conformance", "cpu", "--report", str(path), "--force"]) == 0
    assert "neonport conformance" in path.read_text()
    assert main(["conformance", "cpu", "--report", str(tmp_path / "none" / "r.html")]) == 1
    assert "there is no such folder" in capsys.readouterr().err


@pytest.fixture
def on_faulty(monkeypatch, capsys):
    """`on_faulty(*arguments)` tests the backend with planted faults: (status, what is printed)."""
    monkeypatch.syspath_prepend(str(FAULTY))
    registry.reset()

    def run(*arguments):
        status = main(["conformance", "faulty", *arguments])
        return status, capsys.readouterr().out

    yield run
    monkeypatch.undo()
    registry.reset()


def test_scripts_of_failures_reproduce_them(on_faulty, tmp_path):
    """As files: they fail where the fault is, and pass where it is not."""
    status, out = on_faulty("--json", "--only", "exp", "--only", "tanh", "--only", "batched_dot")
    assert status == 1
    data = json.loads(out)
    assert {"float64", "bfloat16"} == {lack["name"] for lack in data["not_tested"]}
    ops = {row["op"]: row["failures"] for row in data["ops"]}
    assert all(failure["script"] for failures in ops.values() for failure in failures)
    raised = {
        "exp": (AssertionError, r"^\[\["),
        "tanh": (NotImplementedError, "no tanh"),
        "batched_dot": (AssertionError, "elements of a float16 result are wrong"),
    }
    path = tmp_path / "failure.py"
    for op, (error, words) in raised.items():
        script = ops[op][0]["script"]
        assert ("run_one" in script) == (op == "batched_dot")  # alpha is no part of a statement
        path.write_text(script)
        with pytest.raises(error, match=words):
            runpy.run_path(str(path))
        path.write_text(script.replace("'faulty'", "'cpu'"))
        runpy.run_path(str(path))
    path.write_text(ops["exp"][0]["script"])
    found = subprocess.run(
        [sys.executable, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SITE), str(FAULTY)])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 1
    assert "AssertionError: [[" in found.stderr


def test_a_level_that_is_not_reached_is_a_failure(on_faulty):
    status, out = on_faulty("--level", "1", "--only", "level")
    assert "level 1 needs kernels, which the device does not declare" in out
    assert re.search(r"not tested: .*DLPack.*declared, but above the level", out)
    assert status == 1
    status, out = on_faulty("--only", "level")
    assert "not tested: kernels (level 1, 1 case): not declared; give" in out
    assert status == 0


def test_known_gaps_are_counted_and_stale_ones_fail(on_faulty, tmp_path):
    path = tmp_path / "gaps.toml"
    products = '[[xfail]]\nop = "compound_dot"\ncase = "* = (%s*"\nreason = "no alpha"\n'
    others = '[[xfail]]\nop = "cosh"\nreason = "not among those that are asked for"\n'
    path.write_text("".join(products % alpha for alpha in ("2.0", "-0.5", "0.5", "0.0")) + others)
    status, out = on_faulty("--only", "compound_dot", "--xfails", str(path))
    assert status == 0, out
    assert re.search(r"\n12 passed, 0 failed, \d\d known to fail", out)
    path.write_text('[[xfail]]\ncase = "nbytes*"\nreason = "it was so once"\n')
    status, out = on_faulty("--only", "memory", "--xfails", str(path))
    assert "passes, though it is listed as a known gap (it was so once)" in out
    assert status == 1
    path.write_text('[[xfail]]\nop = "batched_dot"\ncase = "float64 *"\nreason = "x"\n')
    status, out = on_faulty("--only", "memory", "--only", "batched_dot", "--xfails", str(path))
    assert "no case that runs fits op = 'batched_dot', case = 'float64 *'" in out
    assert status == 1
