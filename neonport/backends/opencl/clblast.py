"""CLBlast's matrix products, through the C interface of the library that PyCLBlast brings.

The package is looked for, the library is called: PyCLBlast's own functions ask for PyOpenCL arrays
of two axes, also for a batch, and have no way to give CLBlast memory for what passes between its
kernels, which it then allocates at each call.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neonport.backends.opencl import interpreter_exit
from neonport.errors import OutOfDeviceMemory
from neonport.io.shared_library import load_shared_library
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor

PACKAGE = "pyclblast"
LIBRARIES = {"nt": ("clblast.dll",), "posix": ("libclblast.so.1", "libclblast.dylib")}
LETTERS = {"float32": "S", "float64": "D"}  # half is computed in half there, and here in float32
NUMBERS = {"float32": ctypes.c_float, "float64": ctypes.c_double}
ROWS, COLUMNS = 101, 102  # which way a matrix lies: CLBlastLayout
AS_IS, TURNED = 111, 112  # CLBlastTranspose
REASONS = {
    -4: "no memory for a temporary buffer", -5: "out of resources", -6: "out of host memory",
    -11: "a kernel does not compile", -54: "invalid work-group size",
    -1024: "not implemented", -1011: "A ends early", -1010: "B ends early", -1009: "C ends early",
    -2050: "the temporary buffer is too small", -2046: "not enough local memory",
    -2044: "no double precision", -2041: "no parameters for the device",
}  # fmt: skip


class Library:
    """The functions of a loaded CLBlast.

    Args:
        name: where it was found.
        handle: ctypes' library.
    """

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        size, pointer, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
        self._products = {}
        for dtype, letter in LETTERS.items():
            real = NUMBERS[dtype]
            matrix, head = [pointer, size, size], [number] * 3 + [size] * 3
            one = getattr(handle, f"CLBlast{letter}gemmWithTempBuffer")
            one.argtypes = [*head, real, *matrix * 2, real, *matrix, pointer, pointer, pointer]
            room = getattr(handle, f"CLBlast{letter}GemmTempBufferSize")
            room.argtypes = [*head, *[size] * 6, pointer, pointer]
            many = getattr(handle, f"CLBlast{letter}gemmStridedBatched")
            matrix = [*matrix, size]
            many.argtypes = [*head, real, *matrix * 2, real, *matrix, size, pointer, pointer]
            self._products[dtype] = (one, room, many)

    def bind(
        self, be: Any, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Call | None:
        """A call that enqueues `c = alpha * a @ b + beta * c` and returns CLBlast's status.

        None where it has no such product: of halves, of other strides than a BLAS knows, the sum
        over a batch, or a batch with one matrix for all of it.

        Args:
            be: the OpenCL backend. One call with memory from `be.scratch` may run at a time.
            a, b: matrices, or 3-D with a batch in front.
            c: the same; shares no memory with `a` and `b`.
        """
        order = next((o for o in (ROWS, COLUMNS) if _leading(c, o)), None)
        left, right = (None if order is None else _operand(t, order) for t in (a, b))
        batched = a.ndim == 3 or b.ndim == 3
        empty = 0 in (*c.shape, a.shape[-1])
        if a.dtype.name not in LETTERS or left is None or right is None or order is None:
            return None
        if empty or batched != (c.ndim == 3):
            return None
        one, room, many = self._products[a.dtype.name]
        queue = ctypes.byref(ctypes.c_void_p(be.queue.int_ptr))
        head = [order, left[0], right[0], c.shape[-2], c.shape[-1], a.shape[-1]]
        places = [[a.offset, left[1]], [b.offset, right[1]], [c.offset, _leading(c, order)]]
        if batched:
            for place, t in zip(places, (a, b, c), strict=True):
                place.append(t.strides[0] if t.ndim == 3 else 0)
                if not _is_stack(t, *place[1:]):
                    return None
        buffers = [t.storage.native.buffer for t in (a, b, c)]
        x, y, z = ([m.int_ptr, *place] for m, place in zip(buffers, places, strict=True))
        words: list[Any] = [*head, alpha, *x, *y, beta, *z]
        if batched:
            return Call(many, [*words, c.shape[0], queue, None], buffers)
        needed = ctypes.c_size_t()
        if room(*head, *places[0], *places[1], *places[2], queue, ctypes.byref(needed)):
            return None
        if not needed.value:
            return Call(one, [*words, queue, None, None], buffers)
        try:
            scratch: Storage = be.scratch(needed.value)
        except OutOfDeviceMemory:
            return None  # our kernel needs none
        between = scratch.native.buffer.int_ptr
        return Call(one, [*words, queue, None, between], [*buffers, scratch])


class Call:
    """A function of the library with its arguments.

    Args:
        function: ctypes' function.
        words: its arguments.
        keep: the memory behind the handles among them; PyOpenCL's objects, so that the blocks of
            forgotten tensors can be used again.
    """

    __slots__ = ("_function", "_words", "keep")

    def __init__(self, function: Any, words: list[Any], keep: list[Any]) -> None:
        self._function = function
        self._words = words
        self.keep = keep

    def __call__(self) -> int:
        """Hand it to the queue; CLBlast's status, 0 if all is well."""
        interpreter_exit.check()
        status: int = self._function(*self._words)
        return status


def _operand(t: Tensor, order: int) -> tuple[int, int] | None:
    """(transpose, leading dimension) of a matrix for a product of this order."""
    for transpose, own in ((AS_IS, order), (TURNED, ROWS + COLUMNS - order)):
        leading = _leading(t, own)
        if leading:
            return transpose, leading
    return None


def _leading(t: Tensor, order: int) -> int:
    """Elements from a row (or column) to the next; 0 if the matrix does not lie so."""
    (count, length), (step, unit) = t.shape[-2:], t.strides[-2:]
    if order == COLUMNS:
        count, length, step, unit = length, count, unit, step
    if length > 1 and unit != 1:
        return 0
    if count <= 1:
        return max(1, length)
    return step if step >= length else 0


def _is_stack(t: Tensor, leading: int, step: int) -> bool:
    """Whether CLBlast finds the matrices of a batch.

    Version 1.5.3 takes dense matrices of large products for ones that follow upon each other,
    whatever the stride of the batch.
    """
    count, length = t.shape[-2:]
    return leading not in (count, length) or step == count * length


def is_package_here() -> bool:
    """Whether PyCLBlast is installed; nothing of it is imported."""
    return _package() is not None


def _package() -> str | None:
    """Path of PyCLBlast's extension module."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin


def _candidates() -> Iterator[str]:
    """Files that may be the library, or lead to it."""
    package = _package()
    if package is not None:
        if os.name == "nt":
            yield str(Path(package).with_name(LIBRARIES["nt"][0]))
        yield package  # what it is linked with is found through it
    yield from LIBRARIES.get(os.name, ())


@functools.lru_cache(maxsize=1)
def load() -> tuple[Library | None, str]:
    """The library, or None and why not."""
    reasons = []
    for name in _candidates():
        try:
            return Library(name, load_shared_library(name)), ""
        except (OSError, AttributeError) as error:  # missing, broken, or too old
            reasons.append(f"{name} cannot be used ({error})")
    if is_package_here():
        return None, f"{reasons[0]}; reinstall {PACKAGE}, and the library that it is built with"
    return None, f"pip install {PACKAGE} (it is built with Debian's libclblast-dev)"
