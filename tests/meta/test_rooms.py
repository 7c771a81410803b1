"""Rooms stay small: a folder is read at a glance, a file in one sitting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_FILES = 14  # of one folder's own, `__init__.py` not counted
MOST_LINES = 500
AT_THE_TOP = 8  # modules of `neonport` itself
ONE_FAMILY_A_FILE = {"layers", "transforms", "opencl_kernels"}  # as long as there are families
SOURCES = ("*.py", "*.h", "*.c", "*.cl", "*.cu")


def folders() -> list[str]:
    """Every folder of the package, by its path."""
    found = {path.parent for path in (ROOT / "neonport").rglob("*.py")}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def modules(folder: Path) -> list[str]:
    """The modules of a folder's own."""
    return sorted(path.name for path in folder.glob("*.py") if not path.name.startswith("__"))


def too_long(root: Path) -> dict[str, int]:
    """Files with more lines than a file may have."""
    files = [path for pattern in SOURCES for path in root.rglob(pattern)]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    return {path.relative_to(root).as_posix(): n for path, n in lengths.items() if n > MOST_LINES}


@pytest.mark.parametrize("folder", folders())
def test_no_folder_has_too_many_files(folder: str) -> None:
    own = modules(ROOT / folder)
    if folder.removeprefix("neonport/") not in ONE_FAMILY_A_FILE:
        assert len(own) <= (AT_THE_TOP if folder == "neonport" else MOST_FILES), own


@pytest.mark.parametrize("part", ["neonport", "tests"])
def test_no_file_is_too_long(part: str) -> None:
    assert not too_long(ROOT / part)


def test_the_checks_see_what_they_look_for(tmp_path: Path) -> None:
    for name in ("__init__", "__main__", "one", "two"):
        (tmp_path / f"{name}.py").write_text("x = 1\n" * (MOST_LINES + (name == "two")))
    assert modules(tmp_path) == ["one.py", "two.py"]
    assert too_long(tmp_path) == {"two.py": MOST_LINES + 1}


def test_every_exemption_is_a_folder() -> None:
    assert all((ROOT / "neonport" / name).is_dir() for name in ONE_FAMILY_A_FILE)


def test_a_room_without_a_readme_stands_in_that_of_the_room_above() -> None:
    missing = []
    for folder in (Path(name) for name in folders() if name != "neonport"):
        if not (ROOT / folder / "README.md").exists():
            above = next(p for p in folder.parents if (ROOT / p / "README.md").exists())
            text = (ROOT / above / "README.md").read_text(encoding="utf-8")
            if not re.search(rf"`[\w/]*\b{folder.name}/", text):
                missing.append(folder.as_posix())
    assert not missing
