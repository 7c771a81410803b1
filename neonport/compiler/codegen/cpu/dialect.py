"""C as a dialect: its types, and the prelude with the functions that kernels call."""

from __future__ import annotations

from functools import lru_cache

from neonport.compiler.codegen.dialect import Dialect
from neonport.dtypes import ROWS
from neonport.foundation.package_text import package_text


@lru_cache(maxsize=1)
def c_dialect() -> Dialect:
    """C for GCC, Clang and compilers that understand their builtins."""
    prelude = package_text("neonport.compiler.codegen.cpu", "prelude.h")
    return Dialect("c", {row.name: row.c for row in ROWS.values()}, prelude)
