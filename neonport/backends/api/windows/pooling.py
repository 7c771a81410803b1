"""Pooling: op-trees for users, and neon's calls."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from neonport.backends.api.windows.convolution import scaled, shaped, spatial, target
from neonport.backends.arguments import check_numbers, size_object
from neonport.backends.layer_cpu import PoolLayer
from neonport.errors import ConfigurationError, DtypeError, NotDifferentiableError, ShapeError
from neonport.optree.functions import expression
from neonport.optree.node import apply
from neonport.shape import integers
from neonport.tensor.tensor import Tensor


class Pooling:
    """`pool` as an op-tree; pooling and normalisation on layer objects."""

    # what the other parts of a backend give
    assign: Any
    assign_many: Any
    output_dim: Any
    sqrt: Any
    _root: Any
    square: Any

    # ---- op-trees ----------------------------------------------------------------------------

    def pool(
        self, x: Any, op: str, window: Any, padding: Any = 0, stride: Any = None, size: Any = None
    ) -> Any:
        """Pooling as an op-tree of shape (K, M, P, Q, N).

        Cells outside of x never count; a window without any inside gives 0.

        Args:
            x: images (C, D, H, W, N).
            op: "max", "avg", "sum" or "l2" (root of the sum of squares).
            window: an int or a pair for height and width, or up to (maps, d, h, w).
            padding, stride: likewise; a stride of None is the window.
            size: positions (K, M, P, Q); None is neon's rule (caffe's in its mode).

        Raises:
            ShapeError: the operands do not fit.
            ConfigurationError: an unknown op, or a padding as large as the window.

        Example:
            images = be.ones((3, 1, 8, 8, 4))
            y = be.pool(images, "max", 2)  # (3, 1, 4, 4, 4)
        """
        if op not in ("max", "avg", "sum", "l2"):
            raise ConfigurationError(f"pool: op {op!r} must be 'max', 'avg', 'sum' or 'l2'")
        windows = spatial(window, 1, 4, "pool: window")
        params = {
            "window": windows,
            "padding": spatial(padding, 0, 4, "pool: padding"),
            "stride": windows if stride is None else spatial(stride, 1, 4, "pool: stride"),
        }
        cells = expression(x, "pool").sig.shape[:4]
        if size is None:
            if len(cells) < 4 or min(*windows, *params["stride"]) < 1:
                raise ShapeError(
                    f"pool: images {x.sig.shape} must be (C, D, H, W, N), window {windows} and "
                    f"stride {params['stride']} positive"
                )
            axes = zip(cells, *params.values(), strict=True)
            size = [self.output_dim(n, w, p, s, pooling=True) for n, w, p, s in axes]
            if any(made < 1 <= n for made, n in zip(size, cells, strict=True)):
                raise ShapeError(
                    f"pool: windows {windows} do not fit into images {x.sig.shape}; give smaller "
                    "ones, or more padding"
                )
        params["size"] = integers(size, "pool: size")
        if op == "l2":
            return self._root(apply("pool", self.square(x), how="sum", **params))
        return apply("pool", x, how=op, **params)

    # ---- layer objects -----------------------------------------------------------------------

    def pool_layer(
        self, dtype: Any, op: str, N: int, C: int, *args: int | None, **kwargs: int | None
    ) -> PoolLayer:
        """Sizes of a pooling; the arguments are those of `PoolLayer`.

        Example:
            layer = be.pool_layer(np.float32, "max", N=4, C=3, H=8, W=8, R=2, S=2)
            outputs = be.empty(layer.dimO)
        """
        return PoolLayer(cast(Any, self), dtype, op, N, C, *args, **kwargs)  # type: ignore[arg-type]

    def fprop_pool(
        self,
        layer: PoolLayer,
        I: Any,
        O: Tensor,
        argmax: Tensor | None = None,
        beta: float = 0.0,
        alpha: float = 1.0,
        repeat: int = 1,
    ) -> None:
        """`O = alpha * pool(I) + beta * O`.

        Args:
            layer: from `pool_layer`.
            I: images, with axes taken together as you like.
            O: output, with axes taken together as you like.
            argmax: receives where each maximum was found, for `bprop_pool`; integers, large enough
                for the cells of a window. None if it is not needed.
            beta: factor of the old O; 0 means that it is not read.
            alpha: factor of the result.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            layer = be.pool_layer(np.float32, "max", N=4, C=3, H=8, W=8, R=2, S=2)
            argmax = be.empty(layer.dimO, dtype=np.uint8)
            be.fprop_pool(layer, be.ones(layer.dimI), be.empty(layer.dimO), argmax)
        """
        size_object("fprop_pool", layer, PoolLayer, "pool_layer(...)")
        check_numbers("fprop_pool", alpha=alpha, beta=beta)
        images = shaped(I, layer.dimI, "fprop_pool: I")
        out = target(O, layer.dimO, "fprop_pool: O")
        params = {**layer.params, "size": layer.dimO[:4]}
        if layer.op == "l2":
            tree = self.sqrt(apply("pool", self.square(images), how="sum", **params))
        else:
            tree = apply("pool", images, how=layer.op, **params)
        pairs = [(out, scaled(tree, alpha, beta, out))]
        if layer.op == "max" and argmax is not None:
            where = _positions("fprop_pool", layer, argmax)
            pairs.append((where, apply("pool_index", images, **params)))
        self.assign_many(pairs)

    def bprop_pool(
        self,
        layer: PoolLayer,
        I: Any,
        O: Tensor,
        argmax: Tensor | None = None,
        alpha: float = 1.0,
        beta: float = 0.0,
        repeat: int = 1,
    ) -> None:
        """`O = alpha * (gradient I of the output, put back into the images) + beta * O`.

        Args:
            layer: from `pool_layer`.
            I: gradient of the output, with axes taken together as you like.
            O: receives the gradient of the images, with axes taken together as you like.
            argmax: what `fprop_pool` wrote; needed for "max".
            alpha: factor of the result.
            beta: factor of the old O; 0 means that it is not read.
            repeat: accepted for neon.

        Raises:
            ShapeError, DtypeError, ConfigurationError: before anything is written.
            NotDifferentiableError: op "l2".

        Example:
            layer = be.pool_layer(np.float32, "avg", N=4, C=3, H=8, W=8, R=2, S=2)
            errors, deltas = be.ones(layer.dimO), be.empty(layer.dimI)
            be.bprop_pool(layer, errors, deltas)
        """
        size_object("bprop_pool", layer, PoolLayer, "pool_layer(...)")
        check_numbers("bprop_pool", alpha=alpha, beta=beta)
        if layer.op == "l2":
            raise NotDifferentiableError(
                "bprop_pool: op 'l2' has no backward pass from the error alone; differentiate the "
                "tree be.pool(x, 'l2', ...)"
            )
        errors = shaped(I, layer.dimO, "bprop_pool: I")
        out = target(O, layer.dimI, "bprop_pool: O")
        params = {**layer.params, "size": layer.dimI[:4]}
        if layer.op == "max":
            if argmax is None:
                raise ConfigurationError(
                    "bprop_pool: op 'max' needs the argmax that fprop_pool has written"
                )
            tree = apply(
                "max_pool_backward", errors, _positions("bprop_pool", layer, argmax), **params
            )
        else:
            tree = apply("avg_pool_backward", errors, how=layer.op, **params)
        self.assign(out, scaled(tree, alpha, beta, out))

    # ---- local response normalisation (Krizhevsky, Sutskever, Hinton, 2012) ------------------


def _positions(op: str, layer: PoolLayer, argmax: Any) -> Tensor:
    """The tensor of positions of maxima.

    Raises:
        DtypeError: it is none of integers, or cannot number the cells of a window.
    """
    where = target(argmax, layer.dimO, f"{op}: argmax")
    last = prod(layer.JTRS) - 1
    kind = where.dtype.kind
    if kind not in "iu" or last >> 8 * where.dtype.itemsize - (kind == "i"):
        raise DtypeError(
            f"{op}: argmax of dtype {where.dtype} cannot number the {last + 1} cells of a window; "
            "allocate it with dtype=np.int32"
        )
    return where
