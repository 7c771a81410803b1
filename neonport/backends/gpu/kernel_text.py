"""Texts of hand-written kernels, and their arguments.

A text is the dialect's prelude, a few words on types, macros, and files of `opencl_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.compiler.codegen.dialect import SUFFIX
from neonport.compiler.codegen.gpu.dialects import DeviceDialect, device_text, functions
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, launch_shape
from neonport.compiler.codegen.gpu.writer import DeviceWriter
from neonport.compiler.kernel import BoundKernel
from neonport.dtypes import is_bfloat16
from neonport.shape import span
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor

NARROW = (1 << 31) - (1 << 20)  # positions below are counted in 32 bits
FOUR = 4  # elements of a vector
ALIGNED = 16  # bytes on whose borders vectors lie


def kernel_text(
    dialect: DeviceDialect,
    files: Sequence[str],
    dtype: np.dtype,
    whole: type = np.int32,
    **macros: int | str,
) -> str:
    """The whole text of hand-written kernels.

    Args:
        dialect: the language.
        files: names in `opencl_kernels`.
        dtype: float dtype of the arrays, or int64: STORED is its type in memory, REAL that of the
            numbers that are computed with, LOAD and STORE get from one to the other.
        whole: type of positions and sizes, INT.
        macros: what else the files ask for.
    """
    return _text(dialect, tuple(files), np.dtype(dtype), whole, tuple(sorted(macros.items())))


@lru_cache(maxsize=256)
def _text(
    dialect: DeviceDialect,
    files: tuple[str, ...],
    dtype: np.dtype,
    whole: type,
    macros: tuple[tuple[str, int | str], ...],
) -> str:
    real = dtype.name if dtype.name in ("float64", "int64") else "float32"
    load, store = _access(dialect, dtype)
    lines = [
        dialect.wide if real == "float64" else "",
        dialect.prelude,
        f"#define STORED {dialect.types[dtype.name]}",
        f"#define REAL {dialect.types[real]}",
        f"#define CONVERTED {int(dtype.name != real)}",
        f"#define LOAD(p, i) {load}",
        f"#define STORE(p, i, x) {store}",
        functions(dialect, "float32", 1, ("bfloat16.h",)) if is_bfloat16(dtype) else "",
        f"#define MULTIPLY_ADD(a, b, c) {'fma' if real == 'float64' else 'NEO_FMA'}(a, b, c)",
        f"#define INT {'neo_i64' if whole is np.int64 else 'int'}",
        *(f"#define {name} {value}" for name, value in macros),
        device_text(f"words_{dialect.name}.h"),
        *(device_text(file) for file in files),
    ]
    return "\n".join(lines)


def _access(dialect: DeviceDialect, dtype: np.dtype) -> tuple[str, str]:
    """Text of the macros LOAD(p, i) and STORE(p, i, x)."""
    words = {"w": "", "s": SUFFIX["float32"], "p": "(p)", "i": "i", "x": "x"}
    if dtype == np.float16:
        return dialect.load_half.format(**words), dialect.store_half.format(**words).rstrip(";")
    if is_bfloat16(dtype):
        load = dialect.from_bfloat16.format(**{**words, "x": "(p)[i]"})
        return load, f"(p)[i] = {dialect.to_bfloat16.format(**words)}"
    return "(p)[i]", "(p)[i] = x"


def rendered(
    spec: BoundKernel, dialect: DeviceDialect, traits: DeviceTraits, prelude: bool = True
) -> str:
    """Text of a kernel for a device, with or without the prelude."""
    writer = DeviceWriter(spec.kernel, dialect, launch_shape(spec, spec.offsets, traits).variant)
    text = writer.source()
    return text if prelude else "\n".join(writer.lines[1:])


def real_of(dtype: np.dtype) -> type:
    """Type of the numbers that values of a dtype are computed with."""
    return np.float64 if dtype == np.float64 else np.float32


def position_type(tensors: Sequence[Tensor], *counts: int) -> type:
    """NumPy integer type for positions in these tensors, and for other counts."""
    reach = [span(*t.layout)[1] for t in tensors]
    # positions of cells outside are computed as well, but not read: twice the extent holds them
    return np.int32 if 2 * max([*reach, *counts]) < NARROW else np.int64


def place(t: Tensor) -> list[int]:
    """Offset and strides."""
    return [t.offset, *t.strides]


def in_fours(t: Tensor, axis: int) -> int:
    """FOUR if neighbours along `axis` can be loaded four at a time, else 1."""
    steps = [t.strides[i] for i, n in enumerate(t.shape) if i != axis and n > 1]
    unit = t.strides[axis] == 1 and t.shape[axis] % FOUR == 0
    even = not any(s % FOUR for s in (t.offset, *steps))
    return FOUR if unit and even and t.storage.address % ALIGNED == 0 else 1


def bind(
    be: KernelDevice,
    text: str,
    name: str,
    shape: tuple[int, int],
    arguments: Sequence[Any],
    whole: type = np.int32,
) -> Callable[[], None]:
    """A launch of an entry of a text.

    Args:
        shape: work-groups, and items in each.
        arguments: tensors and storages stand for their memory; ints become `whole`, NumPy scalars
            stay.
    """
    words: list[Any] = []
    temporaries = []
    for argument in arguments:
        word = argument.storage if isinstance(argument, Tensor) else argument
        if isinstance(word, Storage) and word.space == "arena":
            temporaries.append(word)
        words.append(whole(word) if isinstance(word, int) else word)
    program = be.compile(text)
    call: Callable[[], None] = be.bind_launch(program, name, *shape, words, temporaries)
    return call


def in_order(calls: Sequence[Callable[[], None]]) -> Callable[[], None]:
    """Several calls as one."""
    if len(calls) == 1:
        return calls[0]

    def run() -> None:
        for call in calls:
            call()

    return run
