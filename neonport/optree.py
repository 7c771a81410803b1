"""Op-trees: immutable expressions that compute nothing until they are assigned.

Building a node is the hot path of user code, so a node is a tuple and everything that follows from
the *structure* alone (shape, dtype, checks) lives in a `Signature` that is derived once and found
again through the cache of its first operand.
"""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.errors import BackendMismatchError, DtypeError, ShapeError
from neonport.ops import OPS, Op
from neonport.rules import NO_WILD, Wild, infer_dtype, infer_shape, infer_wild
from neonport.shape import Shape

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor import Tensor

# Past this many leaves a node is looked up by its identity instead of by structure: a shared
# sub-tree counts as often as it occurs, and gradients share a lot.
MAX_LEAVES = 64
MAX_DERIVED = 4096

fresh_token: Callable[[], int] = itertools.count(1).__next__


class Signature:
    """Structure of an expression: op, operands' signatures, shape, dtype; not its tensors.

    Attributes:
        op: row of the op table, None for a tensor or a number.
        params: keyword parameters of the op.
        shape: result shape; axes in `wild` get their size from the assignment target.
        dtype: compute dtype of a node, storage dtype of a tensor, None of a number.
        backend: the backend of the tensors below, None if there is none.
        leaves: number of leaves, counted with multiplicity.
        open: whether a size in or below the expression is decided by the assignment target.
    """

    __slots__ = (
        "args",
        "backend",
        "derived",
        "dtype",
        "leaves",
        "op",
        "open",
        "params",
        "shape",
        "wild",
    )

    def __init__(
        self,
        op: Op | None,
        args: tuple[Signature, ...],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype | None,
        backend: Backend | None,
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
_NOTHING = Signature(None, (), {}, (1, 1), None, None)


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
                f"{op.name}: operands live on {backend} and on {arg.backend}; move one of them first, "
                "for example be.array(t)"
            )
        backend = arg.backend
    shape = infer_shape(op, [a.shape for a in args], params)
    dtype = infer_dtype(op, [a.dtype for a in args], params)
    wild = infer_wild(op, [(a.shape, a.wild) for a in args], shape, params)
    return Signature(op, args, params, shape, dtype, backend, wild)


class Expression:
    """Operators shared by tensors and op-tree nodes; each builds a node and computes nothing."""

    __slots__ = ()
    # ndarray + tensor must not build an object array element by element
    __array_ufunc__ = None
    sig: Signature
    tokens: tuple[int, ...]
    scalars: tuple[float, ...]

    def __pow__(self, other: Any) -> OpTreeNode:
        return power(self, other)

    def __neg__(self) -> OpTreeNode:
        return apply("neg", self)

    def __abs__(self) -> OpTreeNode:
        return apply("abs", self)

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return len(self) > 0  # type: ignore[arg-type]

    if TYPE_CHECKING:
        # made by _operator below; declared for readers and type checkers
        def __add__(self, other: Any) -> OpTreeNode: ...
        def __radd__(self, other: Any) -> OpTreeNode: ...
        def __sub__(self, other: Any) -> OpTreeNode: ...
        def __rsub__(self, other: Any) -> OpTreeNode: ...
        def __mul__(self, other: Any) -> OpTreeNode: ...
        def __rmul__(self, other: Any) -> OpTreeNode: ...
        def __truediv__(self, other: Any) -> OpTreeNode: ...
        def __rtruediv__(self, other: Any) -> OpTreeNode: ...
        def __rpow__(self, other: Any) -> OpTreeNode: ...
        def __eq__(self, other: Any) -> OpTreeNode: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> OpTreeNode: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> OpTreeNode: ...
        def __le__(self, other: Any) -> OpTreeNode: ...
        def __gt__(self, other: Any) -> OpTreeNode: ...
        def __ge__(self, other: Any) -> OpTreeNode: ...


_Fields = namedtuple("_Fields", "sig args tokens scalars")


class OpTreeNode(Expression, _Fields):
    """An application of an op to tensors, nodes and numbers.

    Attributes:
        sig: structure, shape and dtype.
        args: operands: Tensor, OpTreeNode or number.
        tokens: identities of the tensors below, in order (the node's own when it is large).
        scalars: numbers below, in order (empty when it is large).

    To neon's users it looks like neon's tuple `(op_dict, left, right)`.
    """

    __slots__ = ()
    __hash__ = Expression.__hash__

    @property
    def op(self) -> str:
        """Name of the op."""
        return self.sig.op.name  # type: ignore[union-attr]

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        return self.sig.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype in which the op computes."""
        return self.sig.dtype  # type: ignore[return-value]

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the op, such as `axes` of a reduction."""
        return self.sig.params

    @property
    def backend(self) -> Backend | None:
        """Backend of the tensors below."""
        return self.sig.backend

    @property
    def left(self) -> Any:
        """First operand or None."""
        return self.args[0] if self.args else None

    @property
    def right(self) -> Any:
        """Second operand or None."""
        return self.args[1] if len(self.args) > 1 else None

    @property
    def T(self) -> OpTreeNode:
        """Transpose: both axes swapped; above rank 2 axis 0 stays and the others are reversed."""
        return transpose(self)

    def transpose(self, out: Tensor | None = None) -> Any:
        """The transpose, or `out` after it was assigned there."""
        if out is None:
            return self.T
        out[:] = self.T
        return out

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Any]:
        op_dict = {"op": self.op, "shape": self.shape, **self.params}
        return iter((op_dict, self.left, self.right))

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write through a gather: `t[indices, :][:] = value` stores into `t`."""
        from neonport.tensor import scatter

        scatter(self, key, value)

    def astensor(self) -> Tensor:
        """Evaluate into a new tensor of the backend's default dtype.

        Raises:
            ValueError: no tensor below says on which backend.
        """
        if self.backend is None:
            raise ValueError(
                f"{self}: no tensor in the tree says on which backend it runs; assign it: t[:] = tree"
            )
        out = self.backend.empty(self.shape)
        out[:] = self
        return out

    def get(self) -> np.ndarray:
        """Evaluate and return a new NumPy array."""
        return self.astensor().get()

    def asnumpyarray(self) -> np.ndarray:
        """Evaluate and return a new NumPy array (neon's name of `get`)."""
        return self.get()

    def pp(self) -> str:
        """The formula in infix form."""
        from neonport.optree_text import formula

        return formula(self)

    def __str__(self) -> str:
        return self.pp()

    def __repr__(self) -> str:
        return f"<OpTreeNode {self.shape} {self.dtype}: {self.pp()}>"

    def traverse(self, result: list[Any]) -> list[Any]:
        """Append leaves and op dictionaries in postfix order to `result` and return it."""
        from neonport.optree_text import traverse

        return traverse(self, result)

    def key(self) -> tuple[Any, ...]:
        """Postfix items with op dictionaries reduced to names and parameters."""
        from neonport.optree_text import key

        return key(self)

    @staticmethod
    def build(op: str, a: Any, b: Any = None, out: Tensor | None = None, **kwargs: Any) -> Any:
        """Neon's builder: a node, or `out` after the node was assigned to it.

        Raises:
            TypeError: unknown op.
        """
        if op == "assign":
            a[:] = b
            return a
        if op not in OPS:
            raise TypeError(f"unknown op {op!r}; known are {', '.join(sorted(OPS))}")
        node = apply(op, *(x for x in (a, b) if x is not None), **kwargs)
        if out is None:
            return node
        out[:] = node
        return out


_new = tuple.__new__


def _node(sig: Signature, args: tuple[Any, ...]) -> OpTreeNode:
    """Make a node from checked parts."""
    tokens: tuple[int, ...] = ()
    scalars: tuple[float, ...] = ()
    if sig.leaves > MAX_LEAVES or sig.op.arity == 0:  # type: ignore[union-attr]
        tokens = (fresh_token(),)
    else:
        for arg, arg_sig in zip(args, sig.args, strict=True):
            if arg_sig is SCALAR:
                scalars += (arg,)
            else:
                tokens += arg.tokens
                scalars += arg.scalars
    return _new(OpTreeNode, (sig, args, tokens, scalars))


def as_operand(value: Any, op_name: str) -> Any:
    """Return `value` as something a node can hold: Tensor, OpTreeNode, int or float.

    Raises:
        TypeError: anything else; ndarrays get a hint.
    """
    if isinstance(value, Expression) or type(value) is float or type(value) is int:
        return value
    if isinstance(value, (bool, int, float, np.number, np.bool_)) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    ):
        if isinstance(value, np.complexfloating) or getattr(value, "dtype", None) == complex:
            raise DtypeError(f"{op_name}: complex numbers are not supported")
        return float(value)
    hint = "; make it a tensor first: be.array(x)" if hasattr(value, "__array__") else ""
    raise TypeError(
        f"{op_name}: cannot use an operand of type {type(value).__name__}{hint or ''}; operands are "
        "tensors, op-trees and numbers"
    )


def apply(op_name: str, *operands: Any, **params: Any) -> OpTreeNode:
    """Build a node: `op_name` on operands; `params` must already be normalised and hashable.

    Raises:
        TypeError, ShapeError, DtypeError, BackendMismatchError: the application makes no sense.
    """
    op = OPS[op_name]
    args = tuple([as_operand(x, op_name) for x in operands])
    if len(args) != op.arity:
        raise TypeError(f"{op_name} takes {op.arity} operand(s), {len(args)} given")
    sigs = tuple([x.sig if isinstance(x, Expression) else SCALAR for x in args])
    home = next((s for s in sigs if s is not SCALAR), _NOTHING)
    return _node(home.derive(op, sigs, params), args)


def _operator(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    """Make an operator method: `apply` for two operands, unrolled because it is the hot path."""
    op = OPS[name]
    slot: Any = (op, reflected)  # number operand: one key, made once

    def method(self: Any, other: Any) -> Any:
        sig = self.sig
        kind = type(other)
        if kind is float or kind is int:
            out = sig.derived.get(slot)
            if out is None:
                pair = (SCALAR, sig) if reflected else (sig, SCALAR)
                out = sig.derived[slot] = infer(op, pair, {})
            if out.leaves > MAX_LEAVES:
                return _node(out, (other, self) if reflected else (self, other))
            if reflected:
                return _new(OpTreeNode, (out, (other, self), self.tokens, (other, *self.scalars)))
            return _new(OpTreeNode, (out, (self, other), self.tokens, (*self.scalars, other)))
        try:
            other_sig = other.sig
        except AttributeError:
            try:
                other = as_operand(other, name)
            except TypeError:
                if hasattr(other, "__array__"):
                    raise
                return NotImplemented
            return method(self, other)
        if reflected:
            return apply(name, other, self)
        key = (op, other_sig)
        out = sig.derived.get(key)
        if out is None:
            out = sig.derived[key] = infer(op, (sig, other_sig), {})
        if out.leaves > MAX_LEAVES:
            return _node(out, (self, other))
        return _new(
            OpTreeNode,
            (out, (self, other), self.tokens + other.tokens, self.scalars + other.scalars),
        )

    method.__name__ = name
    method.__doc__ = op.summary
    return method


_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "sub": ("__sub__", "__rsub__"),
    "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"),
    "eq": ("__eq__", None),
    "ne": ("__ne__", None),
    "lt": ("__lt__", None),
    "le": ("__le__", None),
    "gt": ("__gt__", None),
    "ge": ("__ge__", None),
}
for _name, (_direct, _reflected) in _OPERATORS.items():
    setattr(Expression, _direct, _operator(_name, False))
    if _reflected:
        setattr(Expression, _reflected, _operator(_name, True))
Expression.__rpow__ = _operator("pow", True)  # type: ignore[method-assign]

_POWERS = {2: "sqr", 0.5: "sqrt"}


def power(a: Any, b: Any) -> OpTreeNode:
    """A ** b; the exponents 2 and 0.5 become `sqr` and `sqrt`, as in NumPy's operator."""
    exponent = as_operand(b, "pow")
    if not isinstance(exponent, Expression) and exponent in _POWERS:
        return apply(_POWERS[exponent], a)
    return apply("pow", a, exponent)


def transpose(x: Any, perm: tuple[int, ...] | None = None) -> OpTreeNode:
    """Node with the axes of `x` in another order; None as `.T` (axis 0 stays above rank 2)."""
    rank = len(x.shape)
    if perm is None:
        perm = (1, 0) if rank == 2 else (0, *range(rank - 1, 0, -1))
    return apply("transpose", x, perm=tuple(perm))


def walk(*roots: Any) -> list[OpTreeNode]:
    """Every distinct node below `roots`, operands before users; no recursion, trees may be deep."""
    order: list[OpTreeNode] = []
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if not isinstance(node, OpTreeNode) or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args))
    return order


def tensors(*roots: Any) -> list[Tensor]:
    """Every distinct tensor below `roots`, in order of first use."""
    found: dict[int, Tensor] = {}
    for root in roots:
        if isinstance(root, Expression) and not isinstance(root, OpTreeNode):
            found.setdefault(id(root), root)  # type: ignore[arg-type]
    for node in walk(*roots):
        for arg in node.args:
            if isinstance(arg, Expression) and not isinstance(arg, OpTreeNode):
                found.setdefault(id(arg), arg)  # type: ignore[arg-type]
    return list(found.values())


def resolve_wild(root: Any, shape: Shape) -> dict[int, Shape]:
    """Shapes of the nodes whose size the target decides, when `root` is assigned to `shape`.

    Raises:
        ShapeError: one node would have to take two sizes.
    """
    resolved: dict[int, Shape] = {}
    if not isinstance(root, OpTreeNode) or not root.sig.open:
        return resolved
    lead = len(shape) - len(root.shape)
    resolved[id(root)] = tuple(
        shape[lead + a] if a in root.sig.wild else n for a, n in enumerate(root.shape)
    )
    for node in reversed(walk(root)):
        own = resolved.get(id(node), node.shape)
        for arg in node.args:
            if not isinstance(arg, OpTreeNode) or not arg.sig.wild:
                continue
            if node.op == "transpose":
                perm = node.params["perm"]
                sizes = tuple(own[perm.index(a)] for a in range(len(perm)))
            else:
                sizes = own[len(own) - len(arg.shape) :]
            wanted = tuple(sizes[a] if a in arg.sig.wild else n for a, n in enumerate(arg.shape))
            if resolved.setdefault(id(arg), wanted) != wanted:
                raise ShapeError(
                    f"{arg.op}: used at sizes {resolved[id(arg)]} and {wanted} in one tree; give the "
                    "size (onehot: classes=, rand: shape=)"
                )
    return resolved
