"""C as a dialect: its types, and the prelude with the functions that kernels call."""

from __future__ import annotations

from functools import lru_cache

from neonport.compiler.codegen.dialect import Dialect
from neonport.dtypes import ROWS
from neonport.foundation.package_text import package_text

# later ones use what earlier ones define
PRELUDE = ("numbers", "functions", "reductions", "memory")


@lru_cache(maxsize=1)
def c_dialect() -> Dialect:
    """C for GCC, Clang and compilers that understand their builtins."""
    parts = [package_text("neonport.compiler.codegen.cpu", f"prelude/{name}.h") for name in PRELUDE]
    return Dialect("c", {row.name: row.c for row in ROWS.values()}, "".join(parts))
