"""Hand-written C as the compiler gets it: one text, with what it includes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

FOLDERS = (
    "neonport.backends.host.kernels",
    "neonport.backends.host.blas",
    "neonport.compiler.codegen.cpu",  # the functions of rendered kernels
)
INCLUDE = re.compile(r'#include "(.+)"\n')


def text_of(file: str, words: Mapping[str, str]) -> str:
    """The text of a file.

    Args:
        file: its name; it is in one of `FOLDERS`, like what it includes.
        words: what it wants defined before, such as the type that REAL stands for.
    """
    defined = "".join(f"#define {word} {meaning}\n" for word, meaning in words.items())
    return defined + INCLUDE.sub(lambda found: _read(found[1]), _read(file))


def _read(file: str) -> str:
    for folder in FOLDERS:
        place = files(folder).joinpath(file)
        if place.is_file():
            return place.read_text("utf-8")
    raise FileNotFoundError(file)
