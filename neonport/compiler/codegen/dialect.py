"""Rendering, the part all dialects share: expressions, argument order, conversions.

A dialect is an attribute table (`cpu/dialect.py`, `gpu/dialects.py`); the loops around the
expressions are written by `cpu/writer.py` for compiled host code and by `gpu/writer.py` for
work-item languages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from neonport.compiler.kernel import ANY, Kernel, Node
from neonport.errors import ConfigurationError, UnknownOpError

# One row an op: {0}.. operands, {t} compute type, {s} suffix of the prelude's functions.
EXPRESSIONS: dict[str, str] = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "pow": "neo_pow_{s}({0}, {1})",
    "maximum": "neo_max_{s}({0}, {1})",
    "minimum": "neo_min_{s}({0}, {1})",
    "eq": "(({t})({0} == {1}))",
    "ne": "(({t})({0} != {1}))",
    "lt": "(({t})({0} < {1}))",
    "le": "(({t})({0} <= {1}))",
    "gt": "(({t})({0} > {1}))",
    "ge": "(({t})({0} >= {1}))",
    "shift": "neo_shift_{s}({0}, {1})",
    "where": "({0} != 0 ? {1} : {2})",
    "neg": "(-{0})",
    "abs": "neo_abs_{s}({0})",
    "sgn": "neo_sgn_{s}({0})",
    "sqrt": "neo_sqrt_{s}({0})",
    "sqr": "({0} * {0})",
    "exp": "neo_exp_{s}({0})",
    "exp2": "neo_exp2_{s}({0})",
    "log": "neo_log_{s}({0})",
    "log2": "neo_log2_{s}({0})",
    "safelog": "neo_safelog_{s}({0})",
    "sig": "neo_sig_{s}({0})",
    "sig2": "neo_sig_{s}({0} * ({t})0.69314718055994530942)",
    "tanh": "neo_tanh_{s}({0})",
    "tanh2": "neo_tanh_{s}({0} * ({t})0.69314718055994530942)",
    "rint": "neo_rint_{s}({0})",
    "finite": "neo_finite_{s}({0})",
    "sin": "neo_sin_{s}({0})",
    "cos": "neo_cos_{s}({0})",
    "tan": "neo_tan_{s}({0})",
    "arcsin": "neo_arcsin_{s}({0})",
    "arccos": "neo_arccos_{s}({0})",
    "arctan": "neo_arctan_{s}({0})",
    "sinh": "neo_sinh_{s}({0})",
    "cosh": "neo_cosh_{s}({0})",
    "erf": "neo_erf_{s}({0})",
    "log1p": "neo_log1p_{s}({0})",
    "expm1": "neo_expm1_{s}({0})",
    "softplus": "neo_softplus_{s}({0})",
    "rsqrt": "neo_rsqrt_{s}({0})",
    "floor": "neo_floor_{s}({0})",
    "ceil": "neo_ceil_{s}({0})",
    "trunc": "neo_trunc_{s}({0})",
    "isnan": "neo_isnan_{s}({0})",
    "logical_not": "neo_logical_not_{s}({0})",
    "arctan2": "neo_arctan2_{s}({0}, {1})",
    "mod": "neo_mod_{s}({0}, {1})",
    "floordiv": "neo_floordiv_{s}({0}, {1})",
    "logaddexp": "neo_logaddexp_{s}({0}, {1})",
    "logical_and": "neo_logical_and_{s}({0}, {1})",
    "logical_or": "neo_logical_or_{s}({0}, {1})",
    "logical_xor": "neo_logical_xor_{s}({0}, {1})",
    "onehot": "(({t})({0} == {1}))",
    "broadcast": "{0}",
    # of a uniform number that a shorter type would round to 1: the largest that type has below 1
    "below_one_float16": "neo_min_{s}({0}, ({t})0.99951171875)",
    "below_one_bfloat16": "neo_min_{s}({0}, ({t})0.99609375)",
}

# Rows that differ where operands are computed as integers, which wrap around.
INTEGER_EXPRESSIONS: dict[str, str] = {
    "add": "neo_plus_{s}({0}, {1})",
    "sub": "neo_minus_{s}({0}, {1})",
    "mul": "neo_times_{s}({0}, {1})",
    "sqr": "neo_times_{s}({0}, {0})",
    "neg": "neo_minus_{s}(0, {0})",
    "rint": "{0}",
    "floor": "{0}",
    "ceil": "{0}",
    "trunc": "{0}",
}

SUFFIX = {"float32": "f32", "float64": "f64", "int64": "i64", "int32": "i32"}
# what only memory holds, and its word in the prelude's conversions from and to float32
SHORT_FLOATS = {"float16": "half", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Dialect:
    """Words of a C-like language.

    Attributes:
        name: "c", "opencl", "cuda".
        types: C type of each dtype in memory and in computation.
        prelude: text before the kernel. In C, sections below a comment `/* ----` whose names begin
            with `neo_` are left out where nothing uses them.
        expressions: rows that differ from EXPRESSIONS.
        vector_width: elements a work-item handles together (1 for scalar code).
    """

    name: str
    types: dict[str, str]
    prelude: str
    expressions: dict[str, str] = field(default_factory=dict)
    vector_width: int = 1

    def template(self, op: str, dtype: str) -> str:
        """Expression of an op on operands of a compute dtype.

        Raises:
            UnknownOpError: kernels have none for it.
        """
        found = INTEGER_EXPRESSIONS.get(op) if dtype == "int64" else None
        found = found or self.expressions.get(op) or EXPRESSIONS.get(op)
        if found is None:
            raise UnknownOpError(
                f"{op}: kernels have no expression for it; add one with "
                "neonport.compiler.codegen.dialect.register"
            )
        return found


@dataclass(frozen=True)
class Arguments:
    """Order of a kernel's argument words; every word has 8 bytes.

    sizes per axis | chunks, chunk length, scratch address | one address an access | each stride
    that is neither 0 nor 1 | numbers (double) | key and offset of each random source.
    """

    kernel: Kernel

    @cached_property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """(access, axis) of each stride argument."""
        return tuple(
            (i, axis)
            for i, access in enumerate(self.kernel.accesses)
            for axis, kind in enumerate(access.strides)
            if kind == ANY
        )

    @property
    def chunks(self) -> int:
        """Word that holds the number of chunks; the next ones are chunk length and scratch."""
        return len(self.kernel.axes)

    def address(self, access: int) -> int:
        """Word that holds the address of an access."""
        return self.chunks + 3 + access

    def stride(self, access: int, axis: int) -> int:
        """Word that holds a stride."""
        return self.address(len(self.kernel.accesses)) + self.strides.index((access, axis))

    @property
    def scalars(self) -> int:
        """First word of the numbers."""
        return self.address(len(self.kernel.accesses)) + len(self.strides)

    @property
    def rands(self) -> int:
        """First word of the random sources."""
        return self.scalars + self.kernel.scalars

    @property
    def count(self) -> int:
        """Number of words."""
        return self.rands + 2 * self.kernel.rands


def expression(dialect: Dialect, node: Node, operands: list[str]) -> str:
    """C text of an element-wise node."""
    return dialect.template(node.op, node.dtype).format(
        *operands, t=dialect.types[node.dtype], s=SUFFIX[node.dtype]
    )


def register(op: str, template: str) -> None:
    """Add the C expression of an element-wise op that was added to the op table.

    Args:
        op: its name.
        template: text with `{0}`, `{1}` for the operands and `{t}` for the compute type; it has to
            be right in C, in CUDA C++ and for vectors of OpenCL C.

    Raises:
        ConfigurationError: the op already has an expression.

    Example:
        >>> register("cube", "({0} * {0} * {0})")
    """
    if op in EXPRESSIONS:
        raise ConfigurationError(f"register: the op {op!r} already has an expression")
    EXPRESSIONS[op] = template


def loaded(dialect: Dialect, text: str, stored: str, dtype: str) -> str:
    """C text of an element of dtype `stored` as a number of compute dtype `dtype`."""
    if stored == dtype:
        return text
    if stored in SHORT_FLOATS:
        text = f"neo_from_{SHORT_FLOATS[stored]}({text})"
        if dtype == "float32":
            return text
    return f"({dialect.types[dtype]}){text}"


def converted(dialect: Dialect, text: str, source: str, target: str) -> str:
    """C text of a value of compute dtype `source` as it is stored in dtype `target`."""
    if source == target:
        return text
    if target == "bool":
        return f"({text} != 0)"
    if source == "int32":
        text, source = f"((neo_i64){text})", "int64"
    if target in SHORT_FLOATS:
        single = f"(float){text}" if source == "float32" else f"neo_odd_{SUFFIX[source]}({text})"
        return f"neo_to_{SHORT_FLOATS[target]}({single})"
    if target.startswith("float"):
        return f"(({dialect.types[target]}){text})"
    return f"neo_to_{target}_{SUFFIX[source]}({text})"
