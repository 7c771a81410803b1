"""Really installed plugins with a fault each: the host stays up, and doctor names the cause."""

from __future__ import annotations

import json
import os

import pytest

from tests.plugins.faults.catalogue import FAULTS, GOOD
from tests.plugins.faults.findings import ENDING, NAMED, SITE, Findings, committed, find, table
from tests.plugins.faults.installing import Environment, wheel


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Findings:
    return find(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_doctor_names_the_cause_and_the_distribution(found, fault):
    assert found.said(fault), found.says(fault)
    for row in (row for rows in found.rows[fault.distribution] for row in rows):
        assert row["version"] == "1.0"


@pytest.mark.parametrize(
    "fault", [fault for fault in NAMED if fault.backend is None], ids=lambda fault: fault.name
)
def test_naming_it(found, fault):
    outcome, words = found.outcomes[fault.name]
    assert outcome == fault.named, words
    if outcome == "BackendUnavailable":
        assert f"{fault.distribution} 1.0" in words.replace("_", "-")


def test_the_host_stays_up(found):
    assert len(FAULTS) >= 25
    assert not found.imported
    assert {"cpu", "sound", "exits", "patcher"} < set(found.names)
    assert len(found.sums) == len(found.outcomes) + 2
    assert set(found.sums) == {12.0}


def test_a_typo_with_plugins_that_end_processes(found):
    outcome, words = found.outcomes["nobody"]
    assert outcome == "UnknownBackendError"
    assert "Ready: cpu" in words
    for fault in ENDING:
        assert f"{fault.name} (broken: " in words


def test_plugins_without_fault_stay_without_remark(found):
    for plugin in GOOD:
        backends, plugins = found.rows[plugin.distribution]
        assert [row["state"] for row in backends] == ["ready"]
        assert [row["remarks"] + row["failures"] for row in plugins] == [[]]


def test_doctor_itself_says_only_what_is_wrong_with_names(found):
    lines = [line for line in found.complaints.splitlines() if not line.startswith(" ")]
    assert lines
    assert all("PluginWarning: backend " in line for line in lines), lines


def test_the_table_in_the_docs(found):
    new = table(found)
    assert new == committed(), f"python -m tests.plugins.faults.findings writes it anew:\n{new}"


def test_removal_leaves_no_trace(tmp_path):
    sound = GOOD[0]
    environment = Environment(tmp_path / "env", SITE)
    cache = tmp_path / "cache"

    def state():
        process = environment.start(
            "-m", "neonport", "doctor", "--json", NEONPORT_CACHE_DIR=str(cache)
        )
        out, err = process.communicate()
        assert process.returncode == 0, err
        seen = json.loads(out)
        seen["host"].pop("load")
        files = {str(path) for path in environment.site.rglob("*")}
        return seen, files, {str(path) for path in cache.rglob("*")}

    state()  # compiles
    before = state()
    environment.pip("install", "--no-deps", "--no-index", str(wheel(sound, tmp_path)))
    assert sound.name in {row["name"] for row in state()[0]["backends"]}
    environment.pip("uninstall", "--yes", sound.distribution)
    assert state() == before
    assert not [path for path in os.listdir(environment.site) if "fault" in path]
