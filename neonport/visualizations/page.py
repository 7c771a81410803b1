"""One HTML file with all pictures in it: it loads nothing and runs nothing."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from neonport.io.atomic_write import write_file
from neonport.visualizations.rendering import plain, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; }}
img {{ display: block; margin: 1em 0; max-width: 100%; background: white; }}
</style>
</head>
<body>
<h1>{title}</h1>
"""


def page(title: str, sections: Sequence[tuple[str, Sequence[Figure]]]) -> str:
    """The text of a page.

    Args:
        title: plain text.
        sections: heading (plain text) and figures of each.

    Example:
        text = page("A training", [("Cost", [figure])])
    """
    parts = [_HEAD.format(title=html.escape(plain(title)))]
    for heading, figures in sections:
        words = html.escape(plain(heading))
        parts.append(f"<h2>{words}</h2>\n")
        for figure in figures:
            kind = "png" if any(axes.get_images() for axes in figure.axes) else "svg"
            mime = "image/png" if kind == "png" else "image/svg+xml"
            data = base64.b64encode(render(figure, kind)).decode("ascii")
            parts.append(f'<img alt="{words}" src="data:{mime};base64,{data}">\n')
    parts.append("</body>\n</html>\n")
    return "".join(parts)


def write_page(path: str | os.PathLike[str], text: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        OSError: it cannot be written; a file that was there is untouched.
    """

    def write(file: IO[bytes]) -> None:
        file.write(text.encode("utf-8"))

    write_file(path, write)
