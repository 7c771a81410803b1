"""Local response normalisation and its adjoint: each work-item has one result, see `lrn.h`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from neonport.backends.gpu.kernel_text import bind, kernel_text, position_type, real_of
from neonport.shape import reshape_strides
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]


def bind_lrn_denominator(
    be: Any, operands: list[Tensor], y: Tensor, width: int, ascale: float
) -> Bound:
    """A call that does y = lrn_denominator(x)."""
    return _matrices(
        be, operands, y, lambda *t: _launch(be, "neo_lrn_denominator", t, width, ascale)
    )


def bind_lrn(
    be: Any, operands: list[Tensor], y: Tensor, width: int, ascale: float, bpower: float
) -> Bound:
    """A call that does y = lrn(x)."""
    return _matrices(be, operands, y, lambda *t: _launch(be, "neo_lrn", t, width, ascale, bpower))


def bind_lrn_backward(
    be: Any, operands: list[Tensor], y: Tensor, width: int, ascale: float, bpower: float
) -> Bound:
    """A call that does y = lrn_backward(x, e), by what each element gives to those around it."""

    def make(x: Tensor, e: Tensor, out: Tensor) -> Bound:
        shares = be.scratch(x.size * x.dtype.itemsize)
        numbers = width, ascale, bpower
        first = _launch(be, "neo_lrn_shares", (x, e), *numbers, scratch=shares)
        second = _launch(be, "neo_lrn_backward", (x, e, out), *numbers, scratch=shares)
        call: Bound = be.together([first, second])
        return call

    return _matrices(be, operands, y, make)


def _matrices(be: Any, operands: Sequence[Tensor], y: Tensor, make: Callable[..., Bound]) -> Bound:
    """`make(*operands, y)`, with copies of those that are no matrix of maps and elements."""
    if any(_strides(t) is None for t in operands):
        copied: Bound = be.copied(operands, lambda *t: _matrices(be, t, y, make))
        return copied
    if _strides(y) is None:
        through: Bound = be.through(y, lambda t: make(*operands, t))
        return through
    return make(*operands, y)


def _strides(t: Tensor) -> Any:
    return reshape_strides(t.shape, t.strides, (t.shape[0], prod(t.shape[1:])))


def _launch(
    be: Any,
    name: str,
    tensors: Sequence[Tensor],
    width: int,
    ascale: float,
    bpower: float = 0.0,
    scratch: Storage | None = None,
) -> Bound:
    """A launch of an entry of `lrn.h`, in the order of its arguments."""
    first = tensors[0]
    maps, n = first.shape[0], prod(first.shape[1:])
    group, dtype = be.traits.map_group, first.dtype
    whole, real = position_type(tensors, maps * n + group, width), real_of(dtype)
    text = kernel_text(be.dialect, ("lrn.h",), dtype, whole, GROUP=group)
    words: list[Any] = [*tensors, *([scratch] if scratch is not None else [])]
    words += [maps, n, width, real(ascale / width), real(bpower)]
    for t in tensors:
        words += [t.offset, *_strides(t)]
    return bind(be, text, name, (-(-maps * n // group), group), words, whole)
