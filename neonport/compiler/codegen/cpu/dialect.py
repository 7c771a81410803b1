"""C as a dialect: its types, and the prelude with the functions that kernels call."""

from __future__ import annotations

from importlib.resources import files

from neonport.compiler.codegen.dialect import Dialect

_C_TYPES = {
    "float16": "neo_half",
    "bfloat16": "neo_bf16",
    "float32": "float",
    "float64": "double",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "neo_i64",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned",
    "uint64": "neo_word",
    "bool": "unsigned char",
}


def c_dialect() -> Dialect:
    """C for GCC, Clang and compilers that understand their builtins."""
    prelude = files("neonport.compiler.codegen.cpu").joinpath("prelude.h").read_text()
    return Dialect("c", _C_TYPES, prelude)
