"""Convolution: op-trees for users, and neon's calls with their epilogues."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any, cast

from neonport.backends.arguments import check_numbers, size_object
from neonport.backends.layer_cpu import ConvLayer, DeconvLayer
from neonport.errors import DtypeError, ShapeError
from neonport.optree.functions import expression
from neonport.optree.node import apply
from neonport.shape import Shape, integers
from neonport.tensor.tensor import Tensor


def spatial(value: Any, missing: int, count: int, what: str) -> Shape:
    """`count` integers, one an axis.

    Args:
        value: an int for height and width, or a sequence for the last axes.
        missing: what leading axes get.
        count: number of axes.
        what: name for messages.

    Raises:
        ShapeError: too many entries.
        DtypeError: not integers.
    """
    given = integers(value if isinstance(value, (tuple, list)) else (value, value), what)
    if not 0 < len(given) <= count:
        raise ShapeError(
            f"{what} {value!r}: give an int for height and width, or up to {count} ints for the "
            "last axes"
        )
    return (missing,) * (count - len(given)) + given


def shaped(tensor: Any, shape: Shape, what: str) -> Any:
    """An operand in another shape: a view, or a node where its layout has none.

    Raises:
        ShapeError: another number of elements.
        DtypeError: not a tensor or tree.
    """
    found = expression(tensor, what).sig.shape
    if found == shape:
        return tensor
    _check_regroups(found, shape, what)
    if isinstance(tensor, Tensor):
        try:
            return tensor.reshape(shape)
        except ShapeError:  # no such view: the node copies
            pass
    return apply("reshape", tensor, shape=shape)


def target(tensor: Any, shape: Shape, what: str) -> Tensor:
    """A tensor that is to be written, in another shape.

    Raises:
        ShapeError: another number of elements, or a layout that has no such view.
        DtypeError: not a tensor.
    """
    if not isinstance(tensor, Tensor):
        raise DtypeError(f"{what} must be a Tensor, not {type(tensor).__name__}")
    if tensor.shape == shape:
        return tensor
    _check_regroups(tensor.shape, shape, what)
    return tensor.reshape(shape)


@lru_cache(maxsize=4096)
def _check_regroups(found: Shape, shape: Shape, what: str) -> None:
    """Check that two shapes are the same axes, some of them taken together.

    Images (C, D, H, W, N) may so come as (C*D*H*W, N), but not turned round, as (N, C*D*H*W).

    Raises:
        ShapeError: another number of elements, or other axes.
    """
    if prod(found) != prod(shape):
        raise ShapeError(
            f"{what} of shape {found} ({prod(found)} elements) does not hold {shape} "
            f"({prod(shape)} elements)"
        )
    ends, wanted = set(accumulate(found, mul)), set(accumulate(shape, mul))
    if not (ends <= wanted or wanted <= ends):
        turned = ends <= set(accumulate(reversed(shape), mul))
        raise ShapeError(
            f"{what} of shape {found} has the size of {shape}, but not its axes"
            + ("; it looks transposed, give its .T" if turned else "")
            + "; reshape it only if its elements are in that order"
        )


def scaled(tree: Any, alpha: float, beta: float, old: Any) -> Any:
    """`alpha * tree + beta * old`; with `beta == 0`, `old` is not read."""
    result = tree if alpha == 1 else tree * alpha
    return result if beta == 0 else result + old * beta


class Convolution:
    """`conv`, `deconv` as op-trees; `fprop_conv`, `bprop_conv`, `update_conv` on layer objects."""

    # what the other parts of a backend give
    assign_many: Any
    bprop_relu: Any
    fprop_relu: Any
    sum: Any

    # ---- op-trees ----------------------------------------------------------------------------

    def conv(self, x: Any, f: Any, padding: Any = 0, stride: Any = 1, dilation: Any = 1) -> Any:
        """Cross-correlation as an op-tree of shape (K, M, P, Q, N); zeros outside of x.

        Args:
            x: images (C, D, H, W, N).
            f: filters (C, T, R, S, K).
            padding, stride, dilation: an int or a pair for height and width, or (d, h, w).

        Raises:
            ShapeError: the operands do not fit, or a filter does not fit into the images.

        Example:
            images, filters = be.ones((3, 1, 8, 8, 4)), be.ones((3, 1, 3, 3, 5))
            y = be.maximum(be.conv(images, filters, padding=1), 0)  # (5, 1, 8, 8, 4)
        """
        return apply("conv", x, f, **_geometry(padding, stride, dilation))

    def deconv(self, x: Any, f: Any, padding: Any = 0, stride: Any = 1, dilation: Any = 1) -> Any:
        """The transposed convolution as an op-tree of shape (C, D, H, W, N).

        Args:
            x: images (K, M, P, Q, N).
            f: filters (C, T, R, S, K): C maps come out.
            padding, stride, dilation: of the convolution that this is the adjoint of.

        Raises:
            ShapeError: the operands do not fit.

        Example:
            images, filters = be.ones((5, 1, 4, 4, 4)), be.ones((3, 1, 2, 2, 5))
            larger = be.deconv(images, filters, stride=2)  # (3, 1, 8, 8, 4)
        """
        params = _geometry(padding, stride, dilation)
        images, filters = (expression(t, "deconv").sig.shape for t in (x, f))
        if len(images) != 5 or len(filters) != 5:
            raise ShapeError(
                f"deconv: shapes {images} and {filters} must be (K, M, P, Q, N) and "
                "(C, T, R, S, K); reshape them"
            )
        axes = zip(images[1:4], filters[1:4], *params.values(), strict=True)
        size = tuple((m - 1) * s - 2 * p + d * (t - 1) + 1 for m, t, p, s, d in axes)
        if min(size) < 1:
            raise ShapeError(
                f"deconv: of images {images} with filters {filters} and padding "
                f"{params['padding']} nothing is left; give less padding"
            )
        return apply("conv_backward_data", f, x, **params, size=size)

    # ---- layer objects -----------------------------------------------------------------------

    def conv_layer(
        self, dtype: Any, N: int, C: int, K: int, *args: int, **kwargs: int
    ) -> ConvLayer:
        """Sizes of a convolution; the arguments are those of `ConvLayer`.

        Example:
            layer = be.conv_layer(np.float32, N=4, C=3, K=5, H=8, W=8, R=3, S=3)
            outputs = be.empty(layer.dimO)
        """
        return ConvLayer(cast(Any, self), dtype, N, C, K, *args, **kwargs)

    def deconv_layer(
        self, dtype: Any, N: int, C: int, K: int, M: int, P: int, Q: int, *args: int, **kwargs: int
    ) -> DeconvLayer:
        """Sizes of a deconvolution; the arguments are those of `DeconvLayer`.

        Example:
            layer = be.deconv_layer(np.float32, N=4, C=3, K=5, M=1, P=4, Q=4, R=2, S=2)
            images = be.empty(layer.dimI)
        """
        return DeconvLayer(cast(Any, self), dtype, N, C, K, M, P, Q, *args, **kwargs)

    def fprop_conv(
        self,
        layer: ConvLayer,
        I: Any,
        F: Any,
        O: Tensor,
        X: Any = None,
        bias: Any = None,
        bsum: Tensor | None = None,
        alpha: float = 1.0,
        beta: float = 0.0,
        relu: bool = False,
        brelu: bool = False,
        slope: float = 0.0,
        layer_op: Any = None,
        repeat: int = 1,
    ) -> None:
        """`O = alpha * conv(I, F)`, then bias, relu, beta * X, brelu and bsum, in this order.

        Args:
            layer: from `conv_layer`.
            I, F: images and filters, with axes taken together as you like.
            O: output, with axes taken together as you like.
            X: what beta scales and brelu looks at; None is O as it was.
            bias: (K, 1), added to each map.
            bsum: (K, 1), receives the sum of each map of O.
            alpha: factor of the convolution.
            beta: factor of X; 0 means that it is not read.
            relu: max(y, 0) + slope * min(y, 0).
            brelu: y * ((X > 0) + slope * (X < 0)).
            slope: of relu and brelu.
            layer_op, repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.conv_layer(np.float32, N=4, C=3, K=5, H=8, W=8, R=3, S=3)
            images, filters = be.ones(layer.dimI), be.ones(layer.dimF)
            be.fprop_conv(layer, images, filters, be.empty(layer.dimO), relu=True)
        """
        size_object("fprop_conv", layer, ConvLayer, "conv_layer(...)")
        images = shaped(I, layer.dimI, "fprop_conv: I")
        filters = shaped(F, layer.dimF, "fprop_conv: F")
        tree = apply("conv", images, filters, **layer.params)
        out = target(O, layer.dimO, "fprop_conv: O")
        self._epilogue("fprop_conv", tree, out, X, bias, bsum, alpha, beta, relu, brelu, slope)

    def bprop_conv(
        self,
        layer: ConvLayer,
        F: Any,
        E: Any,
        grad_I: Tensor,
        X: Any = None,
        bias: Any = None,
        bsum: Tensor | None = None,
        alpha: float = 1.0,
        beta: float = 0.0,
        relu: bool = False,
        brelu: bool = False,
        slope: float = 0.0,
        layer_op: Any = None,
        repeat: int = 1,
    ) -> None:
        """`grad_I` = the gradient for the images, with the same epilogue; also a deconvolution.

        Args:
            layer: from `conv_layer` or `deconv_layer`.
            F, E: filters and gradient of the output, with axes taken together as you like.
            grad_I: receives the result, with axes taken together as you like.
            X, bias, bsum, alpha, beta, relu, brelu, slope, layer_op, repeat: as of `fprop_conv`;
                bias and bsum are (C, 1).

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.conv_layer(np.float32, N=4, C=3, K=5, H=8, W=8, R=3, S=3)
            filters, errors, deltas = be.ones(layer.dimF), be.ones(layer.dimO), be.empty(layer.dimI)
            be.bprop_conv(layer, filters, errors, deltas)
        """
        size_object("bprop_conv", layer, ConvLayer, "conv_layer(...)")
        errors = shaped(E, layer.dimO, "bprop_conv: E")
        filters = shaped(F, layer.dimF, "bprop_conv: F")
        tree = apply("conv_backward_data", filters, errors, **layer.params, size=layer.DHW)
        out = target(grad_I, layer.dimI, "bprop_conv: grad_I")
        self._epilogue("bprop_conv", tree, out, X, bias, bsum, alpha, beta, relu, brelu, slope)

    def update_conv(
        self,
        layer: ConvLayer,
        I: Any,
        E: Any,
        U: Tensor,
        alpha: float = 1.0,
        beta: float = 0.0,
        grad_bias: Tensor | None = None,
        layer_op: Any = None,
        repeat: int = 1,
    ) -> None:
        """`U = alpha * (gradient for the filters) + beta * U`.

        Args:
            layer: from `conv_layer` or `deconv_layer`.
            I, E: images and gradient of the output, with axes taken together as you like.
            U: receives the result, with axes taken together as you like.
            alpha: factor of the gradient.
            beta: factor of the old U; 0 means that it is not read.
            grad_bias: (K, 1), receives the sum of each map of E, whatever alpha and beta are.
            layer_op, repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.conv_layer(np.float32, N=4, C=3, K=5, H=8, W=8, R=3, S=3)
            images, errors = be.ones(layer.dimI), be.ones(layer.dimO)
            be.update_conv(layer, images, errors, be.empty(layer.dimF))
        """
        size_object("update_conv", layer, ConvLayer, "conv_layer(...)")
        check_numbers("update_conv", alpha=alpha, beta=beta)
        images = shaped(I, layer.dimI, "update_conv: I")
        errors = shaped(E, layer.dimO, "update_conv: E")
        tree = apply("conv_backward_filter", images, errors, **layer.params, size=layer.TRS)
        out = target(U, layer.dimF, "update_conv: U")
        pairs = [(out, scaled(tree, alpha, beta, out))]
        if grad_bias is not None:
            sums = target(grad_bias, _per_map(layer.K), "update_conv: grad_bias")
            pairs.append((sums, self.sum(errors, axis=(1, 2, 3, 4))))
        self.assign_many(pairs)

    # ---- parts -------------------------------------------------------------------------------

    def _epilogue(
        self,
        op: str,
        tree: Any,
        out: Tensor,
        X: Any,
        bias: Any,
        bsum: Tensor | None,
        alpha: float,
        beta: float,
        relu: bool,
        brelu: bool,
        slope: float,
    ) -> None:
        check_numbers(op, alpha=alpha, beta=beta, slope=slope)
        other = out if X is None else shaped(X, out.shape, f"{op}: X")
        maps = _per_map(out.shape[0])
        if alpha != 1:
            tree = tree * alpha
        if bias is not None:
            tree = tree + shaped(bias, maps, f"{op}: bias")
        if relu:
            tree = self.fprop_relu(None, tree, slope)
        if beta:
            tree = tree + other * beta
        if brelu:
            tree = tree * self.bprop_relu(None, other, slope=slope)
        pairs = [(out, tree)]
        if bsum is not None:
            sums = self.sum(tree, axis=(1, 2, 3, 4))
            pairs.append((target(bsum, maps, f"{op}: bsum"), sums))
        self.assign_many(pairs)


def _per_map(count: int) -> Shape:
    """Shape of one number a map beside (K, M, P, Q, N)."""
    return (count, 1, 1, 1, 1)


def _geometry(padding: Any, stride: Any, dilation: Any) -> dict[str, Shape]:
    return {
        "padding": spatial(padding, 0, 3, "conv: padding"),
        "stride": spatial(stride, 1, 3, "conv: stride"),
        "dilation": spatial(dilation, 1, 3, "conv: dilation"),
    }
