"""Local response normalisation in one pass each way, see `lrn.h`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from neonport.backends.gpu.kernel_text import bind, kernel_text, position_type, real_of
from neonport.dtypes import is_float
from neonport.engine.tracing import of_call
from neonport.shape import reshape_strides
from neonport.tensor.storage import views_overlap
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


class Normalization:
    """The normalisation calls of a device backend; what the kernels do not fit is derived."""

    def fprop_lrn(
        self,
        layer: Any,
        I: Any,
        O: Tensor,
        denom: Tensor,
        alpha: float | None = None,
        beta: float | None = None,
        ascale: float = 1,
        bpower: float = 1,
        repeat: int = 1,
    ) -> None:
        """Denom = 1 + ascale / J * (sum of I^2 over the window); O = I * denom^-bpower."""
        numbers = (ascale, bpower, *_factors(alpha, beta))
        if not _run(self, "neo_lrn", layer, [I, O, denom], (1, 2), numbers):
            super().fprop_lrn(  # type: ignore[misc]
                layer, I, O, denom, alpha, beta, ascale, bpower, repeat
            )

    def bprop_lrn(
        self,
        layer: Any,
        I: Any,
        O: Any,
        E: Any,
        delta: Tensor,
        denom: Any,
        alpha: float | None = None,
        beta: float | None = None,
        ascale: float = 1,
        bpower: float = 1,
        repeat: int = 1,
    ) -> None:
        """Delta = E * denom^-bpower - 2 bpower ascale / J * I * (sum of O E / denom)."""
        numbers = (ascale, bpower, *_factors(alpha, beta))
        tensors = [I, O, E, delta, denom]
        if not _run(self, "neo_lrn_back", layer, tensors, (3,), numbers):
            super().bprop_lrn(  # type: ignore[misc]
                layer, I, O, E, delta, denom, alpha, beta, ascale, bpower, repeat
            )


def _factors(alpha: float | None, beta: float | None) -> tuple[float, float]:
    return 1.0 if alpha is None else alpha, 0.0 if beta is None else beta


def _run(
    be: Any,
    name: str,
    layer: Any,
    tensors: list[Any],
    targets: tuple[int, ...],
    numbers: tuple[float, ...],
) -> bool:
    """Run the kernel, bound before or now; False if the tensors do not fit it.

    Args:
        targets: which tensors are written.
    """
    if not all(isinstance(t, Tensor) for t in tensors):
        return False
    key = (name, layer.dimI, layer.JTRS[0], tuple(t.tokens for t in tensors), numbers)
    bound = be.bound.get(key)
    if bound is None:
        if not _fits(be, layer, tensors, targets):
            return False
        bound = bind_lrn(be, name, tensors, layer.dimI[0], layer.JTRS[0], numbers)
        if bound is None:
            return False
        bound = be.tracer.watch(bound, of_call(name[4:], layer.dimI), be)
        be.remember(key, bound, [t.storage for t in tensors])
    be.launch(bound)
    return True


def _fits(be: Any, layer: Any, tensors: list[Tensor], targets: tuple[int, ...]) -> bool:
    """Whether all are floats of one dtype and of the layer's size, and no target is read."""
    size, dtype = prod(layer.dimI), tensors[0].dtype
    return (
        size > 0
        and is_float(dtype)
        and all(t.size == size and t.dtype == dtype and t.backend is be for t in tensors)
        and not any(tensors[i].storage.readonly for i in targets)
        and not any(
            views_overlap(tensors[i], t) for i in targets for j, t in enumerate(tensors) if i != j
        )
    )
