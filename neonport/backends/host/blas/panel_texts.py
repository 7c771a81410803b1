"""Our own C for products, compiled once for each element type."""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache

from neonport.backends.host.jit.launcher import HostJit, entry_address
from neonport.backends.host.jit.texts import text_of
from neonport.errors import CompileError
from neonport.log import logger

VECTOR = 64  # bytes that the registers must hold
PARTS = {"wide": ("pack",), "thin": ("pack",), "large": ("begin",)}  # run before the product
_CONSTANT = re.compile(r"\bneo_(\w+) = ")


class PanelText:
    """A compiled text for a type.

    Attributes:
        constants: sizes of its blocks, by name.
        entries: addresses of the functions that run one after the other.
    """

    def __init__(self, jit: HostJit, name: str, kind: str) -> None:
        real = {"s": "float", "d": "double"}[kind]
        text = text_of("neonport.backends.host.blas", f"{name}.c", {"REAL": real})
        self.library = jit.compiler.load(text, ["-ffp-contract=fast"])
        declared = re.findall(r"^const int64_t (.+?);$", text, re.MULTILINE)
        self.constants = {
            word: ctypes.c_int64.in_dll(self.library, f"neo_{word}").value
            for word in _CONSTANT.findall(", ".join(declared))
        }
        names = [f"neo_{name}_{part}" for part in PARTS[name]] + [f"neo_{name}"]
        self.entries = [entry_address(getattr(self.library, each)) for each in names]


def panel_text(jit: HostJit, name: str, kind: str) -> PanelText | None:
    """The text of a name for a type; None where a BLAS is faster, or no compiler takes it."""
    text = _compiled(jit, name, kind)
    return None if text is None or text.constants["bytes"] < VECTOR else text


@lru_cache(maxsize=8)
def _compiled(jit: HostJit, name: str, kind: str) -> PanelText | None:
    try:
        return PanelText(jit, name, kind)
    except CompileError as error:
        logger.debug("%s products are left to the BLAS: %s", name, error)
        return None
