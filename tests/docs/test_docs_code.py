"""Every ```python block of the README and of the pages under docs/ runs.

The blocks of a page share one namespace, top to bottom, as a reader would type them. Where a
```text block follows directly, it must be exactly what the block above it printed.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

import pytest

from neonport.autodiff.vjps import ROWS
from neonport.backends import cleanup_backend
from neonport.compiler.codegen.dialect import EXPRESSIONS
from neonport.ops.op import OPS

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """One block of code, the line it starts on, and what it has to print (None: not said)."""

    code: str
    line: int
    printed: str | None


def read_steps(page: Path) -> list[Step]:
    """Return the python blocks of `page` in order."""
    text = page.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    steps = []
    for fence, after in zip_longest(fences, fences[1:]):
        if fence["kind"] != "python":
            continue
        direct = after is not None and not text[fence.end() : after.start()].strip()
        printed = after["body"] if direct and after["kind"] == "text" else None
        steps.append(Step(fence["body"], text.count("\n", 0, fence.start()) + 1, printed))
    return steps


PAGES = [
    page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))) if read_steps(page)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_of_page_runs_and_prints_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("docs_page")  # a real module: classes defined on the page can be looked up
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with patch.dict(OPS), patch.dict(ROWS), patch.dict(EXPRESSIONS):  # ops of the page go again
        run_page(page, module)


def run_page(page: Path, module: ModuleType) -> None:
    try:
        for step in read_steps(page):
            # Empty lines in front make a traceback name the line of the page.
            code = compile("\n" * step.line + step.code, str(page), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, module.__dict__)
            if step.printed is not None:
                assert out.getvalue() == step.printed, f"{page.name}, line {step.line}"
    finally:
        cleanup_backend()
