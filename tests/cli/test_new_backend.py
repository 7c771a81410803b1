"""`neonport new-backend`: what is written works as it is, and nothing that exists is touched."""

from __future__ import annotations

import importlib
import json
import re
import sys

import pytest
import yaml

from neonport.cli.main import main
from neonport.cli.new_backend.package import LICENSES, render
from neonport.dtypes import FLOAT_NAMES
from neonport.plugins.info import PROTOCOL
from neonport.plugins.names import NEON_NAMES, RESERVED
from neonport.testing import conformance

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings

NAMES = ("npu", "my-npu", "my_npu2")


def snapshot(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A new package, importable."""
    assert main(["new-backend", "my-npu", "--directory", str(tmp_path)]) == 0
    folder = tmp_path / "neonport-my-npu"
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [n for n in sys.modules if n.partition(".")[0] == "neonport_my_npu"]:
        del sys.modules[name]


def test_it_says_where_and_what_next(tmp_path, capsys):
    assert main(["new-backend", "npu", "--directory", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"wrote {tmp_path / 'neonport-npu'}\n"
    assert "pytest" in err


def test_the_backend_passes_the_suite(package):
    plugin = importlib.import_module("neonport_my_npu.plugin")
    (info,) = plugin.register_backends()
    assert (info.name, info.protocol) == ("my-npu", PROTOCOL)
    module, _, name = info.factory.partition(":")
    be = getattr(importlib.import_module(module), name)(rng_seed=0)
    assert str(be) == "my-npu:0"
    be.bsz = 4
    results = list(conformance.run(be, only=["memory", "store", "view", "dlpack", "compound_dot"]))
    assert len(results) > 400
    assert [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed] == []
    assert set(be.default_dtypes) < set(FLOAT_NAMES)


@pytest.mark.parametrize("license_name", LICENSES)
@pytest.mark.parametrize("name", NAMES)
def test_files_are_whole(name, license_name):
    files = render(name, license_name, "A. Company Ltd")
    module = f"neonport_{name.replace('-', '_')}"
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"]["neonport"] == {name: f"{module}.plugin"}
    assert project["license"] == LICENSES[license_name]
    assert project["authors"] == [{"name": "A. Company Ltd"}]
    assert f"{module}/plugin.py" in files
    workflow = yaml.safe_load(files[".github/workflows/tests.yml"])
    assert "${{ matrix.python }}" in json.dumps(workflow)
    assert f'BACKEND = "{name}"' in files["tests/test_conformance.py"]
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert not re.search(r"\$(?!\{\{| )", text), path
        if path.endswith(".py"):
            compile(text, path, "exec")
    if license_name != "apache-2.0":  # whose text names nobody
        assert "A. Company Ltd" in files["LICENSE"]


def test_the_workflow_runs_what_the_package_offers():
    files = render("npu", "mit", None)
    assert '".[test]"' in files[".github/workflows/tests.yml"]
    assert "test" in tomllib.loads(files["pyproject.toml"])["project"]["optional-dependencies"]


BAD = ["", "Npu", "1npu", "npu!", "npu-", "a--b", "a.b", "../npu", "n pu", "é", "n" * 41, "npu\n"]


@pytest.mark.parametrize("name", [*RESERVED, *NEON_NAMES, *BAD])
def test_names_that_cannot_be_used(tmp_path, capsys, name):
    assert main(["new-backend", "--directory", str(tmp_path), "--", name]) == 1
    error = capsys.readouterr().err
    assert repr(name) in error
    assert ("neonport's own" if name in {*RESERVED, *NEON_NAMES} else "lower-case") in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_what_exists_stays_as_it_is(tmp_path, capsys, kind):
    place = tmp_path / "neonport-npu"
    if kind == "dangling link":
        place.symlink_to(tmp_path / "nowhere")
    elif kind == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        if kind == "folder":
            (place / "README.md").write_text("mine")
    before = snapshot(tmp_path)
    assert main(["new-backend", "npu", "--directory", str(tmp_path)]) == 1
    assert "exists, and nothing is overwritten" in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_a_folder_that_appears_meanwhile_stays_as_it_is(tmp_path, capsys, monkeypatch):
    place = tmp_path / "neonport-npu"
    place.mkdir()
    (place / "mine").write_text("mine")
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    assert main(["new-backend", "npu", "--directory", str(tmp_path)]) == 1
    assert "cannot be made" in capsys.readouterr().err
    assert snapshot(tmp_path) == {"neonport-npu": None, "neonport-npu/mine": b"mine"}


@pytest.mark.parametrize("author", ["", "  ", 'A "B" C', "A\x00B", "A\\"])
def test_authors_that_would_break_a_file(tmp_path, capsys, author):
    arguments = ["new-backend", "npu", "--directory", str(tmp_path), "--author", author]
    assert main(arguments) == 1
    assert "author" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_folders_above_are_made(tmp_path):
    assert main(["new-backend", "npu", "--directory", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a" / "b" / "neonport-npu" / "pyproject.toml").is_file()
