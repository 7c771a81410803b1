"""C as a dialect: its types, and the prelude with the functions that kernels call."""

from __future__ import annotations

from importlib.resources import files

from neonport.compiler.codegen.dialect import Dialect
from neonport.dtypes import ROWS


def c_dialect() -> Dialect:
    """C for GCC, Clang and compilers that understand their builtins."""
    prelude = files("neonport.compiler.codegen.cpu").joinpath("prelude.h").read_text("utf-8")
    return Dialect("c", {row.name: row.c for row in ROWS.values()}, prelude)
