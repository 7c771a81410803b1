"""The work-item languages as attribute tables: OpenCL C and CUDA C."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from neonport.compiler.codegen.dialect import SUFFIX, Dialect
from neonport.dtypes import ROWS
from neonport.foundation.package_text import package_text

_COMPARED = {op: f"neo_{op}_{{s}}({{0}}, {{1}})" for op in ("eq", "ne", "lt", "le", "gt", "ge")}
_ROWS = {**_COMPARED, "where": "neo_where_{s}({0}, {1}, {2})", "onehot": "neo_eq_{s}({0}, {1})"}
_R_OR_NAN = "a != a ? a : r"


@dataclass(frozen=True, eq=False)
class DeviceDialect(Dialect):
    """Words of a work-item language.

    Templates know {t} type name, {s} function suffix, {w} width ("" for 1), {p} pointer, {i}
    position, {x} value, {m} kind of memory. The words KERNEL, GLOBAL, LOCAL, BARRIER, NEO_GROUP and
    the ids come from the prelude.

    Attributes:
        vectors: whether the language has vector types; without them a work-item that handles
            several elements loops over its lanes.
        load, load_half, store, store_half: access to memory.
        store_past: a store of an aligned vector past the cache.
        load_own_half: the same access to aligned memory of the work-item or work-group.
        half_vectors: what defines access to vectors of a width.
        from_bfloat16, to_bfloat16: the bits of a bfloat16 as a float32, and back.
        convert, saturate, saturate_int, truth: conversions to a type; from a float to an integer,
            from an integer to another, to 0 or 1.
        saturate_short: from an int64 to an integer of 8 or 16 bits; "" is `saturate_int`.
        functions: primitives of the function templates, by compute dtype.
        wide: text before the prelude of kernels that use float64.
        more: file of functions for such kernels.
        options, single: compiler options, and those of kernels without float64.
    """

    vectors: bool = False
    load: str = "{p}[{i}]"
    load_half: str = "neo_from_half({p}[{i}])"
    load_own_half: str = "neo_from_half({p}[{i}])"
    store: str = "{p}[{i}] = {x};"
    store_half: str = "{p}[{i}] = neo_to_half({x});"
    store_past: str = "{p}[{i}] = {x};"
    half_vectors: str = ""
    from_bfloat16: str = "neo_from_bf16_{s}({x})"
    to_bfloat16: str = "((ushort)neo_to_bf16_{s}({x}))"
    convert: str = "(({t}){x})"
    saturate: str = "neo_to_{d}_{s}({x})"
    saturate_int: str = "neo_to_{d}_{s}({x})"
    saturate_short: str = ""
    truth: str = "((uchar)({x} != 0))"
    primitives: tuple[tuple[str, str], ...] = ()
    wide: str = ""
    more: str = ""
    options: tuple[str, ...] = ()
    single: tuple[str, ...] = ()

    __hash__ = object.__hash__  # one object a language; the tables in it have no hash

    def suffix(self, dtype: str, width: int) -> str:
        """Suffix of the prelude's functions for values of a dtype."""
        return ("v" if width > 1 else "") + SUFFIX[dtype]

    def type(self, dtype: str, width: int = 1) -> str:
        """Type of `width` values of a dtype."""
        return self.types[dtype] + (str(width) if width > 1 else "")

    def converted(self, text: str, source: str, target: str, width: int) -> str:
        """Text of a value of compute dtype `source` in the (compute or stored) dtype `target`."""
        words = {
            "x": text,
            "t": self.types[target] + (str(width) if width > 1 else ""),
            "s": self.suffix(source, width),
            "d": target,
            "w": str(width) if width > 1 else "",
        }
        if target == "bool":
            return self.truth.format(**words)
        if source == target:
            return text
        if target == "bfloat16":
            words["x"] = self.shortened(text, source, width)
            words["s"] = self.suffix("float32", width)
            return self.to_bfloat16.format(**words)
        if target.startswith("float"):
            return self.convert.format(**words)
        row = self.saturate if source.startswith("float") else self.saturate_int
        if self.saturate_short and source == "int64" and target.endswith(("int8", "int16")):
            row = self.saturate_short
        return row.format(**words)

    def shortened(self, text: str, source: str, width: int) -> str:
        """Text of a value of compute dtype `source` as a float32 that is to be shortened further.

        It rounds to the shorter type as the value does.
        """
        if source == "float32":
            return text
        if source == "int32":
            text, source = self.converted(text, source, "int64", width), "int64"
        return f"neo_odd_{self.suffix(source, width)}({text})"

    def header(
        self,
        width: int,
        float64: bool,
        rands: bool,
        blocks: bool = False,
        integers: bool = False,
    ) -> str:
        """Text before the kernel.

        Args:
            width: elements a work-item handles together.
            float64, rands: whether it computes with float64, or draws random numbers.
            blocks: whether it transposes operands in blocks.
            integers: whether it computes with integers.
        """
        parts = [self.wide] if float64 and self.wide else []
        parts.append(self.prelude)
        if width > 1 and self.half_vectors:
            parts.append(self.half_vectors.format(w=width))
        widths = [1] if width == 1 or not self.vectors else [1, width]
        for dtype in ("float32", "float64") if float64 else ("float32",):
            sections = ["functions.h", f"functions_{SUFFIX[dtype]}.h"]
            if float64 and self.more and dtype == "float64":
                sections.append(self.more)
            if dtype == "float32":
                sections.append("bfloat16.h")
            if rands and dtype == "float32":
                sections.append("random.h")
            parts.extend(functions(self, dtype, w, tuple(sections)) for w in widths)
        if integers:
            parts.extend(functions(self, "int64", w, ("functions_i64.h",)) for w in widths)
        if blocks:
            parts += [device_text("block.h"), device_text("turn.h")]
        return "\n".join(parts)


@lru_cache(maxsize=64)
def functions(dialect: DeviceDialect, dtype: str, width: int, sections: tuple[str, ...]) -> str:
    """The function templates in some files, for values of one type."""
    words = {
        "REAL": dialect.type(dtype, width),
        "INT": dialect.type("int32" if dtype == "float32" else "int64", width),
        "ONE": "1.0f" if dtype == "float32" else "1.0",
        "W": str(width) if width > 1 else "",
        "BASE": dialect.types[dtype],
        "IBASE": dialect.types["int32" if dtype == "float32" else "int64"],
    }
    for name, template in dialect.primitives:
        kind, _, only = name.partition(":")
        if only in ("", dtype, "scalar" if width == 1 else "vector"):
            words[kind] = re.sub(r"\b(REAL|INT|BASE|IBASE|W)\b", lambda m: words[m[0]], template)
            words[kind] = words[kind].replace("~", "")
    text = "".join(device_text(name) for name in sections)
    text = text.replace("SUFFIX", dialect.suffix(dtype, width))
    pattern = r"\b(" + "|".join(words) + r")\b"
    return re.sub(pattern, lambda m: words[m[0]], text)


def device_text(name: str) -> str:
    """A file of the device text."""
    return package_text("neonport.opencl_kernels", name)


@lru_cache(maxsize=1)
def opencl_dialect() -> DeviceDialect:
    """OpenCL C 1.2: vector types, half precision only in memory."""
    return DeviceDialect(
        name="opencl",
        types={row.name: row.opencl for row in ROWS.values()},
        prelude=device_text("prelude_opencl.h"),
        expressions=_ROWS,
        vectors=True,
        load="vload{w}(0, {p} + ({i}))",
        load_half="neo_load_half{w}({p} + ({i}))",
        load_own_half="vload_half{w}(0, ({m}const half *)({p} + ({i})))",
        store="vstore{w}({x}, 0, {p} + ({i}));",
        store_half="neo_store_half{w}({x}, {p} + ({i}));",
        store_past="NEO_STORE_PAST({x}, (GLOBAL {t}{w} *)({p} + ({i})));",
        half_vectors="NEO_HALF_VECTORS({w})",
        from_bfloat16="neo_from_bf16_{s}(convert_int{w}({x}))",
        to_bfloat16="convert_ushort{w}(neo_to_bf16_{s}({x}))",
        convert="convert_{t}({x})",
        saturate="convert_{t}_sat_rte(neo_number_{s}({x}))",
        saturate_int="convert_{t}_sat({x})",
        saturate_short="convert_{t}_sat(NEO_TO_INT(int{w}, {x}))",
        truth="convert_uchar{w}(({x} != 0) & 1)",
        primitives=(
            ("AS_REAL", "as_~REAL"),
            ("AS_INT", "as_~INT"),
            ("TO_REAL", "convert_~REAL"),
            ("MASK:scalar", "-"),
            ("MASK:vector", ""),
            ("WORD", "ulong~W"),
            ("AS_WORD", "as_ulong~W"),
            ("SINGLE", "float~W"),
            ("SINGLE_INT", "int~W"),
            ("TO_SINGLE", "convert_float~W"),
            ("TO_SINGLE_INT", "convert_int~W"),
            ("AS_SINGLE", "as_float~W"),
            ("SINGLE_BITS", "as_int~W"),
            ("FROM_WORD", "as_~REAL"),
            ("UINT", "uint~W"),
            ("TO_UINT", "convert_uint~W"),
            ("R_OR_NAN:scalar", _R_OR_NAN),
            # compilers would join two choices, and lose the instruction for a maximum
            ("R_OR_NAN:vector", "as_~REAL(as_~INT(r) | (a != a))"),
        ),
        wide="#pragma OPENCL EXTENSION cl_khr_fp64 : enable",
        options=("-cl-std=CL1.2",),
        single=("-cl-single-precision-constant",),
    )


@lru_cache(maxsize=1)
def cuda_dialect() -> DeviceDialect:
    """CUDA C++ for NVRTC: scalar code, several elements a thread in 16-byte packs."""
    return DeviceDialect(
        name="cuda",
        types={row.name: row.cuda for row in ROWS.values()},
        prelude=device_text("prelude_cuda.h"),
        expressions=_ROWS,
        vectors=False,
        primitives=(
            ("AS_REAL:float32", "__int_as_float"),
            ("AS_REAL:float64", "__longlong_as_double"),
            ("AS_INT:float32", "__float_as_int"),
            ("AS_INT:float64", "__double_as_longlong"),
            ("TO_REAL", "(REAL)"),
            ("MASK", "-"),
            ("WORD", "ulong"),
            ("AS_WORD", "(ulong)"),
            ("SINGLE", "float"),
            ("SINGLE_INT", "int"),
            ("TO_SINGLE", "(float)"),
            ("TO_SINGLE_INT", "(int)"),
            ("AS_SINGLE", "__int_as_float"),
            ("SINGLE_BITS", "__float_as_int"),
            ("FROM_WORD", "(REAL)"),
            ("UINT", "uint"),
            ("TO_UINT", "(uint)"),
            ("R_OR_NAN", _R_OR_NAN),
        ),
        more="stores_cuda_f64.h",
        options=("--fmad=false",),  # products and sums round as on every other backend
    )
