"""Signatures: what follows from the structure of an expression, derived once and found again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from neonport.dtypes import INT64
from neonport.errors import BackendMismatchError
from neonport.ops.inference import NO_WILD, Wild, check_sizes, infer_dtype, infer_shape, infer_wild
from neonport.ops.op import Kind, Op
from neonport.ops.reductions import position_dtype
from neonport.optree.backend_protocol import ExpressionBackend
from neonport.shape import Shape

MAX_DERIVED = 2048  # of a generation: what is derived lately, and what was before


# Past this many leaves or ops a node is looked up by its identity instead of by structure: a shared
# sub-tree counts as often as it occurs, and gradients share a lot.
MAX_LEAVES = 64
MAX_OPS = 256
UID_STEP = 128  # more than there are operators: uid + operator is a key that needs no tuple

_next_uid = itertools.count(1).__next__
fresh_token: Callable[[], int] = itertools.count(1).__next__

Leaves = tuple[tuple[int, ...], tuple[float, ...]]
"""Identities of the tensors below a node, in order, and the numbers below it, in order."""


class Signature:
    """Structure of an expression: op, operands' signatures, shape, dtype; not its tensors.

    Attributes:
        op: row of the op table, None for a tensor or a number.
        params: keyword parameters of the op.
        shape: result shape; axes in `wild` get their size from the assignment target.
        dtype: compute dtype of a node, storage dtype of a tensor, None of a number.
        backend: the backend of the tensors below, None if there is none.
        leaves, ops: number of leaves and of ops, counted with multiplicity; one past the bounds
            stands for any number above them.
        large: whether nodes of this structure are looked up by identity.
        read: collects the leaves of a node of this structure, and keeps them with the node.
        uid: number of this structure; the numbers up to the next one are its owner's to give out.
        constant: whether it is an element-wise op on numbers only, so a number itself.
        part: 1 / (elements that a reduction folds into one), nan of none; nan of other ops.
        open: whether a size in or below the expression is decided by the assignment target.
        custom: None where the derivative table has the gradient; else a rule of the node gives it,
            to these among all tensors and nodes below, () for every tensor.
    """

    op: Any  # Op, or None
    dtype: Any  # np.dtype, or None
    backend: ExpressionBackend | None
    leaves: int
    ops: int
    open: bool
    custom: tuple[int, ...] | None
    read: Callable[[Any], Leaves]

    __slots__ = (
        "args",
        "backend",
        "constant",
        "custom",
        "derived",
        "dtype",
        "large",
        "leaves",
        "older",
        "op",
        "open",
        "ops",
        "params",
        "part",
        "read",
        "shape",
        "uid",
        "wild",
    )

    def __init__(
        self,
        op: Op | None,
        args: tuple[Signature, ...],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype | None,
        backend: Any,
        wild: Wild = NO_WILD,
    ) -> None:
        self.op = op
        self.args = args
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.backend = backend
        self.wild = wild
        # past the bounds they would grow to numbers of thousands of digits
        self.leaves = min(sum(a.leaves for a in args), MAX_LEAVES + 1) if op else 1
        self.ops = min(1 + sum(a.ops for a in args), MAX_OPS + 1) if op else 0
        self.large = self.leaves > MAX_LEAVES or self.ops > MAX_OPS
        self.read = _identity if self.large or not args else _first_read
        self.uid = UID_STEP * _next_uid()
        self.constant = (
            op is not None and op.kind is Kind.ELEMENTWISE and all(a in NUMBERS for a in args)
        )
        count = 0
        if op is not None and op.kind is Kind.REDUCTION:
            count = prod(args[0].shape[a] for a in params["axes"])
        self.part = 1.0 / count if count else math.nan
        self.custom = None
        self.open = bool(wild) or any(a.open for a in args)
        self.derived: dict[Any, Signature] = {}
        self.older: dict[Any, Signature] = {}  # asked on a miss only

    def derive(self, op: Op, args: tuple[Signature, ...], params: dict[str, Any]) -> Signature:
        """Signature of `op` on operands of which this is the first; checked and remembered."""
        key = (op, args, tuple(params.items()))
        found = self.derived.get(key)
        if found is None:
            found = self.older.pop(key, None) or infer(op, args, params)
            self.keep(key, found)
        return found

    def keep(self, key: Any, derived: Signature) -> None:
        """Remember what follows from this structure; what was not asked for long is forgotten."""
        if len(self.derived) >= MAX_DERIVED:
            self.older, self.derived = self.derived, {}
        self.derived[key] = derived


def _identity(node: Any) -> Leaves:
    """The key of a large node, or of one without operands: the node itself."""
    found: Leaves = node._found or ((fresh_token(),), ())
    node._found = found
    return found


def _first_read(node: Any) -> Leaves:
    sig: Signature = node.sig
    sig.read = _reader(sig)
    return sig.read(node)


_OPERANDS = ("_first", "_second", "_third")


def _operands(count: int) -> Sequence[str]:
    """Where a node holds its operands; the third slot has all after the second of many."""
    if count <= len(_OPERANDS):
        return _OPERANDS[:count]
    return (*_OPERANDS[:2], *(f"{_OPERANDS[2]}[{i}]" for i in range(count - 2)))


def _reader(sig: Signature) -> Callable[[Any], Leaves]:
    """Compile the walk over a structure: it is the same for all nodes that have it.

    The text names a node once and each leaf where it hangs, such as

        n1 = n0._first
        n0._found = found = ((n1._first.token, n1._second.token,), (n0._second,))
        return found
    """
    lines: list[str] = []
    tokens: list[str] = []
    scalars: list[str] = []
    stack = [(sig, "n0")]
    names = itertools.count(1)
    while stack:
        part, place = stack.pop()
        if part in NUMBERS:
            scalars.append(place)
        elif part.op is None:
            tokens.append(f"{place}.token")
        elif not part.args:
            tokens.append(f"{place}.tokens[0]")
        else:
            name = place if place == "n0" else f"n{next(names)}"
            if name != place:
                lines.append(f"{name} = {place}")
            held = _operands(len(part.args))
            below = [(a, f"{name}.{at}") for a, at in zip(part.args, held, strict=True)]
            stack.extend(reversed(below))
    first, second = ("".join(f"{at}, " for at in places) for places in (tokens, scalars))
    lines += [f"n0._found = found = (({first}), ({second}))", "return found"]
    scope: dict[str, Any] = {}
    exec("def read(n0):\n " + "\n ".join(lines), scope)  # names above are all that is in it
    read: Callable[[Any], Leaves] = scope["read"]
    return read


SCALAR = Signature(None, (), {}, (1, 1), None, None)
"""A Python number, which adapts to the dtypes that it meets."""
WHOLE = Signature(None, (), {}, (1, 1), INT64, None)
"""A Python int among integers, with which it is computed in int64."""
NUMBERS = frozenset({SCALAR, WHOLE})


def infer(op: Op, args: tuple[Signature, ...], params: dict[str, Any]) -> Signature:
    """Check an application and derive its signature.

    Raises:
        BackendMismatchError, ShapeError, DtypeError: naming the op and what does not fit.
    """
    backend = None
    for arg in args:
        if arg.backend is None or arg.backend is backend:
            continue
        if backend is not None:
            raise BackendMismatchError(
                f"{op.name}: operands live on {backend} and on {arg.backend}; move one of them "
                "first, for example be.array(t)"
            )
        backend = arg.backend
    sizes = [(a.shape, a.wild) for a in args]
    check_sizes(op, sizes, params)
    shape = infer_shape(op, [a.shape for a in args], params)
    dtype = infer_dtype(op, [a.dtype for a in args], params)
    if op.kind is Kind.REDUCTION and op.result is not None:
        dtype = position_dtype(prod(args[0].shape[a] for a in params["axes"]))
    wild = infer_wild(op, sizes, shape, params)
    return Signature(op, args, params, shape, dtype, backend, wild)
