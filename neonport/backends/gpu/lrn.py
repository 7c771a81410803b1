"""Local response normalisation in one pass each way, see `lrn.h`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neonport.backends.gpu.kernel_text import bind, kernel_text, position_type, real_of
from neonport.shape import reshape_strides
from neonport.tensor.tensor import Tensor


def bind_lrn(
    be: Any,
    name: str,
    tensors: Sequence[Tensor],
    maps: int,
    width: int,
    numbers: Sequence[float],
) -> Callable[[], None] | None:
    """A launch of `neo_lrn` or `neo_lrn_back`, or None where a tensor is no (maps, n) matrix.

    Args:
        tensors: in the order of the kernel's arguments.
        maps: rows of the matrices.
        width: maps of a window, odd.
        numbers: ascale, power, alpha, beta.
    """
    n = tensors[0].size // maps
    strides = [reshape_strides(t.shape, t.strides, (maps, n)) for t in tensors]
    if any(s is None for s in strides):
        return None
    group, dtype = be.traits.map_group, tensors[0].dtype
    whole, real = position_type(tensors, maps * n + group), real_of(dtype)
    text = kernel_text(be.dialect, ("lrn.h",), dtype, whole, GROUP=group)
    ascale, *others = numbers
    words: list[Any] = [*tensors, maps, n, width]
    words += [real(number) for number in (ascale / width, *others)]
    for t, s in zip(tensors, strides, strict=True):
        words += [t.offset, *(s or ())]
    return bind(be, text, name, (-(-maps * n // group), group), words, whole)
