"""Local response normalisation: a device's own kernel, or fused ones."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from neonport.backends.api.convolution import scaled, shaped, target
from neonport.backends.layer_cpu import PoolLayer
from neonport.dtypes import is_float
from neonport.engine.tracing import of_call
from neonport.errors import ConfigurationError
from neonport.optree.node import apply
from neonport.tensor.storage import views_overlap
from neonport.tensor.tensor import Tensor


class Normalization:
    """neon's LRN calls."""

    # what the other parts of a backend give
    assign: Any
    assign_many: Any
    bound: Any
    device: Any
    launch: Any
    remember: Any
    square: Any
    tracer: Any

    def lrn_layer(
        self, dtype: Any, N: int, C: int, D: int = 1, H: int = 1, W: int = 1, J: int = 1
    ) -> PoolLayer:
        """Sizes of a normalisation over J neighbouring maps.

        Raises:
            ConfigurationError: J is even.
        """
        if J % 2 != 1:
            raise ConfigurationError(f"lrn_layer: the window J={J} over maps must be odd")
        return PoolLayer(
            cast(Any, self), dtype, "lrn", N, C, D, H, W, J, pad_c=J // 2, str_c=1
        )  # fmt: skip

    def fprop_lrn(
        self,
        layer: PoolLayer,
        I: Any,
        O: Tensor,
        denom: Tensor,
        alpha: float | None = None,
        beta: float | None = None,
        ascale: float = 1,
        bpower: float = 1,
        repeat: int = 1,
    ) -> None:
        """`denom = 1 + ascale / J * (sum of I^2 over the window)`; `O = I * denom^-bpower`.

        Args:
            layer: from `lrn_layer`.
            I, O: input and output, in any shape of the right size.
            denom: receives the denominators, for `bprop_lrn`.
            alpha, beta: O = alpha * result + beta * O; None is 1 and 0.
            ascale, bpower: the constants of the normalisation.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.
        """
        x = shaped(I, layer.dimI, "fprop_lrn: I")
        out = target(O, layer.dimO, "fprop_lrn: O")
        numbers = (ascale, bpower, *_factors(alpha, beta))
        if self._normalized("lrn", layer, [I, O, denom], (1, 2), numbers):
            return
        below = self._neighbours(layer, self.square(x)) * (ascale / layer.JTRS[0]) + 1
        result = scaled(x * below**-bpower, *_factors(alpha, beta), out)
        self.assign_many([(target(denom, layer.dimI, "fprop_lrn: denom"), below), (out, result)])

    def bprop_lrn(
        self,
        layer: PoolLayer,
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
        """`delta = E * denom^-bpower - 2 bpower ascale / J * I * (window sums of O E / denom)`.

        Args:
            layer: from `lrn_layer`.
            I, O, denom: what `fprop_lrn` read and wrote.
            E: gradient of O.
            delta: receives the gradient of I.
            alpha, beta: delta = alpha * result + beta * delta; None is 1 and 0.
            ascale, bpower: the constants of the normalisation.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.
        """
        x, y, e, below = (
            shaped(t, layer.dimI, f"bprop_lrn: {name}")
            for name, t in (("I", I), ("O", O), ("E", E), ("denom", denom))
        )
        out = target(delta, layer.dimI, "bprop_lrn: delta")
        numbers = (ascale, bpower, *_factors(alpha, beta))
        if self._normalized("lrn_back", layer, [I, O, E, delta, denom], (3,), numbers):
            return
        factor = 2 * bpower * ascale / layer.JTRS[0]
        # the window is symmetric, so summing over it is its own adjoint
        tree = e * below**-bpower - x * self._neighbours(layer, y * e / below) * factor
        self.assign(out, scaled(tree, *_factors(alpha, beta), out))

    @staticmethod
    def _neighbours(layer: PoolLayer, tree: Any) -> Any:
        """The sum over the window of each map."""
        return apply("pool", tree, how="sum", **layer.params, size=layer.dimI[:4])

    def _normalized(
        self,
        name: str,
        layer: PoolLayer,
        tensors: list[Any],
        targets: tuple[int, ...],
        numbers: tuple[float, ...],
    ) -> bool:
        """Run the device's kernel, bound before or now; False if it has none that fits.

        Args:
            targets: which tensors are written.
        """
        if not all(isinstance(t, Tensor) for t in tensors):
            return False
        key = (name, layer.dimI, layer.JTRS[0], tuple(t.tokens for t in tensors), numbers)
        bound = self.bound.get(key)
        if bound is None:
            if not self._fits(layer, tensors, targets):
                return False
            bound = self.device.lrn(name, tensors, layer.dimI[0], layer.JTRS[0], numbers)
            if bound is None:
                return False
            bound = self.tracer.watch(bound, of_call(name, layer.dimI), self)
            self.remember(key, bound, [t.storage for t in tensors])
        self.launch(bound)
        return True

    def _fits(self, layer: PoolLayer, tensors: list[Tensor], targets: tuple[int, ...]) -> bool:
        """Whether all are floats of one dtype and of the layer's size, and no target is read."""
        size, dtype = prod(layer.dimI), tensors[0].dtype
        return (
            size > 0
            and is_float(dtype)
            and all(t.size == size and t.dtype == dtype for t in tensors)
            and not any(cast(Any, t.backend) is not self for t in tensors)
            and not any(t.storage.readonly or t.storage.overlapping for t in tensors)
            and not any(
                views_overlap(tensors[i], t)
                for i in targets
                for j, t in enumerate(tensors)
                if i != j
            )
        )


def _factors(alpha: float | None, beta: float | None) -> tuple[float, float]:
    return 1.0 if alpha is None else alpha, 0.0 if beta is None else beta
