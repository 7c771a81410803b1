"""Every page and every room can be found: the navigation, the home page, the rooms' READMEs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


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
    files = {path.as_posix() for path in (ROOT / "neonport").rglob("*.*")}
    missing = {name for name in named if not (ROOT / name).exists()}
    missing = {name for name in missing if not any(path.endswith(f"/{name}") for path in files)}
    assert not sorted(missing)
