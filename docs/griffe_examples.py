"""griffe extension: the code below `Example:` in a docstring is shown as Python code."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

EXAMPLE = re.compile(r"^Example:\n((?:[ ]+.*\n?|\n(?=[ ]))+)", re.MULTILINE)


def fence(match: re.Match[str]) -> str:
    """The same section with its code between fences."""
    code = textwrap.dedent(match[1]).rstrip()
    return "Example:\n" + textwrap.indent(f"```python\n{code}\n```\n", "    ")


class Examples(griffe.Extension):
    """Put fences around examples, before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of `obj`, if it has one."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(fence, obj.docstring.value)
