"""Names of neon that are not in this release: who imports one is told what to use instead."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from opcode import opmap
from types import FrameType
from typing import Any

_FILES = (
    "its reader is not in this release; load the arrays yourself and give them to ArrayIterator, "
    "see docs/tutorials/train-on-your-data.md"
)

_WAYS = {
    "data": {
        "TextNMT": _FILES,
    },
}


def absent_names(
    module: str, elsewhere: Mapping[str, str] | None = None, kind: str = ""
) -> Callable[[str], Any]:
    """The `__getattr__` of a module: refuses names, those of neon with what to use instead.

    Args:
        module: `__name__` of the module; its second part says which of neon's names it would have.
        elsewhere: names that neon has in this module and we in another one, which needs this one:
            name -> module.
        kind: what plugins may add to the module, a key of `neonport.plugins.kinds.KINDS`.

    Example:
        __getattr__ = absent_names(__name__)
    """
    rows = _WAYS.get(module.split(".")[1], {})
    ways = {name: way for names, way in rows.items() for name in names.split()}

    def refuse(name: str) -> Any:
        if elsewhere and name in elsewhere:
            return getattr(import_module(elsewhere[name]), name)
        if kind:
            found = import_module("neonport.plugins.extension_lookup").find_class(kind, name)
            if found is not None:
                return found
        text = f"module {module!r} has no attribute {name!r}"
        if name in ways:
            text = f"neon's {name} is not in {module}: {ways[name]}"
        elif not name.startswith("_"):
            known = [found for found in vars(sys.modules[module]) if not found.startswith("_")]
            close = difflib.get_close_matches(name, known, 1)
            text += f"; did you mean {close[0]!r}?" if close else ""
        # an import statement would replace the text of an AttributeError by its own
        if not name.startswith("_") and _is_import(sys._getframe(1), name in ways):
            raise ImportError(text, name=module)
        raise AttributeError(text)

    return refuse


def _is_import(frame: FrameType, known: bool) -> bool:
    """Whether a frame asks for an attribute because of `from module import name`.

    Of a package the machinery asks first, and looks for a submodule next if the name is unknown.
    """
    if frame.f_globals.get("__name__") == "importlib._bootstrap":
        return known
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and code[frame.f_lasti] == opmap["IMPORT_FROM"]
