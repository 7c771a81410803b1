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


def test_every_page_is_in_the_navigation_and_on_the_home_page() -> None:
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs).as_posix()) for page in docs.glob("**/*.md")}
    nav = read("mkdocs.yml").split("\nnav:")[1]
    assert set(re.findall(r": (\S+\.md)$", nav, re.MULTILINE)) == pages
    linked = set(re.findall(r"\]\(([^)#]+\.md)", read("docs/index.md")))
    assert linked == pages - {"index.md"}


def test_the_reference_of_layers_shows_every_layer() -> None:
    public = set(re.findall(r"import (\w+) as", read("neonport/layers/__init__.py")))
    shown = set(re.findall(r"^::: [\w.]+\.(\w+)$", read("docs/reference/layers.md"), re.MULTILINE))
    assert shown >= public


@pytest.mark.parametrize(
    "readme", sorted((ROOT / "neonport").rglob("README.md")), ids=lambda p: p.parent.name
)
def test_every_file_a_readme_of_a_room_names_exists(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+\.(?:py|h|c|md))`", text))
    named |= set(re.findall(r"`((?:neonport|tests|docs|benchmarks|tools)/[\w./-]*)`", text))
    missing = [
        name for name in named if not ((readme.parent / name).exists() or (ROOT / name).exists())
    ]
    assert not sorted(missing)
