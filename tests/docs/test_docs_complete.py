"""The pages leave nothing out: files, rooms, errors and environment variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neonport import errors

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/explanation/pipeline.md"])
def test_every_file_a_page_names_exists(name: str) -> None:
    named = set(re.findall(r"\b(?:neonport|tests|examples|docs)/[\w./-]*", read(name)))
    assert named
    assert not [path for path in sorted(named) if not (ROOT / path.rstrip("/.")).exists()]


def test_the_pipeline_page_names_every_room() -> None:
    text = read("docs/explanation/pipeline.md")
    rooms = [p.name for p in (ROOT / "neonport").glob("*.py") if not p.name.startswith("__")]
    rooms += [f"{p.parent.name}/" for p in (ROOT / "neonport").glob("*/__init__.py")]
    assert rooms
    assert not [room for room in sorted(rooms) if f"(../../neonport/{room})" not in text]


def test_the_error_page_has_a_row_for_every_error() -> None:
    found = re.findall(r"^\| `(\w+)` \| (.*?) \|", read("docs/reference/errors.md"), re.MULTILINE)
    rows = dict(found)
    assert len(rows) == len(found)  # no error has two rows
    classes = {name: c for name, c in vars(errors).items() if isinstance(c, type)}
    del classes["NeonportError"]
    assert set(rows) == set(classes)
    for name, bases in rows.items():
        named = set(re.findall(r"\w+", bases))
        assert named == {base.__name__ for base in classes[name].__bases__} - {"NeonportError"}


def test_the_page_of_environment_variables_names_every_one() -> None:
    sources = "".join(p.read_text(encoding="utf-8") for p in ROOT.glob("neonport/**/*.py"))
    read_by_code = set(re.findall(r"\bNEONPORT_[A-Z0-9]+(?:_[A-Z0-9]+)*\b", sources))
    page = read("docs/how-to/environment-variables.md")
    documented = set(re.findall(r"^\| `(NEONPORT_\w+)=", page, re.MULTILINE))
    assert documented == read_by_code
