"""Which axes of the operands follow an axis of the target: what a block of the target is made of.

A cut of an axis says where the elements of a block lie on it: those of a target's axis, from
`first` on, by `step`. Axes without a cut are there as a whole. One rule for each kind of op takes
the cuts of a result to those of its operands; an axis for which there is no rule is refused, and
the statement is cut along its other axes, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from neonport.ops.op import Kind
from neonport.optree.node import OpTreeNode
from neonport.shape import Shape


class Cut(NamedTuple):
    """An axis of which a block takes some elements.

    Attributes:
        label: the axis of targets that it follows.
        first, step: element `first + step * i` belongs to element i of that axis.
    """

    label: int
    first: int = 0
    step: int = 1


Cuts = tuple[Cut | None, ...]


class Refused(Exception):
    """There is no rule for cuts of these axes.

    Attributes:
        labels: of those axes.
    """

    def __init__(self, cuts: Sequence[Cut | None]) -> None:
        super().__init__()
        self.labels = {cut.label for cut in cuts if cut is not None}


def operands(node: OpTreeNode, cuts: Cuts, shapes: Sequence[Shape], shape: Shape) -> list[Cuts]:
    """The cuts of a node's operands.

    Args:
        node: the application.
        cuts: of its result.
        shapes: of the operands; of numbers `(1, 1)`.
        shape: of the result.

    Raises:
        Refused: some of the cuts cannot be taken down.
    """
    op = node.sig.op
    if op.kind is Kind.ELEMENTWISE:
        return [aligned(cuts, below, shape) for below in shapes]
    rule = RULES.get(op.name)
    if rule is not None:
        return rule(cuts, shapes, node.params)
    if op.kind is Kind.REDUCTION:
        axes = node.params["axes"]
        return [tuple(None if a in axes else cut for a, cut in enumerate(cuts))]
    if op.kind is Kind.AXIS and all(len(below) == len(cuts) for below in shapes):
        _refuse(cuts, [node.params["axis"] % len(cuts)])  # along it the operands may be longer
        return [cuts for _ in shapes]
    _refuse(cuts, range(len(cuts)))
    return [whole(below) for below in shapes]


def parameters(node: OpTreeNode, shape: Shape) -> dict[str, Any]:
    """Parameters of an application that computes a block.

    Args:
        node: the application to whole operands.
        shape: of the block.
    """
    params = node.params
    if node.op in ("reshape", "broadcast", "pad_region"):
        return {**params, "shape": shape}
    if node.op == "slice":
        axes = zip(shape, params["shape"], params["starts"], params["steps"], strict=True)
        # where there is a cut, the operand's block is sliced already
        at = [(a, k) if n == m else (0, 1) for n, m, a, k in axes]
        starts, steps = (tuple(pair[i] for pair in at) for i in range(2))
        return {"starts": starts, "steps": steps, "shape": shape}
    return params


def aligned(cuts: Cuts, below: Shape, shape: Shape) -> Cuts:
    """Cuts of what is broadcast to a shape: axes from the right, repeated ones uncut."""
    lead = len(shape) - len(below)
    return tuple(
        None if below[a] == 1 and shape[lead + a] != 1 else cuts[lead + a]
        for a in range(len(below))
    )


def whole(shape: Shape) -> Cuts:
    """No cuts."""
    return (None,) * len(shape)


def _refuse(cuts: Cuts, axes: Sequence[int]) -> None:
    refused = [cuts[a] for a in axes if cuts[a] is not None]
    if refused:
        raise Refused(refused)


# ---- rules of ops: (cuts of the result, shapes of the operands, parameters) ----------------------


def _transpose(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    perm = params["perm"]
    return [tuple(cuts[perm.index(a)] for a in range(len(perm)))]


def _broadcast(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    return [aligned(cuts, shapes[0], params["shape"])]


def _reshape(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """An axis goes on where as many elements are before and behind it as there were."""
    shape, below = params["shape"], shapes[0]
    places = {
        (prod(below[:a]), prod(below[a + 1 :])): a for a in range(len(below)) if below[a] != 1
    }
    found: list[Cut | None] = [None] * len(below)
    for a, cut in enumerate(cuts):
        if cut is None:
            continue
        at = places.get((prod(shape[:a]), prod(shape[a + 1 :])))
        if at is None:
            raise Refused([cut])
        found[at] = cut
    return [tuple(found)]


def _slice(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """The operand is cut there, so nothing is left to slice along that axis."""
    moved = zip(cuts, params["starts"], params["steps"], strict=True)
    return [tuple(cut and Cut(cut.label, a + k * cut.first, k * cut.step) for cut, a, k in moved)]


def _pad_region(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """An axis goes on where nothing is added, in the same order."""
    axes = zip(shapes[0], params["starts"], params["steps"], params["shape"], strict=True)
    _refuse(
        cuts, [a for a, (n, start, step, m) in enumerate(axes) if (n, 0, 1) != (m, start, step)]
    )
    return [cuts]


def _concat(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    _refuse(cuts, [params["axis"]])
    return [cuts, cuts]


def _dot(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    return [(cuts[0], None), (None, cuts[1])]


def _batched_dot(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    batch = None if params["reduce"] else cuts[0]
    ends = ((cuts[-2], None), (None, cuts[-1]))
    return [
        (batch, *end) if len(shape) == 3 else end for end, shape in zip(ends, shapes, strict=True)
    ]


def _conv(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    _refuse(cuts, (1, 2, 3))
    return [(None, None, None, None, cuts[4]), (None, None, None, None, cuts[0])]


def _conv_backward_data(cuts: Cuts, shapes: Sequence[Shape], params: Any) -> list[Cuts]:
    _refuse(cuts, (1, 2, 3))
    return [(cuts[0], None, None, None, None), (None, None, None, None, cuts[4])]


def _conv_backward_filter(cuts: Cuts, shapes: Sequence[Shape], params: Any) -> list[Cuts]:
    _refuse(cuts, (1, 2, 3))
    return [(cuts[0], None, None, None, None), (cuts[4], None, None, None, None)]


def _samples(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """Pooling: windows reach over cells and maps, and not over samples."""
    _refuse(cuts, range(len(cuts) - 1))
    return [cuts for _ in shapes]


def _maps(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """Response normalisation: windows reach over maps only."""
    _refuse(cuts, (0,))
    return [cuts for _ in shapes]


def _take(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    """All entries of what is computed, of each some of the other axes."""
    axis = params["axis"]
    _refuse(cuts, (axis,))
    return [cuts, whole(shapes[1])]


def _onehot(cuts: Cuts, shapes: Sequence[Shape], params: dict[str, Any]) -> list[Cuts]:
    axis = params["axis"]
    _refuse(cuts, (axis,))
    return [tuple(None if n == 1 else cuts[1 - axis] for n in shapes[0])]


RULES: dict[str, Callable[[Cuts, Sequence[Shape], dict[str, Any]], list[Cuts]]] = {
    "transpose": _transpose,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "slice": _slice,
    "pad_region": _pad_region,
    "concat": _concat,
    "dot": _dot,
    "batched_dot": _batched_dot,
    "take": _take,
    "scatter_add": _take,
    "onehot": _onehot,
    "conv": _conv,
    "conv_backward_data": _conv_backward_data,
    "conv_backward_filter": _conv_backward_filter,
    "pool": _samples,
    "pool_index": _samples,
    "max_pool_backward": _samples,
    "max_pool_gather": _samples,
    "avg_pool_backward": _samples,
    "lrn": _maps,
    "lrn_denominator": _maps,
    "lrn_backward": _maps,
}
