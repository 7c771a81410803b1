"""`neonport doctor` prints the table whatever is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import neonport
from neonport import __version__, settings
from neonport.cli.doctor.command import COLUMNS
from tests.cli.terminal import on_terminal

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
PLUGINS = Path(__file__).parents[1] / "fixtures" / "plugins"
ALL = sorted(folder.name for folder in PLUGINS.iterdir() if list(folder.glob("*.dist-info")))


NOISE = ("imported", "written past Python", "called", "asked", "constructed")


def _doctor(*arguments: str, plugins: list[str] | None = None, **environ: str):
    path = os.pathsep.join([str(SITE), *(str(PLUGINS / name) for name in plugins or [])])
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NEONPORT_")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "neonport", "doctor", *arguments],
        env=clean | {"PYTHONPATH": path} | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def report() -> str:
    """The table with every fake plugin in place, most of them broken."""
    done = _doctor(plugins=ALL)
    assert done.returncode == 0
    assert not done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data() -> dict:
    """The same as JSON."""
    done = _doctor("--json", plugins=ALL, NEONPORT_BLOCK="neonport-constructors")
    assert done.returncode == 0
    return json.loads(done.stdout)  # nothing but the report, although a plugin prints


def test_the_heading_and_the_host(report):
    lines = report.splitlines()
    (heading,) = (line for line in lines if line.split() == list(COLUMNS))
    assert lines.index(heading) > 0
    words = dict(line.split(None, 1) for line in lines[: lines.index(heading)] if line.strip())
    assert words["neonport"].startswith(__version__)
    assert words["Python"].startswith(sys.version.split()[0])
    assert words["default"] == "cpu"
    assert "usable" in words["threads"]
    assert "quota" in words["threads"]
    assert "processors in the last minute" in words["load"]
    assert {"NumPy", "BLAS", "system", "settings"} <= set(words)


@pytest.mark.parametrize(
    "words",
    [
        ["npu", "neonport-npu", "1.2.0", "1.0", "ready", "fake", "NPU"],
        ["importerror", "neonport-import-error", "0.1", "-", "broken"],
        ["half-device", "neonport-unfinished", "0.2", "1.0", "broken"],
        ["failing", "neonport-unfinished", "0.2", "1.0", "broken"],
        ["first", "neonport-half-hook", "0.1", "1.0", "ready"],
        ["surrogates", "neonport-hostile-errors", "0.1", "-", "broken"],
        ["futuristic", "neonport-protocol", "4.0", "7.3", "incompatible"],
        ["probe-no-device", "neonport-probes", "2.1", "1.0", "no-device"],
        ["npu", "neonport-npu-clone", "0.3", "1.0", "shadowed"],
        ["cpu", "neonport-squatter", "6.6", "1.0", "refused"],
        ["cpu", "neonport", __version__, "1.0", "ready"],
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_row_per_backend(report, words):
    assert any(line.split()[: len(words)] == words for line in report.splitlines())


def test_brackets_in_a_reason_are_text(report):
    assert "pip install foo[bar]" in report


def test_json_has_all_rows_with_all_columns(data):
    assert all(set(COLUMNS) < set(row) for row in data["backends"])
    states = {row["name"]: row["state"] for row in data["backends"] if row["state"] != "refused"}
    assert states["sysexit"] == "broken"
    assert states["constructors"] == "blocked"
    assert data["host"]["neonport"].startswith(__version__)


def test_what_plugins_print_carries_their_name(report):
    lines = [line for line in report.splitlines() if line.startswith("noisy ")]
    for what in NOISE:
        (line,) = (line for line in lines if line.endswith(f"printed noisy: {what}"))
        assert "neonport-noisy 0.1" in line
    assert any("importing fake_noisy: printed noisy: imported" in line for line in lines)


def test_capabilities(report, data):
    (line,) = (line for line in report.splitlines() if line.split()[:2] == ["cpu", "neonport"])
    assert "float16, bfloat16, float32, float64; " in line
    assert "host memory; DLPack 1:0" in line
    (row,) = (row for row in data["backends"] if row["distribution"] == "neonport-npu")
    assert row["capabilities"] == {
        "dtypes": ["float16", "bfloat16", "float32", "float64"],
        "compiles": False,
        "runs": False,
        "host_memory": True,
        "dlpack_device": [1, 0],
        "devices": 1,
    }


def test_json_has_the_tracebacks_and_the_plugins(data):
    (row,) = (row for row in data["backends"] if row["name"] == "raisinghook")
    assert "fake_raising_hook.py" in row["traceback"]
    assert "ZeroDivisionError" in row["traceback"]
    plugins = {plugin["distribution"]: plugin for plugin in data["plugins"]}
    assert plugins["neonport"]["value"] == "neonport.backends.builtin"
    assert plugins["neonport-npu"]["backends"] == ["npu"]
    assert len(plugins["neonport-wrong-type"]["failures"]) == 2


def test_it_does_not_import_the_model_code():
    code = "from neonport.cli.main import main; main(['doctor']); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    above = ("layers", "models", "optimizers", "callbacks", "data", "transforms", "cli.train")
    loaded = set(done.stdout.split())
    assert "neonport.cli.doctor.command" in loaded
    assert not loaded & {f"neonport.{room}" for room in above}


def test_it_lists_the_settings_that_are_set():
    done = _doctor("--json", NEONPORT_TUNE="0", NEONPORT_TF32="perhaps", NEONPORT_TRCE="1")
    rows = {row["name"]: row for row in json.loads(done.stdout)["settings"]}
    assert rows["NEONPORT_TUNE"]["value"] == "0"
    assert "matrix products" in rows["NEONPORT_TUNE"]["meaning"]
    assert rows["NEONPORT_TUNE"]["complaint"] == ""
    assert "NEONPORT_TF32='perhaps' is not allowed" in rows["NEONPORT_TF32"]["complaint"]
    assert "no setting" in rows["NEONPORT_TRCE"]["complaint"]


def test_every_setting_is_listed_with_its_default():
    rows = {row["name"]: row for row in json.loads(_doctor("--json").stdout)["settings"]}
    assert set(rows) == {setting.name for setting in settings.SETTINGS}
    assert rows["NEONPORT_BACKEND"] == {
        "name": "NEONPORT_BACKEND",
        "set": False,
        "value": "(cpu)",
        "meaning": "the backend that gen_backend() makes when none is named",
        "complaint": "",
    }


def test_lines_in_a_pipe_are_whole(report, data):
    lines = report.splitlines()
    assert not [line for line in lines if line.startswith(" ")]
    for row in data["backends"]:
        if row["state"] not in ("blocked", "installed"):
            assert any(row["reason"] in line for line in lines), row


def test_it_can_be_read_on_a_narrow_terminal():
    text = on_terminal(["doctor"], columns=60)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 60
    cpu = lines.index("cpu")
    assert any(line.split() == ["state", "ready"] for line in lines[cpu : cpu + 5])


def test_settings_as_text():
    text = _doctor(NEONPORT_TUNE="0", NEONPORT_TF32="perhaps").stdout
    assert "settings  2 set, wrong: NEONPORT_TF32" in text
    assert any(line.split()[:2] == ["NEONPORT_TUNE", "0"] for line in text.splitlines())
    assert "NEONPORT_TF32='perhaps' is not allowed" in text


def _compiler(**environment):
    return json.loads(_doctor("--json", **environment).stdout)["host"]["compiler"]


def test_it_says_which_compiler_is_used_and_what_runs(tmp_path):
    words = _compiler()
    path = words.split(" (")[0]
    assert os.access(path, os.X_OK)
    assert "flags: -O3" in words
    assert f"{os.sep}jit; compiled kernels run" in words
    with_flags = _compiler(NEONPORT_CC=f"{path} -O1")
    assert with_flags.startswith(f"{path} -O1 (")
    assert with_flags.endswith("compiled kernels run")


def test_it_says_why_numpy_runs(tmp_path):
    assert _compiler(NEONPORT_CC="none") == "none; NumPy runs: NEONPORT_CC is none"
    words = _compiler(NEONPORT_CC="/nowhere/cc")
    assert words.startswith("none; NumPy runs: NEONPORT_CC='/nowhere/cc' cannot be used")
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho out of luck >&2; exit 4\n", encoding="utf-8")
    broken.chmod(0o755)
    words = _compiler(NEONPORT_CC=str(broken))
    assert words.startswith(f"{broken}; NumPy runs: ")
    assert "out of luck" in words
