"""What a person does who writes a backend, as a script: a new package, pip, doctor, the suite."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.packages


def backends(environment):
    """State of each backend, as `doctor` shows it."""
    found = json.loads(environment.run("-m", "neonport", "doctor", "--json").stdout)
    return {row["name"]: row["state"] for row in found["backends"]}


def test_from_nothing_to_a_backend_that_conforms(environment, tmp_path):
    before = backends(environment)
    assert "my-npu" not in before

    environment.run("-m", "neonport", "new-backend", "my-npu", "--directory", tmp_path)
    package = tmp_path / "neonport-my-npu"
    environment.install(package)
    assert backends(environment) == {**before, "my-npu": "ready"}

    report = environment.run("-m", "neonport", "conformance", "my-npu", "--level", "0", "--json")
    report = json.loads(report.stdout)
    assert report["failed"] == 0
    assert report["passed"] > 3000
    tests = environment.run("-m", "pytest", "-q", "-k", "memory or device", folder=package)
    assert " passed" in tests.stdout
    assert "failed" not in tests.stdout

    advice = environment.run("-m", "neonport", "coverage", "my-npu", "--steps", "1", "--json")
    advice = json.loads(advice.stdout)
    assert advice["origins"]["fallback"] == 1
    assert "compile_c" in advice["write_next"][0]["method"]

    environment.pip("uninstall", "--yes", "neonport-my-npu")
    assert backends(environment) == before
