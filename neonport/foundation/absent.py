"""Names that a module does not have: who imports one is told which may be meant."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from opcode import opmap
from types import FrameType
from typing import Any


def absent_names(
    module: str, elsewhere: Mapping[str, str] | None = None, kind: str = ""
) -> Callable[[str], Any]:
    """The `__getattr__` of a module: refuses names, with a similar one that is there.

    Args:
        module: `__name__` of the module.
        elsewhere: names that neon has in this module and we in another one, which needs this one:
            name -> module.
        kind: what plugins may add to the module, a key of `neonport.plugins.kinds.KINDS`.

    Example:
        __getattr__ = absent_names(__name__)
    """

    def refuse(name: str) -> Any:
        if elsewhere and name in elsewhere:
            return getattr(import_module(elsewhere[name]), name)
        if kind:
            found = import_module("neonport.plugins.extension_lookup").find_class(kind, name)
            if found is not None:
                return found
        text = f"module {module!r} has no attribute {name!r}"
        if not name.startswith("_"):
            known = [found for found in vars(sys.modules[module]) if not found.startswith("_")]
            close = difflib.get_close_matches(name, known, 1)
            text += f"; did you mean {close[0]!r}?" if close else ""
        # an import statement would replace the text of an AttributeError by its own
        if not name.startswith("_") and _is_import(sys._getframe(1)):
            raise ImportError(text, name=module)
        raise AttributeError(text)

    return refuse


def _is_import(frame: FrameType) -> bool:
    """Whether a frame asks for an attribute because of `from module import name`.

    Of a package the import machinery asks first, and looks for a submodule next.
    """
    if frame.f_globals.get("__name__") == "importlib._bootstrap":
        return False
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and code[frame.f_lasti] == opmap["IMPORT_FROM"]
