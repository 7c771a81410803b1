"""Cases of small networks of layers: what a training step asks of a backend, in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.initializers import Array as Given
from neonport.layers import Affine, BranchNode, Linear, MergeBroadcast, MergeSum, SkipNode, Tree
from neonport.testing.cases import Case, Outcome, Want, compare
from neonport.testing.tolerances import Allowance
from neonport.transforms import Tanh

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

Array = npt.NDArray[Any]
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # of sums of a few products of numbers near 1


def _near(values: Array, dtype: str) -> Want:
    bound = TOLERANCE[dtype]
    return Want(values, Allowance(bound * (1 + np.abs(values)), bound))


def _tree(dtype: str, be: Backend) -> Outcome:
    before = be.default_dtype
    be.default_dtype = np.dtype(dtype)  # that of the layers
    try:
        return _trained(dtype, be)
    finally:
        be.default_dtype = before


def _trained(dtype: str, be: Backend) -> Outcome:
    """A trunk with a residual block, and a path of two layers side by side."""
    rng = np.random.RandomState(3)
    w = {name: rng.uniform(-1, 1, shape) for name, shape in SHAPES.items()}
    node = BranchNode()
    below = Affine(5, Given(w["below"]), activation=Tanh())
    inner, trunk, first, second = (Linear(len(w[n]), Given(w[n])) for n in NAMES[1:])
    block = MergeSum([inner, SkipNode()])
    pair = MergeBroadcast([first, second], "stack")
    net = Tree([[below, node, block, trunk], [node, pair]], alphas=[1.0, 0.5])
    net.set_backend(be)
    net.configure(3)
    net.allocate()
    net.allocate_deltas()
    x, e0, e1 = (rng.uniform(-1, 1, (n, be.bsz)) for n in (3, 2, 7))
    h = np.tanh(w["below"] @ x)
    s = w["inner"] @ h + h
    both = np.concatenate([w["first"] @ h, w["second"] @ h])
    back = w["trunk"].T @ e0
    at_node = w["inner"].T @ back + back
    at_node = at_node + 0.5 * (w["first"].T @ e1[:4] + w["second"].T @ e1[4:])
    wanted = {
        "below": (at_node * (1 - h * h)) @ x.T,
        "inner": back @ h.T,
        "trunk": e0 @ s.T,
        "first": e1[:4] @ h.T,
        "second": e1[4:] @ h.T,
    }
    for _ in range(2):  # the second time buffers hold what the first time left
        outputs = net.fprop(be.array(x))
        found = [y.get() for y in outputs]
        net.bprop([be.array(e0), be.array(e1)])
    checks = [(found[0], w["trunk"] @ s), (found[1], both)]
    layers: dict[str, Any] = dict(zip(NAMES, (below[0], inner, trunk, first, second), strict=True))
    checks += [(layers[name].dW.get(), value) for name, value in wanted.items()]
    worst = Outcome()
    for got, right in checks:
        outcome = compare(got, _near(right, dtype))
        if outcome.message:
            return outcome
        worst = max(worst, outcome, key=lambda one: one.max_error or 0.0)
    return worst


SHAPES = {"below": (5, 3), "inner": (5, 5), "trunk": (2, 5), "first": (4, 5), "second": (3, 5)}
NAMES = list(SHAPES)


def cases() -> Iterator[Case]:
    """All cases of networks."""
    for dtype in TOLERANCE:
        run = partial(_tree, dtype)
        yield Case("networks", f"{dtype} tree of sums and stacks", run, frozenset([dtype]))
