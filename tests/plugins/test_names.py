"""Deterministic order, duplicates, reserved names, aliases."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from neonport.errors import UnknownBackendError
from neonport.plugins.registry import NEON_NAMES, RESERVED, PluginWarning


def test_order_is_priority_then_name_however_they_were_installed(registry_with):
    folders = ("good", "probes", "constructors")
    orders = set()
    for order in itertools.permutations(folders):
        rows = registry_with(*order).statuses()
        orders.add(tuple(row.name for row in rows))
    (names,) = orders
    assert names[:2] == ("npu", "cpu")  # priorities 1,000,000 and 100
    rest = [name for name in names if name.startswith(("probe-", "make-"))]
    assert rest == sorted(rest)


@pytest.mark.parametrize("order", [("good", "clone"), ("clone", "good")])
def test_duplicates_warn_naming_both_distributions(registry_with, order):
    registry = registry_with(*order)
    with pytest.warns(PluginWarning) as caught:
        registry.statuses()
    (text,) = (str(w.message) for w in caught)
    assert "neonport-npu 1.2.0" in text
    assert "neonport-npu-clone 0.3" in text
    assert registry.probe("npu").distribution == "neonport-npu"
    (loser,) = (row for row in registry.statuses() if row.state == "shadowed")
    assert loser.distribution == "neonport-npu-clone"


def test_one_distribution_on_the_path_twice_is_no_duplicate(registry_with, tmp_path, monkeypatch):
    # An editable install next to a normal one: the first on the path is what gets imported.
    registry = registry_with("good")
    copy = shutil.copytree(
        Path(__file__).parents[1] / "fixtures" / "plugins" / "good", tmp_path / "again"
    )
    (metadata,) = copy.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text().replace("1.2.0", "1.3.0"))
    monkeypatch.syspath_prepend(str(copy))
    assert [(p.name, p.version) for p in registry.plugins()][1:] == [("npu", "1.3.0")]


def test_the_installed_entry_point_is_the_builtin_plugin_once(registry_with, tmp_path, monkeypatch):
    info = tmp_path / "neonport-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neonport\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[neonport]\nbuiltin = neonport.backends.builtin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = registry_with()
    assert [plugin.name for plugin in registry.plugins()] == ["builtin"]
    assert "cpu" in registry.choices()


def test_a_warning_made_an_error_does_not_lose_the_scan(registry_with):
    registry = registry_with("good", "clone")
    with pytest.raises(PluginWarning):  # the suite runs with warnings as errors
        registry.statuses()
    assert "npu" in registry.choices()


def test_reserved_names_stay_neonports(registry_with):
    registry = registry_with("squatter")
    with pytest.warns(PluginWarning) as caught:
        rows = registry.statuses()
    texts = [str(w.message) for w in caught]
    for name in ("cpu", "cuda", "gpu"):
        assert any(f"'{name}' is reserved" in t and "neonport-squatter 6.6" in t for t in texts)
    assert {r.name for r in rows if r.state == "refused"} == {"cpu", "cuda", "gpu"}
    for name in (*RESERVED, *NEON_NAMES):
        assert registry.probe(name).distribution == "neonport"


def test_aliases_work_unless_they_clash(registry_with):
    registry = registry_with("good", "squatter")
    with pytest.warns(PluginWarning) as caught:
        registry.statuses()
    texts = "\n".join(str(w.message) for w in caught)
    for alias, meaning in (("mkl", "cpu"), ("opencl", "opencl")):
        assert f"alias {alias!r} of backend 'honest'" in texts
        assert f"it means backend {meaning!r}" in texts
    assert registry.probe("neural").name == "npu"
    assert registry.probe("fair").name == "honest"
    assert registry.probe("mkl").name == "cpu"
    assert registry.probe("gpu").name == "cuda"


def test_choices_are_sorted_names_and_aliases_on_request(registry_with):
    registry = registry_with("good", "import_error")
    names = registry.choices()
    assert names == sorted(names)
    assert {"cpu", "npu", "importerror"} <= set(names)
    assert not {"mkl", "neural"} & set(names)
    assert {"mkl", "neural"} <= set(registry.choices(aliases=True))


def test_what_was_installed_or_removed_since_is_noticed(registry_with, tmp_path, monkeypatch):
    registry = registry_with()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnknownBackendError):
        registry.create("npu")
    good = Path(__file__).parents[1] / "fixtures" / "plugins" / "good"
    for folder in good.iterdir():
        shutil.copytree(folder, tmp_path / folder.name)
    assert "npu" in registry.choices()
    assert registry.create("npu").keywords == {}
    assert registry.statuses()[0].name == "npu"
    for folder in good.iterdir():
        shutil.rmtree(tmp_path / folder.name)
    assert "npu" not in registry.choices()
    assert "npu" not in {row.name for row in registry.statuses()}
    with pytest.raises(UnknownBackendError):
        registry.create("npu")


def test_metadata_changed_in_place_is_noticed(registry_with, tmp_path, monkeypatch):
    registry = registry_with()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("neonport.plugins.metadata.SETTLED", -1)  # folders need not get old
    info = tmp_path / "neonport_one-0.1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[neonport]\none = fake_one\n")
    assert "one" in registry.choices()
    (info / "entry_points.txt").write_text("[neonport]\nuno = fake_one\n[other]\ndos = x\n")
    assert {"uno"} == set(registry.choices()) - {*RESERVED}


def test_a_name_means_the_same_whichever_plugins_were_imported(
    registry_with, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fake_envious.py").write_text(
        "from neonport.plugins.hookspecs import BackendInfo, hookimpl\n"
        "@hookimpl\n"
        "def register_backends():\n"
        "    return [BackendInfo('npu', 'fake_envious:X', (1, 0), priority=2_000_000)]\n"
    )
    info = tmp_path / "neonport_envious-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[neonport]\nenvious = fake_envious\n")
    alone, whole = registry_with("good"), registry_with("good")
    assert alone.probe("npu").distribution == "neonport-npu"
    with pytest.warns(PluginWarning, match=r"neonport-npu 1\.2\.0.*neonport_envious 1\.0"):
        whole.statuses()
    assert whole.probe("npu").distribution == "neonport-npu"


def test_several_entry_points_of_one_module_are_no_duplicates(registry_with, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fake_twins.py").write_text(
        "from neonport.plugins.hookspecs import BackendInfo, ProbeResult, hookimpl\n"
        "def probe(): return ProbeResult('ready')\n"
        "@hookimpl\n"
        "def register_backends():\n"
        "    return [BackendInfo(n, print, (1, 0), probe=probe) for n in ('twin-a', 'twin-b')]\n"
    )
    info = tmp_path / "neonport_twins-1.0.dist-info"
    info.mkdir()
    points = "[neonport]\ntwin-a = fake_twins\ntwin-b = fake_twins\n"
    (info / "entry_points.txt").write_text(points)
    registry = registry_with()
    assert {"twin-a", "twin-b"} < set(registry.choices())
    assert registry.probe("twin-b").state == "ready"
    states = {row.name: row.state for row in registry.statuses()}
    assert states["twin-a"] == states["twin-b"] == "ready"
    assert "shadowed" not in states.values()
