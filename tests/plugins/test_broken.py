"""A broken plugin is data: the host goes on, and naming it tells the true cause."""

from __future__ import annotations

import pytest

from neonport.errors import BackendUnavailable, UnknownBackendError

# folder, name to type, true cause, words of the message
BROKEN = [
    ("import_error", "importerror", ModuleNotFoundError, "a_module_nobody_has"),
    ("missing_so", "missingso", OSError, "libneonport_fake_driver.so.7"),
    ("wrong_type", "wrongtype", TypeError, "expected BackendInfo entries, got a Nasty"),
    ("not_a_plugin", "notaplugin", TypeError, "implements no neonport hook"),
    ("sys_exit", "sysexit", SystemExit, "licence not found"),
    ("misspelt", "misspelt", TypeError, "no hook register_backend; did you mean register_backends"),
    ("raising_hook", "raisinghook", ZeroDivisionError, "the hook divided by zero"),
]
FOLDERS = [row[0] for row in BROKEN]


@pytest.mark.parametrize(("folder", "name", "cause", "words"), BROKEN, ids=FOLDERS)
def test_naming_it_raises_from_the_true_cause(registry_with, folder, name, cause, words):
    with pytest.raises(BackendUnavailable) as caught:
        registry_with(folder).create(name)
    text = str(caught.value)
    assert not isinstance(caught.value, UnknownBackendError)
    assert isinstance(caught.value.__cause__, cause)
    assert words in text
    assert "is installed but broken" in text
    assert f"neonport-{folder.replace('_', '-')} 0.1" in text
    assert "Way out: " in text


@pytest.mark.parametrize(("folder", "name", "cause", "words"), BROKEN, ids=FOLDERS)
def test_its_state_and_traceback_are_data(registry_with, folder, name, cause, words):
    row = registry_with(folder).probe(name)
    assert row.state == "broken"
    assert words in row.reason
    assert "Traceback" in row.traceback or cause is TypeError
    assert words in row.traceback


def test_a_syntax_error_is_data_too(registry_with, tmp_path, monkeypatch):
    # Written here, because a file that does not parse in the tree stops every linter.
    (tmp_path / "fake_syntax.py").write_text("def broken(:\n")
    info = tmp_path / "neonport_syntax-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neonport-syntax\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[neonport]\nsyntax = fake_syntax\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BackendUnavailable, match=r"neonport-syntax 0\.1.*SyntaxError") as caught:
        registry_with().create("syntax")
    assert isinstance(caught.value.__cause__, SyntaxError)


def test_one_broken_metadata_folder_spoils_only_itself(registry_with):
    registry = registry_with("bad_metadata", "good")
    assert registry.probe("npu").state == "ready"
    (bad,) = (p for p in registry.plugins() if p.distribution == "neonport-bad-metadata")
    assert bad.state == "broken"
    assert "entry_points.txt" in bad.failures[0].reason


def test_all_broken_at_once_leave_the_rest_working(registry_with):
    registry = registry_with(*FOLDERS, "bad_metadata", "good")
    assert registry.create("npu", rng_seed=3).keywords == {"rng_seed": 3}
    assert registry.probe("cpu").state == "ready"
    states = {row.name: row.state for row in registry.statuses()}
    assert all(states[name] == "broken" for _, name, _, _ in BROKEN)


def test_the_good_entries_of_a_half_broken_plugin_stay(registry_with):
    registry = registry_with("wrong_type")
    assert registry.probe("halfgood").state != "broken"
    (plugin,) = (p for p in registry.plugins() if p.name == "wrongtype")
    assert [info.name for info in plugin.backends] == ["halfgood"]
    assert len(plugin.failures) == 2


def test_a_plugin_that_exits_does_not_end_the_process(python):
    done = python(
        "from neonport.plugins import registry as r; print(r.backend_choices())", "sys_exit", "good"
    )
    assert done.returncode == 0, done.stderr
    assert "'npu'" in done.stdout


def test_a_plugin_that_lists_backends_while_imported_is_told_so(
    registry_with, tmp_path, monkeypatch
):
    (tmp_path / "fake_curious.py").write_text("REGISTRY.statuses()\n")
    info = tmp_path / "neonport_curious-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neonport-curious\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[neonport]\ncurious = fake_curious\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = registry_with("good")
    monkeypatch.setattr("builtins.REGISTRY", registry, raising=False)
    assert "npu" in {row.name for row in registry.statuses()}
    assert "while it is imported" in registry.probe("curious").reason


# name, words of the reason
UNFINISHED = [
    ("half-device", "HalfDevice does not define allocate"),
    ("no-backend", "made a NoBackend, which has no array and no cleanup_backend"),
    ("failing", "constructing it: ValueError: the board answered with 0 bytes"),
    ("stuck", "closing it: OSError: the board does not let go"),
]


@pytest.mark.parametrize(("name", "words"), UNFINISHED, ids=[row[0] for row in UNFINISHED])
def test_ready_is_what_can_be_constructed_and_closed(registry_with, name, words):
    rows = {row.name: row for row in registry_with("unfinished", "good").statuses(try_out=True)}
    assert rows[name].state == "broken"
    assert words in rows[name].reason
    assert rows["npu"].state == rows["cpu"].state == "ready"


def test_an_abstract_device_is_no_complaint_about_arguments(registry_with):
    registry = registry_with("unfinished")
    with pytest.raises(BackendUnavailable, match="does not define allocate"):
        registry.create("half-device")


def test_what_a_hook_gave_before_it_failed_counts(registry_with):
    registry = registry_with("half_hook")
    assert registry.probe("first").state == "ready"
    assert "the second board is gone" in registry.probe("halfhook").reason


def test_hostile_errors_become_text_that_can_be_printed(registry_with):
    rows = {row.name: row for row in registry_with("hostile_errors").statuses()}
    for name in ("silent", "surrogates", "long", "control"):
        row = rows[name]
        assert row.state == "broken"
        assert row.reason.isprintable()
        assert len(row.reason) < 2_000
        assert len(row.traceback) < 100_000
        (row.reason + row.traceback).encode("utf-8")
    assert "SilentError" in rows["silent"].reason
    assert r"\udcff" in rows["surrogates"].reason
    assert "characters left out" in rows["long"].reason
    assert r"\x1b[2J" in rows["control"].reason
    assert "Traceback" in rows["surrogates"].traceback
