"""NEONPORT_BACKEND, NEONPORT_BLOCK, NEONPORT_DISABLE_PLUGINS, NEONPORT_TRACE_PLUGINS."""

from __future__ import annotations

import sys

import pytest

from neonport.errors import BackendUnavailable, UnknownBackendError

SHOW = "import neonport; print(type(neonport.gen_backend()).__name__)"


def test_a_plugin_is_never_the_default_however_loud(python):
    # "good" claims priority 1,000,000; the listing makes sure it has been seen.
    code = f"from neonport.plugins import registry; registry.statuses(); {SHOW}"
    assert python(code, "good").stdout.split() == ["CPUBackend"]


def test_neonport_backend_names_the_default(python):
    assert python(SHOW, "good", NEONPORT_BACKEND="npu").stdout.split() == ["NpuBackend"]
    assert python(SHOW, "good", NEONPORT_BACKEND="").stdout.split() == ["CPUBackend"]
    explicit = SHOW.replace("gen_backend()", "gen_backend('cpu')")
    assert python(explicit, "good", NEONPORT_BACKEND="npu").stdout.split() == ["CPUBackend"]


def test_a_wrong_neonport_backend_is_an_error_not_a_fallback(python):
    done = python(SHOW, NEONPORT_BACKEND="nope")
    assert done.returncode != 0
    assert "UnknownBackendError: unknown backend 'nope'" in done.stderr


@pytest.mark.parametrize("word", ["npu", "neonport-npu", "Neonport_NPU", " x, npu "])
def test_block_keeps_a_plugin_out_by_entry_point_or_distribution(registry_with, word):
    registry = registry_with("good", NEONPORT_BLOCK=word)
    assert registry.probe("npu").state == "blocked"
    with pytest.raises(BackendUnavailable, match=r"blocked.*NEONPORT_BLOCK"):
        registry.create("npu")
    assert "fake_good.plugin" not in sys.modules


def test_block_also_takes_a_backend_name(registry_with):
    registry = registry_with("constructors", NEONPORT_BLOCK="make-exit,cuda")
    states = {row.name: row.state for row in registry.statuses()}
    assert states["make-exit"] == states["cuda"] == "blocked"
    assert states["make-nothing"] == "ready"
    assert registry.probe("gpu").state == "blocked"


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_disable_plugins(registry_with, value, off):
    registry = registry_with("good", NEONPORT_DISABLE_PLUGINS=value)
    assert ("npu" in registry.choices()) is not off
    assert "cpu" in registry.choices()
    if off:
        assert "fake_good.plugin" not in sys.modules
        with pytest.raises(UnknownBackendError, match="switched off by NEONPORT_DISABLE_PLUGINS"):
            registry.create("npu")


def test_trace_says_which_plugin_did_what(registry_with, capsys):
    registry_with("good", "raising_hook", NEONPORT_TRACE_PLUGINS="1").statuses()
    text = capsys.readouterr().err
    assert "found npu = fake_good.plugin (neonport-npu 1.2.0)" in text
    assert "importing fake_good.plugin" in text
    assert "npu (neonport-npu 1.2.0) brings npu; loaded" in text
    assert "raisinghook (neonport-raising-hook 0.1) failed calling register_backends" in text
    assert "register_backends [hook]" in text  # pluggy's own trace


def test_without_the_trace_switch_nothing_is_written(registry_with, capsys):
    registry_with("good", "raising_hook", "import_error").statuses()
    assert capsys.readouterr() == ("", "")
