"""Hand-written C as the compiler gets it: one text, with what it includes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.foundation.package_text import package_text

HEADERS = "neonport.backends.host.kernels"
INCLUDE = re.compile(r'#include "(.+)"\n')


def text_of(package: str, file: str, words: Mapping[str, str]) -> str:
    """The text of a file.

    Args:
        package: where it is.
        file: its name. It may include headers of `HEADERS`, and `prelude.h`: the functions of
            rendered kernels.
        words: what it wants defined before, such as the type that REAL stands for.
    """
    defined = "".join(f"#define {word} {meaning}\n" for word, meaning in words.items())
    return defined + INCLUDE.sub(lambda found: _header(found[1]), package_text(package, file))


def _header(file: str) -> str:
    return c_dialect().prelude if file == "prelude.h" else package_text(HEADERS, file)
