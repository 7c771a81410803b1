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
    assert "halfgood" in registry.choices()
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
    (tmp_path / "fake_curious.py").write_text("REGISTRY.choices()\n")
    info = tmp_path / "neonport_curious-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neonport-curious\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[neonport]\ncurious = fake_curious\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = registry_with("good")
    monkeypatch.setattr("builtins.REGISTRY", registry, raising=False)
    assert "npu" in registry.choices()
    assert "while it is imported" in registry.probe("curious").reason
