"""Each command on the page of campaigns names tests that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (?!-)(?!what was tried)", line)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_the_command_of_a_campaign(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("| ").split(" | ")]
    assert len(cells) == 4
    assert all(cells)
    words = shlex.split(cells[3].strip("`"))
    assert words[0] == "pytest"
    files = [ROOT / word for word in words if word.startswith("tests/")]
    assert files
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    if "--campaign" in words:
        assert "campaign: int" in text
    if "-k" in words:
        names = re.findall(r"^def (test_\w+)", text, re.MULTILINE)
        for part in words[words.index("-k") + 1].split(" or "):
            assert [name for name in names if part in name], part
