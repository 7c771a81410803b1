"""How BLAS sees a NumPy view: transposed or not, leading dimension, address."""

from __future__ import annotations

import ctypes

import numpy as np

INT_MAX = 2**31 - 1  # the integers of the BLAS we load have 32 bits

# An ndarray object starts with the Python object header and then holds the address of its data:
# the published C layout (PyArrayObject_fields). `array.ctypes.data` says the same ten times slower.
DATA_OFFSET = object.__basicsize__
_read_pointer = ctypes.c_void_p.from_address


def _address_from_object(array: np.ndarray) -> int:
    return _read_pointer(id(array) + DATA_OFFSET).value or 0


def _address_from_interface(array: np.ndarray) -> int:
    return array.ctypes.data


def _layout_is_known() -> bool:
    """Try the fast way on arrays whose address is known; other Pythons may lay objects out anew."""
    if ctypes.sizeof(ctypes.c_void_p) != 8 or np.ndarray.__basicsize__ < DATA_OFFSET + 8:
        return False
    whole = np.zeros((3, 5))
    return all(
        _address_from_object(array) == array.ctypes.data
        for array in (whole, whole[1:, 2:], whole.T, np.zeros(7, np.int8))
    )


KNOWN = _layout_is_known()
address = _address_from_object if KNOWN else _address_from_interface


def blas_layout(
    shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int
) -> tuple[bool, int] | None:
    """Describe a matrix for row-major BLAS.

    Args:
        shape: (rows, columns).
        strides: in bytes.
        itemsize: bytes of an element.

    Returns:
        (transposed, leading dimension in elements), or None when BLAS cannot read it in place.
    """
    rows, columns = shape
    for transposed, (outer, inner), (outer_step, inner_step) in (
        (False, (rows, columns), strides),
        (True, (columns, rows), (strides[1], strides[0])),
    ):
        # The stride along an axis of length one means nothing.
        if inner > 1 and inner_step != itemsize:
            continue
        least = max(1, inner)
        if outer <= 1:
            return transposed, least
        leading, rest = divmod(outer_step, itemsize)
        if rest == 0 and least <= leading <= INT_MAX:
            return transposed, leading
    return None


def vector_step(length: int, stride: int, itemsize: int) -> int | None:
    """Return the increment of a BLAS vector in elements; None when it has none BLAS allows."""
    if length <= 1:
        return 1
    step, rest = divmod(stride, itemsize)
    return step if rest == 0 and 1 <= step <= INT_MAX else None


def extent(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> int:
    """Count the bytes from first to last of a view without negative strides."""
    return sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + itemsize
