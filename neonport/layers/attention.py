"""MultiHeadAttention: every time step looks at the others (Vaswani et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_init, check_inputs, check_positive_int, label
from neonport.layers.named_parameters import NamedParameterLayer
from neonport.layers.shapes import is_int
from neonport.tensor.tensor import Tensor

Make = Callable[[tuple[int, ...]], Tensor]


class MultiHeadAttention(NamedParameterLayer):
    """Self-attention: for each head softmax(K' Q / sqrt(d)) over the keys, applied to V.

    Queries, keys and values are linear in the inputs, `heads` blocks of d = F / heads rows each;
    what the heads give is stacked and taken through another linear map.

    Args:
        heads: number of heads; divides the number of features.
        init: initializer of the weights, or its name.
        bias: initializer of biases of the four linear maps; None for no biases.
        causal: a step sees itself and earlier steps only.
        name: given name, or None.

    Attributes:
        parameters: "qkv" (3 F, F): rows of queries, keys, values, in each the heads one below the
            other; "out" (F, F); with biases "qkv_bias" (3 F, 1) and "out_bias" (F, 1).

    Raises:
        ConfigurationError: `heads` is no positive integer.

    Example:
        layer = MultiHeadAttention(heads=3, init=Gaussian(scale=0.1), causal=True)
        layer.configure((3, 1))
        layer.allocate()
        assert layer.fprop(x).shape == x.shape
    """

    # Between the linear maps the samples come first: (features, N, T) instead of (features, T, N).
    # So the matrices of a head and sample are contiguous, one batched product serves them all, and
    # only inputs and outputs are turned. Scores are (keys, queries): folding over keys goes along
    # whole rows. What is stored is exp(scores - max); 1 / sum is applied to the values, which are
    # fewer, and the backward pass takes both from here.

    neon_module = "neonport.layers.attention"

    def __init__(
        self,
        heads: int,
        init: Any,
        bias: Any = None,
        causal: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.heads = check_positive_int(self, "heads", heads)
        self.init = check_init(self, init)
        self.bias = check_init(self, bias, "bias")
        self.causal = bool(causal)
        self._buffers: Any = None
        self._turned_in: Any = None
        self._turned_out: Any = None

    def __str__(self) -> str:
        features, steps = self.in_shape or ("?", "?")
        return (
            f"{self.classnm} Layer '{self.name}': {features} inputs and outputs, {steps} steps, "
            f"{self.heads} heads{', causal' if self.causal else ''}"
        )

    def configure(self, in_obj: Any) -> MultiHeadAttention:
        """The shape stays; parameters are made.

        Raises:
            ConfigurationError: the input has no time steps, or features that the heads cannot
                share.
        """
        super().configure(in_obj)
        if is_int(self.in_shape) or len(self.in_shape) != 2:
            raise ConfigurationError(
                f"{label(self)}: the input shape {self.in_shape} has no time steps; needed is "
                "(features, steps), for instance by Reshape((features, steps)) before it"
            )
        features, _ = self.in_shape
        if features % self.heads:
            raise ConfigurationError(
                f"{label(self)}: {features} features cannot be shared by heads={self.heads}; give "
                "a divisor of the number of features"
            )
        self.out_shape = self.in_shape
        self.parameter("qkv", (3 * features, features), self.init)
        self.parameter("out", (features, features), self.init)
        if self.bias is not None:
            self.parameter("qkv_bias", (3 * features, 1), self.bias)
            self.parameter("out_bias", (features, 1), self.bias)
        self._buffers = None
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, parameters (unless loaded) and the buffers in between."""
        super().allocate(shared_outputs, accumulate_updates)
        if self._buffers is None:
            features, steps = self.in_shape
            self._buffers = _Buffers(
                self.be, self.outputs.dtype, features, steps, self.heads, self.causal
            )
        self._turned_in = self._turned_out = None

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute the attended values + beta * outputs.

        Args:
            inputs: (F, T * N).
            inference: makes no difference.
            beta: factor of what the output buffer holds.
        """
        check_inputs(self, inputs, self.outputs.dtype if self.outputs is not None else None)
        be, b = self.be, self._buffers
        if self._turned_in is None or self.inputs is not inputs:
            self.inputs = inputs
            self._turned_in = b.turned(inputs), b.turned(self.outputs)
        x, y = self._turned_in
        b.x.wide[:] = x
        be.compound_dot(self._value("qkv"), b.x.flat, b.rows.flat)
        q, kv = b.rows.q, b.rows.kv
        if self.bias is not None:
            bias = self._value("qkv_bias").reshape((3 * self.heads, 1, -1, 1))
            q, kv = q + bias[: self.heads], kv + bias[self.heads :]
        be.assign_many([(b.heads.q, q * b.scale), (b.heads.kv, kv)])
        be.batched_dot(b.kt, b.q, b.scores)
        scores = b.scores if b.mask is None else b.scores + b.mask
        weights = be.exp(scores - be.max(scores, axis=1))
        be.assign_many([(b.weights, weights), (b.inverse, 1.0 / be.sum(weights, axis=1))])
        be.batched_dot(b.v, b.weights, b.values)
        b.merged.heads[:] = b.values_by_head * b.inverse_by_head
        be.compound_dot(self._value("out"), b.merged.flat, b.turning.flat)
        tree = b.turning.wide
        if self.bias is not None:
            tree = tree + self._value("out_bias").reshape((-1, 1, 1))
        y[:] = tree + beta * y if beta else tree
        return self.outputs

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Gradients of the inputs (alpha * gradient + beta * deltas) and of every parameter.

        Args:
            error: (F, T * N).
            alpha: factor of the input gradient; gradients of parameters are not scaled.
            beta: factor of what `deltas` holds.
        """
        check_error(self, error)
        be, b, deltas = self.be, self._buffers, self.deltas
        if self._turned_out is None or self._turned_out[0] is not error:
            self._turned_out = error, b.turned(error), None if deltas is None else b.turned(deltas)
        _, turned, below = self._turned_out
        b.turning.wide[:] = turned
        if not self.frozen:
            be.compound_dot(b.turning.flat, b.merged.turned, self._gradient("out"))
        be.compound_dot(self._value("out").T, b.turning.flat, b.gradient.flat)
        b.errors_by_head[:] = b.gradient.heads * b.inverse_by_head
        be.batched_dot(b.vt, b.errors, b.scores)
        b.inner[:] = b.inverse * be.sum(b.errors * b.values, axis=1)
        be.batched_dot(b.errors, b.weights_t, b.dv)
        b.scores[:] = b.weights * (b.scores - b.inner)
        be.batched_dot(b.k, b.scores, b.dq)
        be.batched_dot(b.q, b.scores_t, b.dk)
        be.assign_many([(b.rows.q, b.dheads.q * b.scale), (b.rows.kv, b.dheads.kv)])
        if not self.frozen:
            be.compound_dot(b.rows.flat, b.x.turned, self._gradient("qkv"))
        if self.bias is not None and not self.frozen:
            self._gradient("out_bias")[:] = be.sum(b.turning.flat, axis=1)
            self._gradient("qkv_bias")[:] = be.sum(b.rows.flat, axis=1)
        if deltas is None:
            return None
        be.compound_dot(self._value("qkv").T, b.rows.flat, b.gradient.flat)
        tree = b.gradient.wide if alpha == 1 else alpha * b.gradient.wide
        below[:] = tree + beta * below if beta else tree
        return deltas

    def _value(self, name: str) -> Any:
        return self.parameters[name].value

    def _gradient(self, name: str) -> Any:
        return self.parameters[name].gradient


class _Rows:
    """Rows of linear maps, samples before steps: (rows, N * T).

    Attributes:
        flat, turned: (rows, N * T), and its transpose.
        wide: (rows, N, T).
        heads: (blocks, N, d, T), where d rows are a block; `q` the first third of the blocks, `kv`
            the others.
    """

    def __init__(self, empty: Make, rows: int, batch: int, steps: int, blocks: int) -> None:
        self.flat = empty((rows, batch * steps))
        self.turned = self.flat.T
        self.wide = self.flat.reshape((rows, batch, steps))
        self.heads = self.flat.reshape((blocks, rows // blocks, batch, steps)).permute((0, 2, 1, 3))
        self.q, self.kv = self.heads[: blocks // 3], self.heads[blocks // 3 :]


class _Heads:
    """Matrices (d, T) of queries, keys and values, one for each head and sample, contiguous.

    Attributes:
        q, kv: (H, N, d, T), and keys and values as (2 H, N, d, T).
        parts: queries, keys and values, each (H * N, d, T).
    """

    def __init__(self, empty: Make, size: int, batch: int, steps: int, heads: int) -> None:
        whole = empty((3 * heads, batch, size, steps))
        self.q, self.kv = whole[:heads], whole[heads:]
        matrices = whole.reshape((3 * heads * batch, size, steps))
        n = heads * batch
        self.parts = matrices[:n], matrices[n : 2 * n], matrices[2 * n :]


class _Buffers:
    """What a MultiHeadAttention keeps between its steps, and how each step sees it.

    Args:
        be: backend; its batch size is N.
        dtype: of all buffers.
        features, steps: F and T.
        heads: H, of d = F / H rows each.
        causal: whether a mask is needed.
    """

    def __init__(
        self, be: Any, dtype: Any, features: int, steps: int, heads: int, causal: bool
    ) -> None:
        batch, size = be.bsz, features // heads
        empty = partial(be.empty, dtype=dtype)
        self.sizes = features, steps, batch
        self.scale = 1.0 / sqrt(size)
        self.x, self.merged, self.turning, self.gradient = (
            _Rows(empty, features, batch, steps, heads) for _ in range(4)
        )
        self.rows = _Rows(empty, 3 * features, batch, steps, 3 * heads)
        self.heads, self.dheads = (_Heads(empty, size, batch, steps, heads) for _ in range(2))
        self.q, self.k, self.v = self.heads.parts
        self.dq, self.dk, self.dv = self.dheads.parts
        self.scores, self.weights = (empty((heads * batch, steps, steps)) for _ in range(2))
        # views are made once: a step makes none
        self.kt, self.vt, self.scores_t, self.weights_t = (
            tensor.T for tensor in (self.k, self.v, self.scores, self.weights)
        )
        self.inverse, self.inner = (empty((heads * batch, 1, steps)) for _ in range(2))
        self.values, self.errors = (empty((heads * batch, size, steps)) for _ in range(2))
        self.values_by_head, self.errors_by_head = (
            t.reshape((heads, batch, size, steps)) for t in (self.values, self.errors)
        )
        self.inverse_by_head = self.inverse.reshape((heads, batch, 1, steps))
        self.mask: Any = None
        if causal and steps > 1:
            later = np.tril(np.ones((1, steps, steps)), -1)  # keys after the query
            self.mask = be.array(np.where(later, -np.inf, 0.0), dtype=dtype)

    def turned(self, tensor: Tensor) -> Tensor:
        """A tensor (F, T * N) seen as (F, N, T)."""
        return tensor.reshape(self.sizes).permute((0, 2, 1))
