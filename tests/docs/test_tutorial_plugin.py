"""The tutorial on backends shows the teaching plugin as it is, and its first levels are short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/tutorials/write-a-backend.md"
PLUGIN = ROOT / "examples/plugins/neonport-teaching/neonport_teaching"
MODULES = sorted(path.stem for path in PLUGIN.glob("[a-z]*.py"))


def shown(module: str) -> str:
    """The code of a module as the page shows it: without its docstring and its own imports."""
    text = (PLUGIN / f"{module}.py").read_text(encoding="utf-8")
    code = text.partition('"""\n\n')[2]
    return re.sub(r"^from neonport_teaching.*\n", "", code, flags=re.MULTILINE).strip()


@pytest.mark.parametrize("module", MODULES)
def test_the_page_shows_the_module(module: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert shown(module) in {block.strip() for block in blocks}


def test_memory_kernels_and_their_backends_are_120_lines() -> None:
    lines = [line for m in ("memory", "kernels") for line in shown(m).splitlines() if line.strip()]
    assert len(lines) <= 120
