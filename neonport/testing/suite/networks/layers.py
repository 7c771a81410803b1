"""Cases of the calls that layers make beyond ops: batch norm, softmax, skips, histograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.testing.cases import FLOATS, Case, Outcome, Want, compare, exactly
from neonport.testing.tolerances import Allowance

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
# absolute and relative to the values, which are near 1
TOLERANCE = {"float16": 4e-3, "bfloat16": 3.2e-2, "float32": 1e-5, "float64": 1e-12}
K, L = 5, 24
EPSILON, RHO = 1e-3, 0.9


def near(values: Any, dtype: str) -> Want:
    """Want these values up to the accuracy of a formula of some ops."""
    wide = np.asarray(values, np.float64)
    bound = TOLERANCE[dtype]
    return Want(wide, Allowance(bound * (1 + np.abs(wide)), bound))


def shift(x: Any, s: Any) -> Array:
    """`x` times the power of two nearest to `s`."""
    with np.errstate(all="ignore"):
        return np.asarray(x * np.sign(s) * 2.0 ** np.rint(np.log2(np.abs(s))))


class Norm:
    """A batch norm: tensors, host copies and the formulas (Ioffe and Szegedy, 2015)."""

    def __init__(self, be: Backend, dtype: str) -> None:
        self.be, self.dtype = be, dtype
        self.stats = "float64" if dtype == "float64" else "float32"
        rng = np.random.RandomState(7)
        # multiples of 1/16: exact in every dtype
        self.x = np.rint(rng.randn(K, L) * 16) / 16 + np.arange(K).reshape(K, 1)
        self.error = np.rint(rng.randn(K, L) * 16) / 16
        self.gamma = np.array([[1.0], [2.0], [0.5], [-1.0], [1.5]])
        self.beta = np.array([[0.0], [1.0], [-1.0], [0.5], [2.0]])
        self.tx = be.array(self.x, dtype=dtype)
        self.ty = be.array(np.full((K, L), np.nan), dtype=dtype)
        self.t = {
            name: be.array(values, dtype=self.stats)
            for name, values in (
                ("xsum", np.zeros((K, 1))),
                ("xvar", np.zeros((K, 1))),
                ("gmean", np.ones((K, 1))),
                ("gvar", np.full((K, 1), 2.0)),
                ("gamma", self.gamma),
                ("beta", self.beta),
            )
        }

    def forward(self, **kwargs: Any) -> None:
        """Run the backend's forward pass."""
        t = self.t
        kwargs = {"compute_batch_sum": True, **kwargs}
        self.be.compound_fprop_bn(
            self.tx, t["xsum"], t["xvar"], t["gmean"], t["gvar"], t["gamma"], t["beta"], self.ty,
            EPSILON, RHO, **kwargs,
        )  # fmt: skip

    def check(self, wanted: dict[str, Any], y: Array) -> Outcome:
        """Compare statistics and output."""
        for name, values in wanted.items():
            outcome = compare(self.t[name].get(), near(values, self.stats))
            if outcome.message:
                return outcome._replace(message=f"{name}: {outcome.message}")
        return compare(self.ty.get(), near(y, self.dtype))


def _train(dtype: str, relu: bool, accumulate: float, binary: bool, be: Backend) -> Outcome:
    norm = Norm(be, dtype)
    before = np.full((K, L), 0.5)
    if accumulate:
        norm.ty[:] = 0.5
    norm.forward(relu=relu, accumbeta=accumulate, binary=binary)
    mean = norm.x.mean(1, keepdims=True)
    centred = norm.x - mean
    var = (shift(centred, centred) if binary else centred**2).mean(1, keepdims=True)
    inverse = 1 / np.sqrt(var + EPSILON)
    times: Callable[[Any, Any], Array] = shift if binary else np.multiply
    y = times(times(centred, inverse), norm.gamma) + norm.beta
    y = np.maximum(y, 0) if relu else y
    wanted = {
        "xsum": mean,
        "xvar": var,
        "gmean": RHO * 1 + (1 - RHO) * mean,
        "gvar": RHO * 2 + (1 - RHO) * var,
    }
    return norm.check(wanted, y + (accumulate * before if accumulate else 0))


def _inference(dtype: str, be: Backend) -> Outcome:
    norm = Norm(be, dtype)
    norm.forward(inference=True)
    y = (norm.x - 1) / np.sqrt(2 + EPSILON) * norm.gamma + norm.beta
    return norm.check({"gmean": np.ones((K, 1)), "gvar": np.full((K, 1), 2.0)}, y)


def _given_sum(dtype: str, be: Backend) -> Outcome:
    norm = Norm(be, dtype)
    norm.t["xsum"][:] = be.sum(norm.tx, axis=1)
    norm.forward(compute_batch_sum=False)
    mean, var = norm.x.mean(1, keepdims=True), norm.x.var(1, keepdims=True)
    y = (norm.x - mean) / np.sqrt(var + EPSILON) * norm.gamma + norm.beta
    return norm.check({"xsum": mean, "xvar": var}, y)


def _backward(dtype: str, alias: bool, be: Backend) -> Outcome:
    norm = Norm(be, dtype)
    norm.forward()
    error = be.array(norm.error, dtype=dtype)
    out = error if alias else be.empty((K * L, 1), dtype=dtype)
    gamma, beta = (be.empty((K, 1), dtype=norm.stats) for _ in range(2))
    grads = [gamma, beta]
    t = norm.t
    be.compound_bprop_bn(
        out, gamma, beta, error, norm.tx, t["xsum"], t["xvar"], t["gamma"], EPSILON
    )
    mean, var = norm.x.mean(1, keepdims=True), norm.x.var(1, keepdims=True)
    inverse = 1 / np.sqrt(var + EPSILON)
    hat = (norm.x - mean) * inverse
    g_gamma = (hat * norm.error).sum(1, keepdims=True)
    g_beta = norm.error.sum(1, keepdims=True)
    delta = (norm.error - (hat * g_gamma + g_beta) / L) * norm.gamma * inverse
    for got, wanted in ((grads[0], g_gamma), (grads[1], g_beta)):
        outcome = compare(got.get(), near(wanted, norm.stats))
        if outcome.message:
            return outcome
    return compare(out.get().reshape(K, L), near(delta, dtype))


def _activations(dtype: str, be: Backend) -> Outcome:
    host = np.array([[-2.0, -0.5, 0.0, 0.5, 3.0]])
    x, out = be.array(host, dtype=dtype), be.empty((1, 5), dtype=dtype)
    formulas: dict[str, tuple[Any, Array]] = {
        "relu": (be.fprop_relu(None, x, 0), np.maximum(host, 0)),
        "leaky relu": (be.fprop_relu(None, x, 0.25), np.where(host > 0, host, host * 0.25)),
        "derivative": (be.bprop_relu(None, x), (host > 0) * 1.0),
        "leaky derivative": (be.bprop_relu(None, x, slope=0.25), (host > 0) + 0.25 * (host < 0)),
        "mean": (be.mean(x), np.full((1, 5), host.mean())),
        "std": (be.std(x, axis=1), np.full((1, 5), host.std())),
        "clip": (be.clip(x, -0.75, be.array([[1.0]], dtype=dtype)), np.clip(host, -0.75, 1)),
        "reciprocal": (be.reciprocal(x + 4), 1 / (host + 4)),
    }
    for name, (tree, wanted) in formulas.items():
        out[:] = tree
        outcome = compare(out.get(), near(wanted, dtype))
        if outcome.message:
            return outcome._replace(message=f"{name}: {outcome.message}")
    return Outcome()


def _softmax(dtype: str, axis: int, be: Backend) -> Outcome:
    host = (np.rint(np.random.RandomState(1).randn(31, 9) * 16) / 4).astype(dtype)
    x = be.array(host, dtype=dtype)
    x[:] = be.fprop_softmax(x, axis=axis)
    e = np.exp(host.astype(np.float64) - host.max(axis, keepdims=True))
    return compare(x.get(), near(e / e.sum(axis, keepdims=True), dtype))


def _skips(be: Backend) -> Outcome:
    x, y = be.array([[1.0, 2.0]]), be.array([[np.nan, np.nan]])
    be.fprop_skipnode(x, y, 0.0)
    be.fprop_skipnode(x, y, 2.0)
    deltas = be.array([[np.nan, 1.0]])
    be.bprop_skipnode(y, deltas, 0.5, 0.0)
    be.bprop_skipnode(y, deltas, 1.0, 2.0)
    if y.get().tolist() != [[3, 6]] or deltas.get().tolist() != [[6, 12]]:
        return Outcome(message=f"{y.get()} {deltas.get()}")
    bias = be.array([[5.0]])
    be.add_fc_bias(x, bias)
    be.update_fc_bias(x, bias)
    right = x.get().tolist() == [[6, 7]] and bias.get().tolist() == [[13]]
    return Outcome(message="" if right else f"bias: {x.get()} {bias.get()}")


F, T, HEADS = 4, 3, 2


def _attend(x: Array, p: dict[str, Array], batch: int) -> Array:
    """Causal attention of normalised columns of x (F, T * N), by its definition."""
    normal = (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON)
    y = np.empty_like(x)
    for n in range(batch):
        parts = (p["qkv"] @ normal[:, n::batch]).reshape(3, HEADS, F // HEADS, T)
        seen = []
        for q, k, v in zip(*parts, strict=True):
            scores = np.exp(np.where(np.tri(T, k=-1), -np.inf, k.T @ q / np.sqrt(len(q))))
            seen.append(v @ (scores / scores.sum(0)))
        y[:, n::batch] = p["out"] @ np.concatenate(seen)
    return y


def _attention(be: Backend) -> Outcome:
    """A small network of layers: values, and a derivative along one direction."""
    from neonport.initializers import Constant
    from neonport.layers import LayerNorm, MultiHeadAttention, Sequential

    batch, rng = be.bsz, np.random.RandomState(3)
    x, error, way = (rng.randn(F, T * batch) for _ in range(3))
    p = {"qkv": rng.randn(3 * F, F) / 2, "out": rng.randn(F, F) / 2}
    attention = MultiHeadAttention(HEADS, Constant(0.0), causal=True)
    net = Sequential([LayerNorm(EPSILON), attention])
    net.set_backend(be)
    net.configure((F, T))
    net.layers[0].prev_layer = True  # as if a layer stood below, which wants a gradient
    attention.set_params({"params": p})
    net.allocate()
    net.layers[0].set_deltas([None, None])
    attention.set_deltas([None, None])
    dtype = be.default_dtype.name
    outcome = compare(net.fprop(be.array(x)).get(), near(_attend(x, p, batch), dtype))
    if outcome.message:
        return outcome
    deltas = net.bprop(be.array(error)).get().astype(np.float64)
    step = 1e-5
    ends = [(_attend(x + sign * step * way, p, batch) * error).sum() for sign in (1, -1)]
    wanted = (ends[0] - ends[1]) / (2 * step)
    # a sum of F * T * N products, so errors of all of them
    bound = TOLERANCE[dtype] * np.abs(deltas * way).sum() + 1e-8
    gap = abs(float((deltas * way).sum()) - wanted)
    return Outcome(gap, bound, "" if gap <= bound else f"gradient: {gap:.3g} over {bound:.3g}")


def _histogram(dtype: str, be: Backend) -> Outcome:
    values = [0, 1, 3, -100, 2, 0, 7, 100]
    be.set_hist_buffers(64, -48)
    got = be.array([values], dtype=dtype)[:, ::-1].hist("tag").get()
    wanted = np.zeros((1, 64), np.int32)
    for v in values:
        wanted[0, 0 if v == 0 else 48 + int(np.rint(np.log2(abs(v))))] += 1
    table, rows = be.dump_hist_data()
    if rows != {"tag": 0} or be.dump_hist_data()[1]:
        return Outcome(message=f"map {rows}")
    outcome = compare(got, exactly(wanted))
    return outcome if outcome.message else compare(table.get()[:1], exactly(wanted))


def cases() -> Iterator[Case]:
    """All cases of layer operations."""
    for dtype in FLOATS:
        needs = frozenset([dtype])
        for relu, accumulate, binary in (
            (False, 0.0, False),
            (True, 0.0, False),
            (True, 0.5, False),
            (False, 0.0, True),
        )[: 4 if dtype == "float32" else 1]:
            run: Any = partial(_train, dtype, relu, accumulate, binary)
            label = f"{dtype} training relu={relu} accumbeta={accumulate} binary={binary}"
            yield Case("batch norm", label, run, needs)
        yield Case("batch norm", f"{dtype} inference", partial(_inference, dtype), needs)
        yield Case("batch norm", f"{dtype} given sums", partial(_given_sum, dtype), needs)
        for alias in (False, True):
            run = partial(_backward, dtype, alias)
            yield Case("batch norm", f"{dtype} backward, in place {alias}", run, needs)
        yield Case("layers", f"{dtype} activations", partial(_activations, dtype), needs)
        for axis in (0, 1):
            run = partial(_softmax, dtype, axis)
            yield Case("layers", f"{dtype} softmax axis {axis}", run, needs)
    for dtype in ("float32", "int8", "float16"):
        wide = frozenset([dtype]) & set(FLOATS)
        yield Case("layers", f"{dtype} histogram", partial(_histogram, dtype), wide)
    yield Case("layers", "skips and biases", _skips)
    yield Case("layers", "attention of normalised inputs", _attention)
