"""No text file and no output of a program is read in the encoding of the locale."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import neonport

PACKAGE = Path(neonport.__file__).parent
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
TEXT = {"read_text": 1, "write_text": 2}  # positional arguments once the encoding is among them


def by_locale(call: ast.Call) -> bool:
    """Whether a call reads or writes text without naming the encoding."""
    words = {word.arg for word in call.keywords}
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in TEXT:
        return "encoding" not in words and len(call.args) < TEXT[name]
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        literals = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        literals += [
            word.value.value
            for word in call.keywords
            if word.arg == "mode" and isinstance(word.value, ast.Constant)
        ]
        modes = [text for text in literals if isinstance(text, str) and set(text) <= set("rwxab+t")]
        plain = isinstance(call.func, ast.Name) or name != "open"
        binary = any("b" in mode for mode in modes) or (name.endswith("File") and not modes)
        return plain and not binary and "encoding" not in words
    return name in ("run", "Popen", "check_output") and not words.isdisjoint(
        {"text", "universal_newlines"}
    )


@pytest.mark.parametrize("file", FILES)
def test_encodings_are_named(file):
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    # the name of a file of importlib's metadata, which is UTF-8 by its standard
    found = [
        ast.unparse(call)
        for call in calls
        if by_locale(call) and "distribution.read_text" not in ast.unparse(call)
    ]
    assert not found, f"neonport/{file}: name the encoding, or read bytes"
