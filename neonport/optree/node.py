"""Op-trees: immutable expressions that compute nothing until they are assigned.

Building a node is the hot path of user code, so a node holds its operands and nothing else.
Everything that follows from the *structure* alone (shape, dtype, checks, where the tensors and
numbers are) lives in a `Signature` that is derived once and found again through the cache of its
first operand.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.dtypes import EXACT, is_real, whole_number
from neonport.errors import ConfigurationError, DtypeError, ShapeError, UnknownOpError
from neonport.ops.inference import LEADING
from neonport.ops.op import OPS, Op
from neonport.optree import printing
from neonport.optree.backend_protocol import ExpressionBackend
from neonport.optree.draw import Draw
from neonport.optree.replay_number import Traced
from neonport.optree.signature import SCALAR, WHOLE, Leaves, Signature
from neonport.shape import Shape


class Expression:
    """Common base of tensors and op-tree nodes: operators (`operators.py`) that compute nothing."""

    __slots__ = ()
    sig: Signature
    tokens: tuple[int, ...]
    scalars: tuple[float, ...]

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return len(self) > 0

    if TYPE_CHECKING:
        # made below or by the subclasses; declared for readers and type checkers
        sum: Callable[..., OpTreeNode]
        mean: Callable[..., OpTreeNode]
        max: Callable[..., OpTreeNode]
        min: Callable[..., OpTreeNode]
        var: Callable[..., OpTreeNode]
        std: Callable[..., OpTreeNode]
        argmax: Callable[..., OpTreeNode]
        argmin: Callable[..., OpTreeNode]

        def __len__(self) -> int: ...
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any: ...
        def __pow__(self, other: Any) -> OpTreeNode: ...
        def __neg__(self) -> OpTreeNode: ...
        def __abs__(self) -> OpTreeNode: ...
        def __add__(self, other: Any) -> OpTreeNode: ...
        def __radd__(self, other: Any) -> OpTreeNode: ...
        def __sub__(self, other: Any) -> OpTreeNode: ...
        def __rsub__(self, other: Any) -> OpTreeNode: ...
        def __mul__(self, other: Any) -> OpTreeNode: ...
        def __rmul__(self, other: Any) -> OpTreeNode: ...
        def __truediv__(self, other: Any) -> OpTreeNode: ...
        def __rtruediv__(self, other: Any) -> OpTreeNode: ...
        def __floordiv__(self, other: Any) -> OpTreeNode: ...
        def __rfloordiv__(self, other: Any) -> OpTreeNode: ...
        def __mod__(self, other: Any) -> OpTreeNode: ...
        def __rmod__(self, other: Any) -> OpTreeNode: ...
        def __matmul__(self, other: Any) -> OpTreeNode: ...
        def __rpow__(self, other: Any) -> OpTreeNode: ...
        def __eq__(self, other: Any) -> OpTreeNode: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> OpTreeNode: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> OpTreeNode: ...
        def __le__(self, other: Any) -> OpTreeNode: ...
        def __gt__(self, other: Any) -> OpTreeNode: ...
        def __ge__(self, other: Any) -> OpTreeNode: ...


class OpTreeNode(Expression):
    """An application of an op to tensors, nodes and numbers.

    Made by operators, by functions of a backend and by `apply`; immutable. To neon's users it looks
    like neon's tuple `(op_dict, left, right)`.

    Attributes:
        sig: structure, shape and dtype.
    """

    # the builders fill the slots: `_found` with None, `_third` where there are three operands (of
    # more: with all after the second), `_held` with the draw of a random node, and with the rule
    # where `sig.custom` asks for one
    __slots__ = ("_first", "_found", "_held", "_second", "_third", "sig")

    if TYPE_CHECKING:
        _first: Any
        _second: Any
        _third: Any
        _found: Leaves | None
        _held: Any

    @property
    def args(self) -> tuple[Any, ...]:
        """Operands: Tensor, OpTreeNode or number."""
        arity = self.sig.op.arity
        if arity == 2:
            return self._first, self._second
        if arity == 1:
            return (self._first,)
        if arity > 3:
            return (self._first, self._second, *self._third)
        return (self._first, self._second, self._third) if arity else ()

    @property
    def leaves(self) -> Leaves:
        """Identities of the tensors below, in order, and the numbers below, in order.

        A large node has an identity of its own instead of them.
        """
        return self._found or self.sig.read(self)

    @property
    def tokens(self) -> tuple[int, ...]:  # type: ignore[override]
        """Identities of the tensors below, in order (the node's own when it is large)."""
        return self.leaves[0]

    @property
    def scalars(self) -> tuple[float, ...]:  # type: ignore[override]
        """Numbers below, in order (empty when the node is large)."""
        return self.leaves[1]

    @property
    def op(self) -> str:
        """Name of the op."""
        name: str = self.sig.op.name
        return name

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        return self.sig.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype in which the op computes."""
        dtype: np.dtype = self.sig.dtype
        return dtype

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the op, such as `axes` of a reduction."""
        return self.sig.params

    @property
    def backend(self) -> ExpressionBackend | None:
        """Backend of the tensors below."""
        return self.sig.backend

    @property
    def left(self) -> Any:
        """First operand or None."""
        return self._first

    @property
    def right(self) -> Any:
        """Second operand or None."""
        return self._second

    @property
    def T(self) -> OpTreeNode:
        """Transpose: both axes swapped; above rank 2 axis 0 stays and the others are reversed."""
        return transpose(self)

    def transpose(self, out: Any = None) -> Any:
        """The transpose, or `out` after it was assigned there."""
        if out is None:
            return self.T
        out[:] = self.T
        return out

    def __len__(self) -> int:
        return 3

    def __bool__(self) -> bool:
        """Whether the one element is not 0; runs the tree.

        Raises:
            ShapeError: there are several elements, or none.
        """
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def item(self) -> Any:
        """The value of a tree with one element, in the dtype that it computes in; runs the tree.

        Returns:
            A Python number.

        Raises:
            ShapeError: there are several elements, or none.
            ConfigurationError: no tensor below says on which backend.
        """
        if self.sig.constant:
            return constant_value(self)
        if self.sig.wild or prod(self.shape) != 1:
            raise ShapeError(
                f"{self.op}: a tree of shape {self.shape} is not one number, so it is neither true "
                "nor false; fold it first with be.max (any) or be.min (all), or ask `is not None`"
            )
        out = self._home().empty(self.shape, dtype=self.dtype)
        out[:] = self
        return out.item()

    def __iter__(self) -> Iterator[Any]:
        return iter((printing.op_dict(self), self.left, self.right))

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write through a gather: `t[indices, :][:] = value` stores into `t`.

        Raises:
            DtypeError: the node is no gather of a tensor, or not all of it is assigned.
            IndexRangeError: an index held by a tensor is out of range.
        """
        gather = self._first if self.op == "reshape" and type(self._first) is OpTreeNode else self
        source = gather._first
        if gather.op != "take" or type(source) is OpTreeNode:
            raise DtypeError(
                f"cannot assign into an op-tree ({self.op}); assign into a tensor or a gather of "
                "one"
            )
        if not (type(key) is slice and key == slice(None)):
            raise DtypeError(
                "only the whole of a gathered region can be assigned: t[indices, :] = value"
            )
        source.scatter_into(gather._second, gather.params["axis"], value, self.shape)

    def schedule(self, source: bool = False) -> Any:
        """Kernels and calls that the assignment to a new tensor becomes; see `Backend.explain`."""
        return self._home().explain(self, source)

    def _home(self) -> ExpressionBackend:
        """The backend of the tensors below; ConfigurationError if there are none."""
        if self.backend is None:
            raise ConfigurationError(
                f"{self}: no tensor in the tree says on which backend it runs; assign it: "
                "t[:] = tree"
            )
        return self.backend

    def astensor(self) -> Any:
        """Evaluate into a new tensor: integers keep their dtype, else it is the backend's default.

        Raises:
            ConfigurationError: no tensor below says on which backend.
            ShapeError: a size is only known on assignment.
        """
        backend = self._home()
        if self.sig.wild:
            raise ShapeError(
                f"{self}: the size of axis {sorted(self.sig.wild - {LEADING})} is only known on "
                "assignment; give the size (onehot: classes=, rand: shape=)"
            )
        out = backend.empty(self.shape, dtype=self.dtype if self.dtype.kind == "i" else None)
        out[:] = self
        return out

    def get(self) -> np.ndarray:
        """Evaluate and return a new NumPy array."""
        values: np.ndarray = self.astensor().get()
        return values

    def asnumpyarray(self) -> np.ndarray:
        """Evaluate and return a new NumPy array (neon's name of `get`)."""
        return self.get()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.get(), dtype=dtype)

    def pp(self) -> str:
        """The formula in infix form."""
        return printing.formula(self, walk(self))

    def __str__(self) -> str:
        return self.pp()

    def __repr__(self) -> str:
        return f"<OpTreeNode {self.shape} {self.dtype}: {self.pp()}>"

    def traverse(self, result: list[Any]) -> list[Any]:
        """Append leaves and op dictionaries in postfix order to `result` and return it."""
        return printing.traverse(self, result)

    def key(self) -> tuple[Any, ...]:
        """Postfix items with op dictionaries reduced to names and parameters."""
        return printing.key(self)

    def intrinsic_key_maps(self) -> tuple[tuple[Any, ...], dict[Any, int], dict[int, Any]]:
        """The key with numbered tensors, tensor -> number, number -> tensor."""
        return printing.intrinsic_key_maps(self)

    @staticmethod
    def optree_to_list(tree: Any) -> Any:
        """A tree as mutable lists `[op dictionary, operand, ...]`."""
        return printing.optree_to_list(tree, walk(tree))

    @staticmethod
    def list_to_optree(nested: Any) -> Any:
        """The tree of lists made by `optree_to_list`."""
        return printing.list_to_optree(nested, apply)

    if TYPE_CHECKING:
        # set by `methods.py` and `functions.py`, which build nodes
        ndim: int
        size: int
        numpy: Callable[[], np.ndarray]
        reshape: Callable[..., OpTreeNode]

        @staticmethod
        def build(op: str, a: Any, b: Any = None, out: Any = None, **kwargs: Any) -> Any:
            """Neon's builder: a node, or `out` after the node was assigned to it."""


def make_node(sig: Signature, args: Sequence[Any]) -> OpTreeNode:
    """Make a node from checked parts."""
    node = OpTreeNode()
    node.sig = sig
    node._first, node._second, node._third = (*args, None, None, None)[:3]
    if len(args) > 3:
        node._third = tuple(args[2:])
    node._found = None
    return node


def with_draw(node: OpTreeNode, draw: Draw) -> OpTreeNode:
    """The random node, after it was given its draw."""
    node._held = draw
    node._found = (draw.token,), ()
    return node


LARGEST = int(np.finfo(np.float64).max)


def as_operand(value: Any, op_name: str) -> Any:
    """Return `value` as something a node can hold: Tensor, OpTreeNode, int or float.

    Raises:
        DtypeError: anything else; ndarrays get a hint.
    """
    if isinstance(value, Expression):
        return constant_value(value) if value.sig.constant else value
    if type(value) is float or type(value) is Traced:
        return value
    if isinstance(value, int):
        if abs(value) <= LARGEST:
            return int(value)
        raise DtypeError(
            f"{op_name}: an integer of {value.bit_length()} bits is larger than any float64; give "
            "float('inf') if that is meant"
        )
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (np.generic, np.ndarray)) and not value.ndim and is_real(value.dtype):
        return int(value) if value.dtype.kind in "iub" else float(value)
    hint = "; make it a tensor first: be.array(x)" if hasattr(value, "__array__") else ""
    raise DtypeError(
        f"{op_name}: cannot use an operand of type {type(value).__name__}{hint}; operands are "
        "tensors, op-trees and real numbers"
    )


def constant_value(node: Any) -> float:
    """The number that an op on numbers stands for, such as `be.log(2.0)`.

    As a number it adapts to the dtype of whatever it meets; as a node it would bring its own.
    """

    def compute(*values: float) -> float:
        with np.errstate(all="ignore"):
            numbers = [np.full((1, 1), x, np.float64) for x in values]
            return float(node.sig.op.numpy(*numbers)[0, 0])

    if any(type(x) is Traced for x in node.args):
        return Traced.of(compute, *node.args)
    return compute(*node.args)


def apply(op_name: str, *operands: Any, **params: Any) -> OpTreeNode:
    """Build a node: `op_name` on operands; `params` must already be normalised and hashable.

    Raises:
        ShapeError, DtypeError, BackendMismatchError, UnknownOpError: it makes no sense.
    """
    op = OPS.get(op_name)
    if op is None:
        raise UnknownOpError(f"unknown op {op_name!r}; known are {', '.join(sorted(OPS))}")
    args = tuple([as_operand(x, op_name) for x in operands])
    if len(args) != op.arity:
        raise DtypeError(f"{op_name} takes {op.arity} operand(s), {len(args)} given")
    sigs = tuple([x.sig if isinstance(x, Expression) else SCALAR for x in args])
    if op.integers and int in map(type, args):
        sigs = _with_whole(op, args, sigs)
    # what is remembered with a tensor's signature dies with its backend
    home = next((s for s in sigs if s.backend is not None), sigs[0] if sigs else SCALAR)
    node = make_node(home.derive(op, sigs, params), args)
    return node if args else with_draw(node, Draw())


def _with_whole(op: Op, args: tuple[Any, ...], sigs: tuple[Signature, ...]) -> Any:
    """The signatures of operands, ints among integers being integers; elsewhere ints adapt."""
    values = [s for s, letter in zip(sigs, op.reads, strict=False) if letter == "v"]
    others = [s.dtype for s in values if s is not SCALAR]
    if not others or not all(dtype in EXACT for dtype in others):
        return sigs
    for x in args:
        if type(x) is int:
            whole_number(x)
    return tuple([WHOLE if type(x) is int else s for x, s in zip(args, sigs, strict=True)])


def transpose(x: Any, perm: tuple[int, ...] | None = None) -> OpTreeNode:
    """Node with the axes of `x` in another order; None as `.T` (axis 0 stays above rank 2)."""
    if not isinstance(x, Expression):
        raise DtypeError(f"transpose: needs a tensor or an op-tree, not {type(x).__name__}")
    rank = len(x.sig.shape)
    if perm is None:
        perm = (1, 0) if rank == 2 else (0, *range(rank - 1, 0, -1))
    return apply("transpose", x, perm=tuple(perm))


def walk(*roots: Any, known: Container[int] = ()) -> list[OpTreeNode]:
    """Every distinct node below `roots`, operands before users; no recursion, trees may be deep.

    Nodes whose id is in `known` are left out, with what is below them alone.
    """
    order: list[OpTreeNode] = []
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if not isinstance(node, OpTreeNode) or id(node) in done or id(node) in known:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args))
    return order


def tensors(*roots: Any) -> list[Any]:
    """Every distinct tensor below `roots`, in order of first use."""
    found: dict[int, Any] = {}
    for root in roots:
        if isinstance(root, Expression) and not isinstance(root, OpTreeNode):
            found.setdefault(id(root), root)
    for node in walk(*roots):
        for arg in node.args:
            if isinstance(arg, Expression) and not isinstance(arg, OpTreeNode):
                found.setdefault(id(arg), arg)
    return list(found.values())
