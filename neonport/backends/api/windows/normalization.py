"""Local response normalisation: an op-tree for users, and neon's calls."""

from __future__ import annotations

from typing import Any, cast

from neonport.backends.api.windows.convolution import scaled, shaped, target
from neonport.backends.arguments import check_counts, check_numbers, size_object
from neonport.backends.layer_cpu import PoolLayer
from neonport.errors import ConfigurationError
from neonport.optree.functions import emit
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class Normalization:
    """`lrn` as an op-tree; neon's LRN calls."""

    # what the other parts of a backend give
    assign: Any
    assign_many: Any

    def lrn(
        self,
        x: Any,
        width: int,
        ascale: float = 1.0,
        bpower: float = 1.0,
        out: Tensor | None = None,
    ) -> Any:
        """Local response normalisation, as an op-tree of the shape of x, or `out`.

        `x * (1 + ascale / width * s)^-bpower`, s being the sum of squares over the maps around.

        Args:
            x: images (C, D, H, W, N).
            width: maps of a window, odd; those outside count as 0.
            ascale, bpower: the constants of the normalisation.
            out: assign there and return it.

        Raises:
            ConfigurationError: the width is even, or not positive.
            ShapeError: x has not five axes.

        Example:
            images = be.ones((6, 1, 4, 4, 2))
            y = be.lrn(images, 5, ascale=1e-4, bpower=0.75)
        """
        _check_width("lrn", "width", width)
        check_numbers("lrn", ascale=ascale, bpower=bpower)
        params = {"width": int(width), "ascale": float(ascale), "bpower": float(bpower)}
        return emit(apply("lrn", x, **params), out)

    def lrn_layer(
        self, dtype: Any, N: int, C: int, D: int = 1, H: int = 1, W: int = 1, J: int = 1
    ) -> PoolLayer:
        """Sizes of a normalisation over J neighbouring maps.

        Raises:
            ConfigurationError: J is even.

        Example:
            layer = be.lrn_layer(np.float32, N=4, C=6, H=8, W=8, J=5)
        """
        _check_width("lrn_layer", "J", J)
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
            denom: receives the denominators.
            alpha, beta: O = alpha * result + beta * O; None is 1 and 0.
            ascale, bpower: the constants of the normalisation.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.lrn_layer(np.float32, N=4, C=3, J=3)
            denom = be.empty((3, 4))
            be.fprop_lrn(layer, x, y, denom, ascale=1e-4, bpower=0.75)
        """
        size_object("fprop_lrn", layer, PoolLayer, "lrn_layer(...)")
        check_numbers("fprop_lrn", ascale=ascale, bpower=bpower)
        x = shaped(I, layer.dimI, "fprop_lrn: I")
        out = target(O, layer.dimO, "fprop_lrn: O")
        params = {"width": layer.JTRS[0], "ascale": float(ascale)}
        below = apply("lrn_denominator", x, **params)
        tree = apply("lrn", x, **params, bpower=float(bpower))
        self.assign_many(
            [
                (target(denom, layer.dimI, "fprop_lrn: denom"), below),
                (out, scaled(tree, *_factors("fprop_lrn", alpha, beta), out)),
            ]
        )

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
            I: what `fprop_lrn` read; output and denominators follow from it.
            O, denom: accepted for neon; only their sizes are looked at.
            E: gradient of the output.
            delta: receives the gradient of I.
            alpha, beta: delta = alpha * result + beta * delta; None is 1 and 0.
            ascale, bpower: the constants of the normalisation.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.lrn_layer(np.float32, N=4, C=3, J=3)
            delta, denom, error = be.empty((3, 4)), be.empty((3, 4)), be.ones((3, 4))
            be.fprop_lrn(layer, x, y, denom, ascale=1e-4, bpower=0.75)
            be.bprop_lrn(layer, x, y, error, delta, denom, ascale=1e-4, bpower=0.75)
        """
        size_object("bprop_lrn", layer, PoolLayer, "lrn_layer(...)")
        check_numbers("bprop_lrn", ascale=ascale, bpower=bpower)
        x, _, e, _ = (
            shaped(t, layer.dimI, f"bprop_lrn: {name}")
            for name, t in (("I", I), ("O", O), ("E", E), ("denom", denom))
        )
        out = target(delta, layer.dimI, "bprop_lrn: delta")
        params = {"width": layer.JTRS[0], "ascale": float(ascale), "bpower": float(bpower)}
        tree = apply("lrn_backward", x, e, **params)
        self.assign(out, scaled(tree, *_factors("bprop_lrn", alpha, beta), out))


def _check_width(what: str, name: str, width: Any) -> None:
    check_counts(what, 1, **{name: width})
    if width % 2 != 1:
        raise ConfigurationError(f"{what}: the window {name}={width} over maps must be odd")


def _factors(op: str, alpha: float | None, beta: float | None) -> tuple[float, float]:
    found = 1.0 if alpha is None else alpha, 0.0 if beta is None else beta
    check_numbers(op, alpha=found[0], beta=found[1])
    return found
