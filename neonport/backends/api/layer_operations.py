"""Operations that layers ask of a backend: batch norm, softmax, activations, masks."""

from __future__ import annotations

from typing import Any

from neonport.backends.arguments import (
    check_numbers,
    check_operands,
    check_paths,
    check_probability,
    check_tensors,
    named,
)
from neonport.dtypes import is_float
from neonport.errors import ConfigurationError, DtypeError
from neonport.optree.functions import emit, fresh_numbers
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class LayerOperations:
    """Formulas of neon's layer kernels; the scheduler fuses them."""

    # what the other parts of a backend give
    assign: Any
    assign_many: Any
    draw_normal: Any
    exp: Any
    greater: Any
    less: Any
    max: Any
    maximum: Any
    mean: Any
    minimum: Any
    rand: Any
    set_host: Any
    sqrt: Any
    sum: Any
    var: Any

    # ---- batch normalisation (Ioffe and Szegedy, 2015) ---------------------------------------

    def compound_fprop_bn(
        self,
        x: Tensor,
        xsum: Tensor,
        xvar: Tensor,
        gmean: Tensor,
        gvar: Tensor,
        gamma: Tensor,
        beta: Tensor,
        y: Tensor,
        eps: float,
        rho: float,
        compute_batch_sum: bool,
        accumbeta: float = 0.0,
        relu: bool = False,
        binary: bool = False,
        inference: bool = False,
        outputs: Any = None,
        layer: Any = None,
        threads: Any = None,
        repeat: int = 1,
        transform: Any = None,
    ) -> None:
        """Normalise each row of x over its columns.

        Args:
            x, y: (K, L) input and output.
            xsum: (K, 1); holds the row sums if not `compute_batch_sum`; holds the mean afterwards.
            xvar: (K, 1), receives the biased variance.
            gmean, gvar: (K, 1) running statistics, moved by factor rho.
            gamma, beta: (K, 1) scale and shift.
            accumbeta: y = result + accumbeta * y; 0 means y is not read.
            relu: max(., 0) before accumulation.
            binary: products by powers of two (shift).
            inference: use the running statistics and leave all statistics alone.
            outputs, layer, threads, repeat: accepted for neon.
            transform: what becomes of each result, before accumulation: a Transform such as
                Rectlin(). Not in inference.

        Example:
            mean, var, gmean, gvar, beta = (be.zeros((3, 1)) for _ in range(5))
            gamma = be.ones((3, 1))
            be.compound_fprop_bn(x, mean, var, gmean, gvar, gamma, beta, y, 1e-3, 0.9, True)
        """
        op = "compound_fprop_bn"
        check_tensors(op, x=x, xsum=xsum, xvar=xvar, gmean=gmean, gvar=gvar, y=y)
        check_operands(op, gamma=gamma, beta=beta)
        check_numbers(op, eps=eps, rho=rho, accumbeta=accumbeta)
        if inference:
            tree = (x - gmean) / self.sqrt(gvar + eps) * gamma + beta
            self.assign(y, tree + y * accumbeta if accumbeta else tree)
            return
        mean = self._row_means(x, y) if compute_batch_sum else xsum * (1.0 / x.shape[1])
        centred = x - mean
        if binary:
            var = self.mean(apply("shift", centred, centred), axis=1)
            tree = apply("shift", apply("shift", centred, 1.0 / self.sqrt(var + eps)), gamma) + beta
        else:
            var = self.var(x, axis=1)
            # factor by factor as the backward pass makes it again
            tree = centred * (1.0 / self.sqrt(var + eps)) * gamma + beta
        if relu:
            tree = self.maximum(tree, 0)
        if transform is not None:
            tree = transform(tree)
        if accumbeta:
            tree = tree + y * accumbeta
        self.assign_many(
            [
                (xsum, mean),
                (xvar, var),
                (gmean, gmean * rho + mean * (1.0 - rho)),
                (gvar, gvar * rho + var * (1.0 - rho)),
                (y, tree),
            ]
        )

    def _row_means(self, x: Any, y: Any) -> Any:
        """Means of rows, exact for rows of equal numbers, whatever their magnitude.

        Divided by a variance of 0, an error of one unit in the last place of 1e10 would be 1e5.
        """
        if 0 in x.shape or x.storage is y.storage:  # rows are overwritten, their starts too
            return self.mean(x, axis=1)
        start = x[:, :1]
        return start + self.mean(x - start, axis=1)

    def compound_bprop_bn(
        self,
        delta_out: Tensor,
        grad_gamma: Tensor,
        grad_beta: Tensor,
        delta_in: Tensor,
        x: Tensor,
        xsum: Tensor,
        xvar: Tensor,
        gamma: Tensor,
        eps: float,
        threads: Any = None,
        repeat: int = 1,
        binary: bool = False,
        layer: Any = None,
        transform: Any = None,
        beta: Any = None,
    ) -> None:
        """Gradients of batch norm; `xsum` holds the mean. delta_out may be delta_in.

        Args:
            delta_out: receives the gradient of x, (K, L) or another shape of that size.
            grad_gamma, grad_beta: (K, 1), receive the gradients of the parameters.
            delta_in: gradient of y, (K, L) or another shape of that size.
            x, xsum, xvar, gamma, eps: as in the forward pass.
            binary: products by powers of two (shift).
            threads, repeat, layer: accepted for neon.
            transform, beta: as in the forward pass, if there is a transform: then delta_in is the
                gradient of its result, which is made again from x instead of being read.

        Example:
            mean, var, gamma = be.mean(x, axis=1).astensor(), be.ones((3, 1)), be.ones((3, 1))
            delta, grad_gamma, grad_beta = be.ones((3, 4)), be.empty((3, 1)), be.empty((3, 1))
            be.compound_bprop_bn(delta, grad_gamma, grad_beta, delta, x, mean, var, gamma, 1e-3)
        """
        op = "compound_bprop_bn"
        check_tensors(op, delta_out=delta_out, grad_gamma=grad_gamma, grad_beta=grad_beta)
        check_operands(op, delta_in=delta_in, x=x, xsum=xsum, xvar=xvar, gamma=gamma)
        check_numbers(op, eps=eps)
        delta = delta_in.reshape(x.shape)

        def product(a: Any, b: Any) -> Any:
            return apply("shift", a, b) if binary else a * b

        inv = 1.0 / self.sqrt(xvar + eps)
        xhat = product(x - xsum, inv)
        if transform is not None:
            delta = transform.bprop(transform(product(xhat, gamma) + beta)) * delta
        g_gamma = self.sum(xhat * delta, axis=1)
        g_beta = self.sum(delta, axis=1)
        count = 1.0 / x.shape[1] if x.shape[1] else 0.0
        tree = product(product(delta - (product(xhat, g_gamma) + g_beta) * count, gamma), inv)
        target = delta_out.reshape(x.shape)
        self.assign_many([(grad_gamma, g_gamma), (grad_beta, g_beta), (target, tree)])

    # ---- activations -------------------------------------------------------------------------

    def fprop_softmax(self, x: Any, axis: int) -> Any:
        """exp(x - max) / sum(exp(x - max)) along an axis, as an op-tree.

        Example:
            y[:] = be.fprop_softmax(x, axis=0)
        """
        e = self.exp(x - named("fprop_softmax", self.max, x, axis))
        return e / self.sum(e, axis=axis)

    def fprop_relu(self, layer: Any, x: Any, slope: float) -> Any:
        """max(x, 0) + slope * min(x, 0) as an op-tree.

        Example:
            y[:] = be.fprop_relu(None, x, slope=0.1)
        """
        check_numbers("fprop_relu", slope=slope)
        tree = self.maximum(x, 0)
        return tree + slope * self.minimum(x, 0) if slope else tree

    def bprop_relu(
        self, layer: Any, x: Any, error: Any = None, deltas: Any = None, slope: float = 0
    ) -> Any:
        """`(x > 0) + slope * (x < 0)` as an op-tree; the derivative at 0 is 0.

        Example:
            deltas = be.ones((3, 4))
            deltas[:] = deltas * be.bprop_relu(None, x, slope=0.1)
        """
        check_numbers("bprop_relu", slope=slope)
        tree = self.greater(x, 0)
        return tree + slope * self.less(x, 0) if slope else tree

    def fprop_transform(
        self, ngLayer: Any, transform: Any, inputs: Tensor, outputs: Tensor, relu: bool = False
    ) -> None:
        """`outputs = transform(inputs)`; both may be one tensor.

        Example:
            be.fprop_transform(None, Tanh(), x, y)
        """
        if not callable(transform):
            raise DtypeError(
                f"fprop_transform: transform must be a function, not a {type(transform).__name__}"
            )
        check_tensors("fprop_transform", outputs=outputs)
        result = transform(inputs)
        if result is not outputs:
            outputs[:] = result

    def bprop_transform(
        self,
        ngLayer: Any,
        transform: Any,
        outputs: Tensor,
        error: Tensor,
        deltas: Tensor,
        relu: bool = False,
    ) -> None:
        """`deltas = transform.bprop(outputs) * error`; `deltas` may be `error`.

        Example:
            error = be.ones((3, 4))
            be.bprop_transform(None, Tanh(), y, error, error)
        """
        if not hasattr(transform, "bprop"):
            raise DtypeError(
                f"bprop_transform: a {type(transform).__name__} has no derivative (bprop)"
            )
        check_tensors("bprop_transform", deltas=deltas)
        slope = transform.bprop(outputs)
        if not (isinstance(slope, (int, float)) and slope == 1):
            deltas[:] = slope * error
        elif deltas is not error:
            deltas[:] = error

    # ---- wiring of layers --------------------------------------------------------------------

    def fprop_skipnode(self, x: Tensor, y: Tensor, beta: float) -> None:
        """`y = x + beta * y`; with `beta == 0`, `y` is not read.

        Example:
            be.fprop_skipnode(x, y, beta=1.0)
        """
        check_operands("fprop_skipnode", x=x, y=y)
        check_numbers("fprop_skipnode", beta=beta)
        self.assign(y, y * beta + x if beta else x)

    def bprop_skipnode(self, error: Tensor, deltas: Tensor, alpha: float, beta: float) -> None:
        """`deltas = alpha * error + beta * deltas`; with `beta == 0`, `deltas` is not read.

        Example:
            deltas = be.ones((3, 4))
            be.bprop_skipnode(x, deltas, alpha=1.0, beta=1.0)
        """
        check_operands("bprop_skipnode", error=error, deltas=deltas)
        check_numbers("bprop_skipnode", alpha=alpha, beta=beta)
        self.assign(deltas, deltas * beta + error * alpha if beta else error * alpha)

    def fprop_mergesum(
        self,
        ngLayer: Any,
        inputs: Any,
        inference: bool,
        layers: Any,
        outputs: Any,
        out_shape: Any,
        beta: float = 0.0,
    ) -> None:
        """Forward pass of paths that write into one buffer: the first has `beta`, the others 1.

        Args:
            ngLayer: the container.
            inputs: of every path.
            inference: handed to every path.
            layers: the paths.
            outputs, out_shape: the buffer and its logical shape.
            beta: factor of what the buffer holds.

        Example:
            path = Sequential(Affine(nout=2, init=Gaussian())).configure(3)
            path.allocate()
            be.fprop_mergesum(None, x, False, [path], path.layers[-1].outputs, 2)
        """
        check_paths("fprop_mergesum", layers)
        check_numbers("fprop_mergesum", beta=beta)
        for path in layers:
            path.fprop(inputs, inference, beta=beta)
            beta = 1.0

    def bprop_mergesum(
        self, ngLayer: Any, alpha: float, beta: float, layers: Any, error: Any, deltas: Any
    ) -> None:
        """Backward pass of paths with one error: the last is first and has `beta`, the others 1.

        Args:
            ngLayer: the container.
            alpha: factor of the input gradient.
            beta: factor of what `deltas` holds.
            layers: the paths.
            error: of every path.
            deltas: the buffer into which they add the input gradient; None if nobody needs it.

        Example:
            path = Sequential(Affine(nout=2, init=Gaussian())).configure(3)
            path.allocate()
            path.allocate_deltas()
            be.bprop_mergesum(None, 1.0, 0.0, [path], path.fprop(x), None)
        """
        check_paths("bprop_mergesum", layers)
        check_numbers("bprop_mergesum", alpha=alpha, beta=beta)
        for path in reversed(layers):
            path.bprop(error, alpha=alpha, beta=beta)
            beta = 1.0

    def fprop_mergebroadcast(
        self,
        ngLayer: Any,
        inputs: Any,
        inference: bool,
        outputs: Any,
        layers: Any,
        out_shape: Any,
    ) -> list[Any]:
        """Forward pass of paths that write into slices of one buffer; returns their outputs.

        Args:
            ngLayer: the container.
            inputs: of every path; a list has one for each.
            inference: handed to every path.
            outputs, out_shape: the buffer and its logical shape.
            layers: the paths.

        Example:
            path = Sequential(Affine(nout=2, init=Gaussian())).configure(3)
            path.allocate()
            (out,) = be.fprop_mergebroadcast(None, [x], False, None, [path], 2)
        """
        check_paths("fprop_mergebroadcast", layers)
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs] * len(layers)
        check_paths("fprop_mergebroadcast", layers, inputs=inputs)
        return [path.fprop(x, inference) for path, x in zip(layers, inputs, strict=True)]

    def bprop_mergebroadcast(
        self,
        ngLayer: Any,
        layers: Any,
        error_views: Any,
        error: Any,
        deltas: Any,
        out_shape: Any,
        alpha: float,
        beta: float,
        alphas: Any,
        betas: Any,
    ) -> None:
        """Backward pass of paths with a slice of the error each, the last path first.

        Args:
            ngLayer: the container.
            layers: the paths.
            error_views: their slices of the error.
            error, out_shape: the whole error and its logical shape.
            deltas: the buffer into which they add the input gradient; None if nobody needs it.
            alpha: factor of the input gradient.
            beta: factor of what `deltas` holds.
            alphas: factors of the paths' gradients, besides.
            betas: factors of what `deltas` holds, for each path; the last one is replaced by beta.

        Example:
            path = Sequential(Affine(nout=2, init=Gaussian())).configure(3)
            path.allocate()
            path.allocate_deltas()
            y = path.fprop(x)
            be.bprop_mergebroadcast(None, [path], [y], y, None, 2, 1.0, 0.0, [1.0], [1.0])
        """
        op = "bprop_mergebroadcast"
        check_paths(op, layers, error_views=error_views, alphas=alphas, betas=betas)
        check_numbers(op, alpha=alpha, beta=beta)
        last = len(layers) - 1
        for i in range(last, -1, -1):
            layers[i].bprop(
                error_views[i], alpha=alphas[i] * alpha, beta=beta if i == last else betas[i]
            )

    # ---- random numbers into tensors ---------------------------------------------------------

    def make_binary_mask(self, out: Tensor, keepthresh: float = 0.5) -> Tensor:
        """1 with probability `keepthresh`, else 0, independently for each element; returns out.

        Example:
            mask = be.make_binary_mask(be.empty((3, 4)), keepthresh=0.8)
        """
        check_probability("make_binary_mask", keepthresh=keepthresh)
        self.assign(out, fresh_numbers < keepthresh)
        return out

    def dropout(self, keep: float = 0.5, out: Tensor | None = None) -> Any:
        """Mask of 1 with probability `keep`, else 0: an op-tree, or `out`.

        Raises:
            ConfigurationError: a probability below 0 or above 1.

        Example:
            y[:] = x * be.dropout(0.8) / 0.8
        """
        check_probability("dropout", keep=keep)
        return emit((self.rand() if out is None else fresh_numbers) < keep, out)

    def fill_normal(self, ary: Tensor, mean: float = 0, stdv: float = 1) -> Tensor:
        """Fill with Gaussian numbers of the device generator; returns ary.

        Raises:
            ConfigurationError: a negative standard deviation.
            DtypeError: a tensor of integers.

        Example:
            be.fill_normal(y, mean=0, stdv=0.01)
        """
        check_tensors("fill_normal", ary=ary)
        check_numbers("fill_normal", mean=mean, stdv=stdv)
        if stdv < 0:
            raise ConfigurationError(f"fill_normal: standard deviation {stdv} is negative")
        if not is_float(ary.dtype):
            raise DtypeError(
                f"fill_normal: a tensor of dtype {ary.dtype} cannot hold Gaussian numbers; use a "
                "float type"
            )
        ary.check_writable("fill_normal")
        draw = self.draw_normal(ary.size, mean, stdv, ary.dtype)
        self.set_host(ary, draw.reshape(ary.shape))
        return ary
