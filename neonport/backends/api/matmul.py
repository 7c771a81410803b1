"""Matrix products with epilogues; derived from the contract's one product."""

from __future__ import annotations

from itertools import compress
from operator import not_
from typing import Any

from neonport.backends.arguments import check_numbers, check_operands, check_tensors
from neonport.dtypes import is_float
from neonport.engine.checks import check_pair
from neonport.engine.host_copies import weakly
from neonport.engine.library_calls import checked_call
from neonport.engine.tracing import Launched
from neonport.errors import AliasError, DtypeError, ShapeError
from neonport.optree.node import apply
from neonport.tensor.storage import views_overlap
from neonport.tensor.tensor import Tensor


class Matmul:
    """`compound_dot`, `batched_dot`, `xnor_compound_dot`, `copy_transpose`, bias helpers."""

    # what the other parts of a backend give
    assign: Any
    bound: Any
    check_same_backend: Any
    device: Any
    empty: Any
    launch: Any
    maximum: Any
    remember: Any
    sum: Any
    tracer: Any

    def gemm(self, a: Tensor, b: Tensor, c: Tensor, alpha: float = 1.0, beta: float = 0.0) -> None:
        """`c = alpha * a @ b + beta * c`, checked and bound once for these tensors.

        Example:
            c = be.zeros((3, 3))
            be.gemm(x, x.T, c, alpha=0.5)
        """
        try:
            key = ("gemm", a.tokens, b.tokens, c.tokens, alpha, beta)
            call = self.bound.get(key)
        except (AttributeError, TypeError):
            self._check_product("compound_dot", a, b, c)
            check_numbers("compound_dot", alpha=alpha, beta=beta)
            raise
        if call is None:
            self._check_product("compound_dot", a, b, c)
            _check_shapes("compound_dot", a, b, c)
            if not a.dtype == b.dtype == c.dtype:  # as a tree computes it
                tree = apply("dot", a, b) if alpha == 1 else apply("dot", a, b) * alpha
                self.assign(c, tree + c * beta if beta else tree)
                return
            call = self.device.matmul(a, b, c, float(alpha), float(beta))
            call = checked_call(self.device, "matmul", call)
            what = _product("compound_dot", a, b, c, factors=(float(alpha), float(beta)))
            call = self.tracer.watch(call, what, self)
            self.remember(key, call, (a.storage, b.storage, c.storage))
        self.launch(call)

    def _check_product(self, op: str, a: Tensor, b: Tensor, c: Tensor) -> None:
        for t in (a, b, c):
            if not isinstance(t, Tensor):
                raise DtypeError(f"{op}: operands must be tensors, not {type(t).__name__}")
            self.check_same_backend(op, t)
        if not (is_float(a.dtype) and is_float(b.dtype) and is_float(c.dtype)):
            raise DtypeError(
                f"{op}: dtypes {a.dtype}, {b.dtype} -> {c.dtype} must be floats; convert with "
                "t.astype(dtype)"
            )
        c.check_writable(op)
        if views_overlap(c, a) or views_overlap(c, b):
            raise AliasError(
                f"{op}: the output of shape {c.shape} shares memory with an operand; use another "
                "buffer, or C[:] = be.dot(A, B)"
            )

    def compound_dot(
        self,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        alpha: float = 1.0,
        beta: float = 0.0,
        relu: bool = False,
        bsum: Tensor | None = None,
        repeat: int = 1,
        size: Any = None,
    ) -> Tensor:
        """`C = R(alpha * A @ B) + beta * C`, `R = max(., 0)` if `relu`; then `bsum` = sum of C.

        Args:
            A, B, C: (m, k), (k, n), (m, n) tensors of floats; A and B may be views. Those of
                several dtypes are multiplied in the widest of them, at least float32.
            beta: 0 means that C is not read.
            bsum: (m, 1), receives the row sums of the result.
            repeat, size: accepted for neon.

        Raises:
            ShapeError, DtypeError, AliasError, BackendMismatchError: before anything is written.

        Example:
            w, bias = be.ones((5, 3)), be.empty((5, 1))
            be.compound_dot(w, x, be.empty((5, 4)), relu=True, bsum=bias)
        """
        row_sums = None if bsum is None else self.sum(C, axis=1)
        if row_sums is not None:
            check_pair(self, bsum, row_sums)
        if relu and beta:
            self._check_product("compound_dot", A, B, C)
            product = self.empty(C.shape, C.dtype)
            self.gemm(A, B, product, alpha)
            self.assign(C, self.maximum(product, 0) + C * beta)
        else:
            self.gemm(A, B, C, alpha, beta)
            if relu:
                self.assign(C, self.maximum(C, 0))
        if bsum is not None:
            self.assign(bsum, row_sums)
        return C

    def compound_dots(self, *products: tuple[Tensor, Tensor, Tensor]) -> None:
        """`C = A @ B` for several products, in any order.

        A backend may make together those whose As are the same, or columns of the same rows: the
        gradients of all weights that met the same errors are one pass over these.

        Args:
            products: A, B and C of each: (m, k), (k, n), (m, n) tensors of floats. No C shares
                memory with another tensor.

        Raises:
            ShapeError, DtypeError, AliasError, BackendMismatchError: before anything is written.

        Example:
            errors, gradient = be.ones((5, 4)), be.empty((5, 3))
            be.compound_dots((errors, x.T, gradient), (errors, be.ones((4, 1)), be.empty((5, 1))))
        """
        try:
            key = ("compound_dots", *(t.tokens for product in products for t in product))
            call = self.bound.get(key)
        except (AttributeError, TypeError):
            self._check_products(products)
            raise
        if call is None:
            self._check_products(products)
            first = products[0][0].dtype if products else None
            alike = [all(t.dtype == first for t in product) for product in products]
            if not all(alike) or not products:
                for a, b, c in compress(products, map(not_, alike)):
                    self.gemm(a, b, c)
                if any(alike):
                    self.compound_dots(*compress(products, alike))
                return
            tensors = [t for product in products for t in product]
            call = checked_call(self.device, "matmuls", self.device.matmuls(products))
            what = _product("compound_dots", *tensors)
            call = self.tracer.watch(call, what, self)
            self.remember(key, call, [t.storage for t in tensors])
        self.launch(call)

    def _check_products(self, products: Any) -> None:
        for product in products:
            if not isinstance(product, tuple) or len(product) != 3:
                raise ShapeError(
                    "compound_dots: each product is a tuple (A, B, C), not "
                    f"{_described(product)}; for one product use compound_dot(A, B, C)"
                )
            self._check_product("compound_dots", *product)
            _check_shapes("compound_dots", *product)
        for k, (_, _, c) in enumerate(products):
            others = (t for i, product in enumerate(products) if i != k for t in product)
            if any(views_overlap(c, t) for t in others):
                raise AliasError(
                    f"compound_dots: the output of shape {c.shape} shares memory with a tensor of "
                    "another product; use another buffer, or make one product after the other"
                )

    def batched_dot(
        self,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        alpha: float = 1.0,
        beta: float = 0.0,
        relu: bool = False,
    ) -> Tensor:
        """Products over a leading batch axis: C 3-D gets one a batch entry, C 2-D their sum.

        A and B may be (m, k) shared by all entries or (x, m, k); at least one is 3-D.

        Raises:
            ShapeError, DtypeError, AliasError, BackendMismatchError: before anything is written.

        Example:
            a, b, c = be.ones((8, 3, 4)), be.ones((8, 4, 2)), be.empty((8, 3, 2))
            be.batched_dot(a, b, c)
        """
        plain = type(alpha) is type(beta) is float and alpha == 1 and beta == 0 and not relu
        if plain and type(A) is type(B) is type(C) is Tensor:
            call = self.bound.get(("batched_dot", A.tokens, B.tokens, C.tokens))
            if call is not None:  # it ran before, and was checked then
                self.launch(call)
                return C
        self._check_product("batched_dot", A, B, C)
        check_numbers("batched_dot", alpha=alpha, beta=beta)
        node = apply("batched_dot", A, B, reduce=C.ndim == 2)
        if node.shape != C.shape:
            raise ShapeError(
                f"batched_dot: shapes {A.shape}, {B.shape} give {node.shape}, the output is "
                f"{C.shape}; a 2-D output receives the sum over the batch axis"
            )
        if relu and beta:
            product = self.empty(C.shape, C.dtype)
            self.batched_dot(A, B, product, alpha)
            self.assign(C, self.maximum(product, 0) + C * beta)
            return C
        batch = next(t.shape[0] for t in (A, B) if t.ndim == 3)
        if batch == 0 and C.ndim == 2:
            self.assign(C, C * beta if beta else 0)
        if alpha == 1 and beta == 0 and batch:
            self._batched(A, B, C)
        else:  # what devices have for a batch takes no factors
            for i in range(batch):
                a, b, c = (t[i] if t.ndim == 3 else t for t in (A, B, C))
                self.gemm(a, b, c, alpha, beta if C.ndim == 3 or i == 0 else 1.0)
        if relu:
            self.assign(C, self.maximum(C, 0))
        return C

    def _batched(self, a: Tensor, b: Tensor, c: Tensor) -> None:
        """All products of a batch, or their sum, as one call, bound once for these tensors."""
        key = ("batched_dot", a.tokens, b.tokens, c.tokens)
        call = self.bound.get(key)
        if call is None:
            if not a.dtype == b.dtype == c.dtype:
                self.assign(c, apply("batched_dot", a, b, reduce=c.ndim == 2))
                return
            call = checked_call(self.device, "batched_matmul", self.device.batched_matmul(a, b, c))
            what = _product("batched_dot", a, b, c)
            call = self.tracer.watch(call, what, self)
            self.remember(key, call, (a.storage, b.storage, c.storage))
        self.launch(call)

    def xnor_compound_dot(
        self, A: Tensor, B: Tensor, C: Tensor, beta: float = 0.0, bsum: Tensor | None = None
    ) -> Tensor:
        """`C = A @ B` for matrices of +1 and -1; `beta` is accepted and ignored, as in neon.

        Example:
            signs, products = be.binarize(x, be.empty((3, 4)), stochastic=False), be.empty((3, 3))
            be.xnor_compound_dot(signs, signs.T, products)
        """
        return self.compound_dot(A, B, C, bsum=bsum)

    def copy_transpose(self, a: Tensor, out: Tensor, axes: Any = None, repeat: int = 1) -> None:
        """`out = a` with its axes in the order `axes`; None reverses them.

        Raises:
            ShapeError: out has another shape, or `axes` is no order of the axes.
            AliasError: out shares memory with a.

        Example:
            turned = be.empty((4, 3))
            be.copy_transpose(x, turned)
        """
        for t in (a, out):
            if not isinstance(t, Tensor):
                raise DtypeError(f"copy_transpose: {type(t).__name__} is not a Tensor")
            self.check_same_backend("copy_transpose", t)
        source = a.permute(range(a.ndim)[::-1] if axes is None else axes)
        if source.shape != out.shape:
            raise ShapeError(
                f"copy_transpose: shape {a.shape} with axes {axes} becomes {source.shape}, out has "
                f"{out.shape}"
            )
        if views_overlap(a, out):
            raise AliasError(
                f"copy_transpose: out of shape {out.shape} shares memory with the input; assign "
                "the transpose: out[:] = a.T"
            )
        self.assign(out, source)

    def update_fc_bias(self, err: Tensor, out: Tensor) -> None:
        """`out` = the sum of `err` over axis 1.

        Example:
            gradient = be.empty((3, 1))
            be.update_fc_bias(x, gradient)
        """
        self.assign(out, self.sum(err, axis=1))

    def add_fc_bias(self, inputs: Tensor, bias: Tensor) -> None:
        """`inputs += bias`, in place.

        Example:
            be.add_fc_bias(y, be.ones((3, 1)))
        """
        check_tensors("add_fc_bias", inputs=inputs)
        check_operands("add_fc_bias", bias=bias)
        self.assign(inputs, inputs + bias)


def _product(name: str, *tensors: Tensor, factors: tuple[float, float] = (1.0, 0.0)) -> Launched:
    """What a launch of products does: a, b and c of each."""
    shapes = tuple(t.shape for t in tensors)
    return Launched(None, name, shapes, tuple(map(weakly, tensors)), factors)


def _check_shapes(op: str, a: Tensor, b: Tensor, c: Tensor) -> None:
    fit = all(t.ndim == 2 for t in (a, b, c)) and a.shape[1] == b.shape[0]
    if not fit or (a.shape[0], b.shape[1]) != c.shape:
        raise ShapeError(
            f"{op}: shapes {a.shape}, {b.shape} -> {c.shape} do not fit; needed are "
            "(m, k), (k, n) -> (m, n)"
        )


def _described(product: Any) -> str:
    return f"{len(product)} of them" if isinstance(product, tuple) else type(product).__name__
