"""The pages leave nothing out: files, rooms, errors and environment variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neonport import errors, settings

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


def setting_row(row: settings.Setting) -> str:
    more = f" ([more]({row.page}))" if row.page else ""
    return f"| `{row.name}` | {row.allowed} | {row.usual} | {row.meaning}{more} |"


def test_the_table_of_variables_is_that_of_the_settings() -> None:
    head = ["| variable | values | default | meaning |", "|---|---|---|---|"]
    table = "\n".join([*head, *(setting_row(row) for row in settings.SETTINGS)])
    assert table + "\n" in read("docs/how-to/environment-variables.md"), table


def test_every_heading_that_a_setting_names_exists() -> None:
    for row in (row for row in settings.SETTINGS if row.page):
        page, _, heading = row.page.partition("#")
        headings = re.findall(r"^#+ (.*)$", read(f"docs/how-to/{page}"), re.MULTILINE)
        assert heading in [h.lower().replace(" ", "-") for h in headings], row.name


def test_every_environment_variable_is_a_setting_that_only_settings_reads() -> None:
    names = set()
    for path in ROOT.glob("neonport/**/*.py"):
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"\bNEONPORT_[A-Z0-9]+(?:_[A-Z0-9]+)*\b", text))
        if path.name != "settings.py":
            assert not re.search(r"(environ(\.get)?|getenv)[\[(]\s*['\"]NEONPORT_", text), path
    assert names == {row.name for row in settings.SETTINGS}
