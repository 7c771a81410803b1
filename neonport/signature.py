"""Signatures: what follows from the structure of an expression, derived once and found again."""

from __future__ import annotations

import itertools
import math
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import BackendMismatchError
from neonport.ops import Kind, Op
from neonport.rules import NO_WILD, Wild, check_sizes, infer_dtype, infer_shape, infer_wild
from neonport.shape import Shape

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

MAX_DERIVED = 4096


# Past this many leaves a node is looked up by its identity instead of by structure: a shared
# sub-tree counts as often as it occurs, and gradients share a lot.
MAX_LEAVES = 64
UID_STEP = 64  # more than there are operators: uid + operator is a key that needs no tuple

_next_uid = itertools.count(1).__next__


class Signature:
    """Structure of an expression: op, operands' signatures, shape, dtype; not its tensors.

    Attributes:
        op: row of the op table, None for a tensor or a number.
        params: keyword parameters of the op.
        shape: result shape; axes in `wild` get their size from the assignment target.
        dtype: compute dtype of a node, storage dtype of a tensor, None of a number.
        backend: the backend of the tensors below, None if there is none.
        leaves: number of leaves, counted with multiplicity.
        large: whether nodes of this structure are looked up by identity.
        uid: number of this structure; the numbers up to the next one are its owner's to give out.
        constant: whether it is an element-wise op on numbers only, so a number itself.
        part: 1 / (elements that a reduction folds into one), nan of none; nan of other ops.
        open: whether a size in or below the expression is decided by the assignment target.
    """

    op: Any  # Op, or None
    dtype: Any  # np.dtype, or None
    backend: Backend | None
    leaves: int
    open: bool

    __slots__ = (
        "args",
        "backend",
        "constant",
        "derived",
        "dtype",
        "large",
        "leaves",
        "op",
        "open",
        "params",
        "part",
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
        self.leaves = sum(a.leaves for a in args) if op else 1
        self.large = self.leaves > MAX_LEAVES
        self.uid = UID_STEP * _next_uid()
        self.constant = (
            op is not None and op.kind is Kind.ELEMENTWISE and all(a is SCALAR for a in args)
        )
        count = 0
        if op is not None and op.kind is Kind.REDUCTION:
            count = prod(args[0].shape[a] for a in params["axes"])
        self.part = 1.0 / count if count else math.nan
        self.open = bool(wild) or any(a.open for a in args)
        self.derived: dict[Any, Signature] = {}

    def derive(self, op: Op, args: tuple[Signature, ...], params: dict[str, Any]) -> Signature:
        """Signature of `op` on operands of which this is the first; checked and remembered."""
        key = (op, args, tuple(params.items()))
        found = self.derived.get(key)
        if found is None:
            found = infer(op, args, params)
            if len(self.derived) > MAX_DERIVED:
                self.derived.clear()
            self.derived[key] = found
        return found


SCALAR = Signature(None, (), {}, (1, 1), None, None)


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
    wild = infer_wild(op, sizes, shape, params)
    return Signature(op, args, params, shape, dtype, backend, wild)
