"""Gradients of every differentiable op in float64, against differences of the op's definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.autodiff.autodiff import Autodiff
from neonport.autodiff.vjps import ROWS
from neonport.backends.home import home
from neonport.ops.op import OPS, Kind
from neonport.optree.node import apply
from neonport.optree.node import tensors as leaves
from neonport.testing.cases import Batch, Case, Statement, Want
from neonport.testing.layouts import Target
from neonport.testing.reference import Interpreter
from neonport.testing.tolerances import Allowance

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]
STEP = 2.0**-17  # exact in float64; the definition is evaluated with more digits
BOUND = 1e-7
CONV = {"padding": (0, 1, 1), "stride": (1, 2, 2), "dilation": (1, 1, 1)}
POOL = {"window": (1, 1, 3, 2), "padding": (0, 0, 1, 1), "stride": (1, 1, 2, 1)}
LRN = {"width": 3, "ascale": 0.8, "bpower": 0.6}
STEPS = {"activation": "tanh", "steps": 2}
GATED = {"activation": "tanh", "gate_activation": "logistic", "steps": 2}
ROIS = np.array([[0, 0, 0, 2, 2], [1, 1, 0, 3, 1]], np.float32)
INDEX = np.array([[2], [0], [2], [1]], np.int32)


def _pools(x: Tensor) -> Any:
    """All three kinds in one tree, each with a factor of its own."""
    most, mean, total = (
        apply("pool", x, how=how, **POOL, size=(2, 1, 2, 3)) for how in ("max", "avg", "sum")
    )
    return most + mean * 2.0 + total * 3.0


def _cells(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers of cells, the first of them outside."""
    values = np.arange(-1, np.prod(shape) - 1).reshape(shape) % 7 - 1
    return home(x).array(values, dtype=np.int32)


def _along(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Indices of an axis of 3, one occurring twice, one out of range."""
    values = np.arange(np.prod(shape)).reshape(shape) % 4
    return home(x).array(values, dtype=np.int32)


def _rois(x: Tensor) -> Tensor:
    return home(x).array(ROIS, dtype=np.float32)


# op: (shapes of the operands, how to apply it), for ops that are not element-wise
Maker = Callable[..., Any]
STRUCTURED: dict[str, tuple[tuple[tuple[int, ...], ...], Maker]] = {
    **{n: (((3, 4),), partial(apply, n, axes=(1,))) for n in ("sum", "prod", "max", "min", "var")},
    "transpose": (((2, 3, 4),), partial(apply, "transpose", perm=(2, 0, 1))),
    "reshape": (((3, 4),), partial(apply, "reshape", shape=(2, 6))),
    "broadcast": (((3, 1),), partial(apply, "broadcast", shape=(3, 4))),
    "slice": (((3, 4),), partial(apply, "slice", starts=(2, 0), steps=(-1, 2), shape=(2, 2))),
    "pad_region": (
        ((2, 2),),
        partial(apply, "pad_region", starts=(2, 0), steps=(-1, 2), shape=(3, 4)),
    ),
    "concat": (((3, 4), (3, 2)), partial(apply, "concat", axis=1)),
    "cumsum": (((3, 4),), partial(apply, "cumsum", axis=1, reverse=True)),
    "cumprod": (((3, 4),), partial(apply, "cumprod", axis=1, reverse=True, exclusive=False)),
    "linear_recurrence": (
        ((3, 4), (3, 4)),
        partial(apply, "linear_recurrence", axis=1, reverse=False),
    ),
    "sort": (((3, 4),), partial(apply, "sort", axis=0, descending=True)),
    "take_along_axis": (
        ((3, 4),),
        lambda x: apply("take_along_axis", x, _along(x, (2, 4)), axis=0),
    ),
    "scatter_add_along_axis": (
        ((2, 4),),
        lambda x: apply("scatter_add_along_axis", x, _along(x, (2, 4)), axis=0, size=3),
    ),
    "take": (((3, 4),), lambda x: apply("take", x, _index(x), axis=0)),
    "scatter_add": (((4, 2),), lambda x: apply("scatter_add", x, _index(x), axis=0, size=3)),
    "dot": (((3, 4), (4, 2)), partial(apply, "dot")),
    "batched_dot": (((2, 3, 4), (4, 2)), partial(apply, "batched_dot", reduce=False)),
    "conv": (((2, 1, 3, 4, 2), (2, 1, 2, 2, 2)), partial(apply, "conv", **CONV)),
    "conv_backward_data": (
        ((2, 1, 2, 2, 2), (2, 1, 2, 3, 2)),
        partial(apply, "conv_backward_data", **CONV, size=(1, 3, 4)),
    ),
    "conv_backward_filter": (
        ((2, 1, 3, 4, 2), (2, 1, 2, 3, 2)),
        partial(apply, "conv_backward_filter", **CONV, size=(1, 2, 2)),
    ),
    "pool": (((2, 1, 4, 3, 2),), _pools),
    "avg_pool_backward": (
        ((2, 1, 2, 3, 2),),
        partial(apply, "avg_pool_backward", how="avg", **POOL, size=(2, 1, 4, 3)),
    ),
    "max_pool_backward": (
        ((2, 1, 2, 3, 2),),
        lambda x: apply(
            "max_pool_backward", x, _cells(x, (2, 1, 2, 3, 2)), **POOL, size=(2, 1, 4, 3)
        ),
    ),
    "max_pool_gather": (
        ((2, 1, 4, 3, 2),),
        lambda x: apply("max_pool_gather", x, _cells(x, (2, 1, 2, 3, 2)), **POOL),
    ),
    "lrn_denominator": (
        ((4, 1, 1, 3, 1),),
        partial(apply, "lrn_denominator", width=3, ascale=0.8),
    ),
    "lrn": (((4, 1, 1, 3, 1),), partial(apply, "lrn", **LRN)),
    "lrn_backward": (((4, 1, 1, 3, 1),) * 2, partial(apply, "lrn_backward", **LRN)),
    "rnn": (((2, 6), (2, 2), (2, 1), (2, 3)), partial(apply, "rnn", **STEPS, reverse=False)),
    "lstm": (
        ((4, 6), (4, 1), (4, 1), (1, 3), (1, 3)),
        partial(apply, "lstm", **GATED, reverse=False),
    ),
    "gru": (
        ((6, 4), (6, 2), (6, 1), (2, 2)),
        partial(apply, "gru", **GATED, reverse=True),
    ),
    "roi_pool": (
        ((2, 4, 3, 2),),
        lambda x: apply("roi_pool", x, _rois(x), size=(2, 1), scale=1.0),
    ),
    "roi_pool_backward": (
        ((2, 2, 1, 2),),
        lambda x: apply("roi_pool_backward", x, _rois(x), _cells(x, (2, 2, 1, 2)), size=(4, 3, 2)),
    ),
    "roi_pool_gather": (
        ((2, 4, 3, 2),),
        lambda x: apply("roi_pool_gather", x, _rois(x), _cells(x, (2, 2, 1, 2))),
    ),
}


def _index(x: Tensor) -> Tensor:
    return home(x).array(INDEX, dtype=np.int32)


def _values(rng: np.random.RandomState, shape: tuple[int, ...], high: float) -> Array:
    """Distinct numbers between 0.4 and 2.4, a distance from each other and from 1.

    Where `high` is finite, they are squeezed to between 0.15 and 0.87 of it.
    """
    n = int(np.prod(shape))
    spread: Array = 0.43 + rng.permutation(n) * (2.0 / n)
    return spread.reshape(shape) * (1.0 if high == inf else high / 2.8)


def _difference(tree: Any, values: dict[int, Array], x: Any, weights: Array) -> Array:
    """Central differences of sum(weights * tree) with respect to a tensor."""
    found = np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        sides = []
        for step in (STEP, -STEP):
            moved = values[id(x)].copy()
            moved[at] += step
            value, _ = Interpreter({**values, id(x): moved}, tree.shape).run(tree)
            sides.append(np.sum(weights * value))
        found[at] = (sides[0] - sides[1]) / (2 * STEP)
    return found


def _operands(name: str, maker: Maker | None) -> list[tuple[int, ...]]:
    if maker is not None:
        return [tuple(shape) for shape in STRUCTURED[name][0]]
    shapes: list[tuple[int, ...]] = [(3, 4), (1, 4), (3, 1)]
    return shapes[: OPS[name].arity]


def _statements(names: list[str], be: Backend) -> list[Statement]:
    statements = []
    rng = np.random.RandomState(1)
    tensors: dict[Any, Any] = {}
    values: dict[int, Array] = {}
    for name in names:
        maker = STRUCTURED[name][1] if name in STRUCTURED else None
        operands = []
        high = OPS[name].domain[1]
        for key in [(i, shape, high) for i, shape in enumerate(_operands(name, maker))]:
            if key not in tensors:
                host = _values(rng, key[1], high)
                tensors[key] = t = be.array(host, dtype=np.float64)
                values[id(t)] = host
            operands.append(tensors[key])
        tree = maker(*operands) if maker else apply(name, *operands)
        for t in leaves(tree):  # indices and regions
            values[id(t)] = t.get()
        weights = rng.uniform(0.5, 1.5, tree.shape)
        cotangent = be.array(weights, dtype=np.float64)
        for x in _differentiable(name, operands):
            (gradient,) = Autodiff(tree, be, next_error=cotangent).get_grad_op_tree([x])
            wanted = _difference(tree, values, x, weights)
            out = Target(be, x.shape, "float64", "plain")
            allowed = Allowance(BOUND * (1 + np.abs(wanted)), BOUND)
            statements.append(Statement(out, gradient, Want(wanted, allowed)))
    return statements


def _differentiable(name: str, operands: list[Any]) -> list[Any]:
    return operands[1:] if name == "where" else operands


def cases() -> Iterator[Case]:
    """All gradient cases."""
    groups = [[n for n in ROWS if n in OPS and OPS[n].kind is Kind.ELEMENTWISE]]
    groups += [[n] for n in ROWS if n in STRUCTURED]
    for names in groups:
        ids = [
            (n, f"gradient of operand {i}")
            for n in names
            for i in range(len(_differentiable(n, _operands(n, STRUCTURED.get(n, (0, None))[1]))))
        ]
        yield from Batch(ids, partial(_statements, names), ["float64"]).cases()
