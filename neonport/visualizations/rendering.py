"""How a figure becomes PNG or SVG, and a name from a file becomes text."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from neonport.foundation.extras import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = 60  # characters of a name that are shown


def plain(name: str) -> str:
    """A name from a file as it may be shown: one line, not too long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(name))
    return text if len(text) <= NAME else text[: NAME - 1] + "…"


def render(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a file; the same figure gives the same bytes.

    Args:
        figure: of matplotlib.
        kind: "png" or "svg".
    """
    matplotlib = need("matplotlib", "drawing")
    out = io.BytesIO()
    settings = {"svg.hashsalt": "neonport", "svg.fonttype": "path"}
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # signs that the font has not
        figure.savefig(out, format=kind, metadata=metadata)
    return out.getvalue()
