"""mkdocs hook: a link to a code file works in a clone; on the site it leads to the reference."""

from __future__ import annotations

import re
from typing import Any

CODE_LINK = re.compile(r"\]\((?:\.\./)+(neonport[\w/]*?)(?:/|\.py)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn `[text](../../neonport/base.py)` into a cross-reference to `neonport.base`."""
    return CODE_LINK.sub(lambda match: f"][{match[1].replace('/', '.')}]", markdown)
