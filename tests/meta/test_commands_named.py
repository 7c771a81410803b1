"""Messages and pages name commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

from neonport.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "neonport").rglob("*.py")),
    *sorted((ROOT / "neonport").rglob("*.md")),
]


def test_each_command_exists():
    found = {}
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for name in re.findall(r"`neonport ([a-z][\w-]*)", text):
            found.setdefault(name, source.relative_to(ROOT))
    assert "doctor" in found
    assert {n: str(s) for n, s in found.items() if n not in COMMANDS} == {}
