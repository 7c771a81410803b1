"""Sizes of convolution and pooling layers: what `be.conv_layer` and its kin return.

The names are neon's; there is one such object for all backends, the module's name is history.
"""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

from neonport.backends.arguments import check_counts
from neonport.errors import ConfigurationError

Ints = tuple[int, ...]


def ceil_div(x: int, y: int) -> int:
    """`x / y`, rounded up."""
    return -(-x // y)


class SizeRules(Protocol):
    """A backend, as far as sizes depend on it."""

    def output_dim(
        self, X: int, S: int, padding: int, strides: int, pooling: bool = False, dilation: int = 1
    ) -> int:
        """Size along an axis after windows of size `S` slid over it."""


class _Sizes:
    """Common base: shapes of inputs and outputs, in five dimensions and in two.

    Attributes:
        C, K, M, P, Q, N: maps in and out, output depth, height, width, batch.
        dimI, dimO: (C, D, H, W, N) and (K, M, P, Q, N); dimI2, dimO2 with features in one axis.
        sizeI, sizeO: their numbers of elements.
        DHW, MPQ: sizes without maps and batch.
        nOut: output features.
        params: parameters of the ops, as they stand in the op table.
    """

    params: dict[str, Any]

    def __init__(
        self, lib: SizeRules, dtype: Any, maps: tuple[int, int], inputs: Ints, outputs: Ints, n: int
    ) -> None:
        self.lib = lib
        self.dtype = dtype
        self.N = n
        self.C, self.K = maps
        self.DHW, self.MPQ = inputs, outputs
        self.M, self.P, self.Q = outputs
        self.dimI, self.dimO = (self.C, *inputs, n), (self.K, *outputs, n)
        self.dimI2 = (self.C * prod(inputs), n)
        self.dimO2 = (self.K * prod(outputs), n)
        self.sizeI, self.sizeO = prod(self.dimI), prod(self.dimO)
        self.nOut = self.dimO2[0]


class ConvLayer(_Sizes):
    """A convolution of (C, D, H, W, N) by filters (C, T, R, S, K) to (K, M, P, Q, N).

    Args:
        lib: the backend.
        dtype: of its tensors.
        N, C, K: batch, maps in, maps out.
        D, H, W: input depth, height, width.
        T, R, S: filter depth, height, width.
        pad_d, pad_h, pad_w: zeros on each side.
        str_d, str_h, str_w: strides.
        dil_d, dil_h, dil_w: distances of filter cells.

    Attributes:
        TRS, NCK, dimF, dimF2, dimS, sizeF: shapes of filters; dimS is that of a number a map.
        padding, strides, dilation: (d, h, w).
    """

    def __init__(
        self,
        lib: SizeRules,
        dtype: Any,
        N: int,
        C: int,
        K: int,
        D: int = 1,
        H: int = 1,
        W: int = 1,
        T: int = 1,
        R: int = 1,
        S: int = 1,
        pad_d: int = 0,
        pad_h: int = 0,
        pad_w: int = 0,
        str_d: int = 1,
        str_h: int = 1,
        str_w: int = 1,
        dil_d: int = 1,
        dil_h: int = 1,
        dil_w: int = 1,
    ) -> None:
        op = "conv_layer"
        check_counts(op, 0, N=N, C=C, K=K, D=D, H=H, W=W, pad_d=pad_d, pad_h=pad_h, pad_w=pad_w)
        check_counts(op, 1, T=T, R=R, S=S, str_d=str_d, str_h=str_h, str_w=str_w)
        check_counts(op, 1, dil_d=dil_d, dil_h=dil_h, dil_w=dil_w)
        self.padding = (pad_d, pad_h, pad_w)
        self.strides = (str_d, str_h, str_w)
        self.dilation = (dil_d, dil_h, dil_w)
        self.TRS = (T, R, S)
        axes = zip((D, H, W), self.TRS, self.padding, self.strides, self.dilation, strict=True)
        counts = tuple(lib.output_dim(n, t, p, s, dilation=d) for n, t, p, s, d in axes)
        super().__init__(lib, dtype, (C, K), (D, H, W), counts, N)
        self.NCK = (N, C, K)
        self.dimF, self.dimF2, self.dimS = (C, T, R, S, K), (C * T * R * S, K), (K, 1)
        self.sizeF = prod(self.dimF)
        self.params = {
            "padding": self.padding,
            "stride": self.strides,
            "dilation": self.dilation,
        }
        self._mklop = False

    def get_is_mklop(self) -> bool:
        """Neon's mark of a native MKL kernel, without effect here."""
        return self._mklop

    def set_is_mklop(self) -> None:
        """Set neon's mark."""
        self._mklop = True

    def set_not_mklop(self) -> None:
        """Remove neon's mark."""
        self._mklop = False


class DeconvLayer(ConvLayer):
    """The convolution whose gradient for its input is a deconvolution.

    K, M, P, Q describe the input of the deconvolution, C, D, H, W its output.

    Args:
        lib: the backend.
        dtype: of its tensors.
        N, C, K: batch, maps out, maps in.
        M, P, Q: input depth, height, width.
        T, R, S, ...: filters, padding, strides, dilation as of `ConvLayer`.
    """

    def __init__(
        self,
        lib: SizeRules,
        dtype: Any,
        N: int,
        C: int,
        K: int,
        M: int,
        P: int,
        Q: int,
        T: int = 1,
        R: int = 1,
        S: int = 1,
        pad_d: int = 0,
        pad_h: int = 0,
        pad_w: int = 0,
        str_d: int = 1,
        str_h: int = 1,
        str_w: int = 1,
        dil_d: int = 1,
        dil_h: int = 1,
        dil_w: int = 1,
    ) -> None:
        op = "deconv_layer"
        check_counts(op, 0, M=M, P=P, Q=Q, pad_d=pad_d, pad_h=pad_h, pad_w=pad_w)
        check_counts(op, 1, T=T, R=R, S=S, str_d=str_d, str_h=str_h, str_w=str_w)
        check_counts(op, 1, dil_d=dil_d, dil_h=dil_h, dil_w=dil_w)
        D, H, W = (
            (m - 1) * step - 2 * pad + dil * (t - 1) + 1
            for m, t, pad, step, dil in (
                (M, T, pad_d, str_d, dil_d),
                (P, R, pad_h, str_h, dil_h),
                (Q, S, pad_w, str_w, dil_w),
            )
        )
        super().__init__(
            lib, dtype, N, C, K, D, H, W, T, R, S, pad_d, pad_h, pad_w, str_d, str_h, str_w,
            dil_d, dil_h, dil_w,
        )  # fmt: skip
        self.D, self.H, self.W = D, H, W
        self.nOut = C * D * H * W


class PoolLayer(_Sizes):
    """A pooling of (C, D, H, W, N) to (K, M, P, Q, N).

    Args:
        lib: the backend.
        dtype: of its tensors.
        op: "max", "avg" or "l2" ("lrn" for `lrn_layer`).
        N, C, D, H, W: batch, maps, depth, height, width.
        J, T, R, S: window over maps, depth, height, width.
        pad_c, pad_d, pad_h, pad_w: cells on each side; they never count.
        str_c, str_d, str_h, str_w: strides, None: as large as the window.

    Attributes:
        JTRS, padding, strides: of all four axes.
        overlap: how many windows a cell is in, at most.

    Raises:
        ConfigurationError: an unknown op, or a padding as large as the window.
    """

    def __init__(
        self,
        lib: SizeRules,
        dtype: Any,
        op: str,
        N: int,
        C: int,
        D: int = 1,
        H: int = 1,
        W: int = 1,
        J: int = 1,
        T: int = 1,
        R: int = 1,
        S: int = 1,
        pad_c: int = 0,
        pad_d: int = 0,
        pad_h: int = 0,
        pad_w: int = 0,
        str_c: int | None = None,
        str_d: int | None = None,
        str_h: int | None = None,
        str_w: int | None = None,
    ) -> None:
        if op not in ("max", "avg", "l2", "lrn"):
            raise ConfigurationError(f"pool_layer: op {op!r} must be 'max', 'avg' or 'l2'")
        what = f"{'lrn' if op == 'lrn' else 'pool'}_layer"
        check_counts(what, 0, N=N, C=C, D=D, H=H, W=W)
        check_counts(what, 0, pad_c=pad_c, pad_d=pad_d, pad_h=pad_h, pad_w=pad_w)
        check_counts(what, 1, J=J, T=T, R=R, S=S)
        steps = {"str_c": str_c, "str_d": str_d, "str_h": str_h, "str_w": str_w}
        check_counts(what, 1, **{name: n for name, n in steps.items() if n is not None})
        self.op = op
        self.JTRS = (J, T, R, S)
        self.padding = (pad_c, pad_d, pad_h, pad_w)
        self.strides = tuple(
            w if s is None else s for s, w in zip(steps.values(), self.JTRS, strict=True)
        )
        axes = zip((C, D, H, W), self.JTRS, self.padding, self.strides, strict=True)
        counts = tuple(lib.output_dim(n, w, p, s, pooling=True) for n, w, p, s in axes)
        super().__init__(lib, dtype, (C, counts[0]), (D, H, W), counts[1:], N)
        self.dimF2 = None
        self.overlap = float(
            prod(ceil_div(w, s) for w, s in zip(self.JTRS, self.strides, strict=True))
        )
        self.params = {"window": self.JTRS, "padding": self.padding, "stride": self.strides}
