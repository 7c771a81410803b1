"""The list of ops without a derivative is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from neonport.autodiff.vjps import NOT_DIFFERENTIABLE, ZERO

PAGE = Path(__file__).parents[2] / "docs/reference/autodiff.md"


def test_the_list_is_that_of_the_tables():
    section = PAGE.read_text(encoding="utf-8").partition("## What has no derivative")[2]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")]
    listed = {kind: set() for kind in ("0", "error")}
    for ops, gradient in rows[1:]:
        kind = "0" if gradient.strip().startswith("0") else "error"
        listed[kind] |= set(re.findall(r"`(\w+)`", ops))
    assert listed["0"] == ZERO
    assert listed["error"] == set(NOT_DIFFERENTIABLE)
