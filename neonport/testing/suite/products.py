"""Matrix products: shapes, layouts, factors, epilogues; as nodes and as calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.optree.node import apply
from neonport.testing.cases import FLOATS, Case, Outcome, Want, compare, defined, last_place
from neonport.testing.inputs import generator, numbers
from neonport.testing.layouts import Target, place
from neonport.testing.operands import Operands
from neonport.testing.tolerances import EPS, Allowance, stored

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]

SHAPES = (
    (1, 1, 1),
    (7, 13, 5),
    (64, 33, 65),
    (1, 100, 17),
    (17, 100, 1),
    (3, 1, 4),
    (130, 257, 20),
    (4, 0, 5),
    (0, 3, 5),
    (5, 3, 0),
)
SHORT = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # half a unit in the last place
LAYOUTS = ("plain", "transposed", "offset", "strided", "reversed")
# alpha, beta, relu, bsum
EPILOGUES = (
    (2.0, 0.0, False, False),
    (1.0, 1.0, False, False),
    (-0.5, 0.25, False, True),
    (1.0, 0.0, True, True),
    (0.5, 2.0, True, False),
    (0.0, 1.0, False, False),
)
# A, B, C of batched_dot
BATCHED = (
    ((5, 7), (3, 7, 4), (3, 5, 4)),
    ((3, 5, 7), (7, 4), (3, 5, 4)),
    ((3, 5, 7), (3, 7, 4), (3, 5, 4)),
    ((3, 5, 7), (3, 7, 4), (5, 4)),
    ((5, 7), (3, 7, 4), (5, 4)),
    ((1, 5, 7), (1, 7, 4), (5, 4)),
)


def _wide(dtype: str) -> np.dtype:
    return np.dtype(np.longdouble if dtype == "float64" else np.float64)


def _dot_node(
    dtype: str, shape: tuple[int, int, int], a_layout: str, b_layout: str, be: Backend
) -> Outcome:
    m, k, n = shape
    operands = Operands(be)
    a = operands.add("a", numbers(1, (m, k), dtype), a_layout)
    b = operands.add("b", numbers(2, (k, n), dtype), b_layout)
    tree = apply("dot", a, b)
    out = Target(be, (m, n), dtype, "plain")
    out.tensor[:] = tree
    return compare(out.tensor.get(), defined(tree, operands.values, out))


def _want(dtype: str, product: Array, condition: Array, terms: int, rest: Array) -> Want:
    compute = np.dtype(np.float64 if dtype == "float64" else np.float32)
    units = 6 + terms**0.5
    allowed = Allowance(units * EPS[compute] * (condition + np.abs(rest)), units * EPS[compute])
    values = product + rest
    kind = np.dtype(dtype)
    return Want(values, stored(allowed, values, compute, kind), unit=last_place(compute, kind))


def _compound(
    dtype: str,
    layouts: tuple[str, str, str],
    epilogue: tuple[float, float, bool, bool],
    be: Backend,
) -> Outcome:
    alpha, beta, relu, with_sum = epilogue
    hosts = [numbers(i, s, dtype) for i, s in enumerate(((9, 21), (21, 14), (9, 14)))]
    if beta == 0:
        hosts[2] = np.full((9, 14), np.nan, dtype)  # must not be read
    a, b, c = (place(be, h, dtype, w) for h, w in zip(hosts, layouts, strict=True))
    sums = be.empty((9, 1), dtype=dtype) if with_sum else None
    result = be.compound_dot(a, b, c, alpha=alpha, beta=beta, relu=relu, bsum=sums)
    wa, wb, wc = (h.astype(_wide(dtype)) for h in hosts)
    product = alpha * (wa @ wb)
    product = np.maximum(product, 0) if relu else product
    rest = beta * wc if beta else np.zeros_like(wc)
    condition = abs(alpha) * (np.abs(wa) @ np.abs(wb))
    if dtype in SHORT:  # the product may be rounded before the second term is added
        condition = condition + np.abs(product) * SHORT[dtype] / EPS[np.dtype("float32")] / 6
    outcome = compare(c.get(), _want(dtype, product, condition, 21, rest))
    if result is not c:
        return Outcome(message="the output is not returned")
    if sums is None or outcome.message:
        return outcome
    got = c.get().astype(_wide(dtype))
    rows, magnitudes = got.sum(1, keepdims=True), np.abs(got).sum(1, keepdims=True)
    return compare(sums.get(), _want(dtype, rows, magnitudes, 14, np.zeros_like(rows)))


def _batched(
    dtype: str, shapes: tuple[tuple[int, ...], ...], factors: tuple[float, float, bool], be: Backend
) -> Outcome:
    alpha, beta, relu = factors
    hosts = [numbers(i, s, dtype) for i, s in enumerate(shapes)]
    if beta == 0:
        hosts[2] = np.full(shapes[2], np.nan, dtype)
    a, b, c = (be.array(h, dtype=dtype) for h in hosts)
    be.batched_dot(a, b, c, alpha=alpha, beta=beta, relu=relu)
    wa, wb, wc = (h.astype(_wide(dtype)) for h in hosts)
    product, condition = alpha * (wa @ wb), abs(alpha) * (np.abs(wa) @ np.abs(wb))
    if len(shapes[2]) == 2:
        product, condition = product.sum(0), condition.sum(0)
    product = np.maximum(product, 0) if relu else product
    rest = beta * wc if beta else np.zeros_like(wc)
    if dtype in SHORT:  # partial sums, with the rest in them, may be stored
        condition = (condition + np.abs(rest)) * (
            1 + 3 * SHORT[dtype] / EPS[np.dtype("float32")] / 6
        )
    return compare(c.get(), _want(dtype, product, condition, 21, rest))


def _batched_node(dtype: str, shapes: tuple[tuple[int, ...], ...], be: Backend) -> Outcome:
    operands = Operands(be)
    a = operands.add("a", numbers(1, shapes[0], dtype), "plain")
    b = operands.add("b", numbers(2, shapes[1], dtype), "plain")
    tree = apply("batched_dot", a, b, reduce=len(shapes[2]) == 2)
    out = Target(be, shapes[2], dtype, "plain")
    out.tensor[:] = tree
    return compare(out.tensor.get(), defined(tree, operands.values, out))


def _xnor(be: Backend) -> Outcome:
    rng = generator(0)
    a, b = rng.choice([-1.0, 1.0], (8, 64)), rng.choice([-1.0, 1.0], (64, 5))
    c, sums = be.empty((8, 5)), be.empty((8, 1))
    be.xnor_compound_dot(be.array(a), be.array(b), c, bsum=sums)
    right = (c.get() == a @ b).all() and (sums.get() == (a @ b).sum(1, keepdims=True)).all()
    return Outcome(message="" if right else "not the plain product")


def _copy_transpose(perm: tuple[int, ...] | None, rank: int, be: Backend) -> Outcome:
    host = np.arange(np.prod(range(2, 2 + rank)), dtype=np.float32).reshape(range(2, 2 + rank))
    wanted = host.transpose(perm)
    out = be.empty(wanted.shape)
    be.copy_transpose(be.array(host), out, axes=perm)
    right = out.get().tobytes() == wanted.tobytes()
    return Outcome(message="" if right else "not an exact copy")


def cases() -> Iterator[Case]:
    """All cases of products."""
    for dtype in FLOATS:
        needs = frozenset([dtype])
        for shape in SHAPES:
            run = partial(_dot_node, dtype, shape, "plain", "plain")
            yield Case("dot", f"{dtype} {shape}", run, needs)
        for a in LAYOUTS:
            for b in LAYOUTS:
                run = partial(_dot_node, dtype, (7, 13, 5), a, b)
                yield Case("dot", f"{dtype} {a} with {b}", run, needs)
        for epilogue in EPILOGUES:
            for layouts in (
                ("plain",) * 3,
                ("transposed", "plain", "offset"),
                ("offset", "transposed", "transposed"),
            ):
                run = partial(_compound, dtype, layouts, epilogue)
                label = f"{dtype} {' '.join(layouts)} alpha, beta, relu, bsum = {epilogue}"
                yield Case("compound_dot", label, run, needs)
        for shapes in BATCHED:
            yield Case(
                "batched_dot",
                f"{dtype} node {shapes}",
                partial(_batched_node, dtype, shapes),
                needs,
            )
            for factors in (
                (1.0, 0.0, False),
                (0.5, 2.0, False),
                (-1.0, 0.0, True),
                (1.0, 1.0, True),
            ):
                run = partial(_batched, dtype, shapes, factors)
                yield Case(
                    "batched_dot", f"{dtype} {shapes} alpha, beta, relu = {factors}", run, needs
                )
    yield Case("xnor_compound_dot", "signs", _xnor)
    for perm in ((1, 0), (0, 2, 1), (2, 0, 1), (2, 1, 0), (3, 0, 2, 1), (1, 2, 3, 0)):
        yield Case("copy_transpose", str(perm), partial(_copy_transpose, perm, len(perm)))
    yield Case("copy_transpose", "reversed", partial(_copy_transpose, None, 3))
