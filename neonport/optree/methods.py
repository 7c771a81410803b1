"""Methods of tensors and trees that users of NumPy expect: reductions, `reshape`, copies.

A reduced axis stays, with length 1, as it does in the functions of a backend.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import prod
from typing import Any, NoReturn

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.ops.op import OPS
from neonport.optree import operators
from neonport.optree.node import Expression, OpTreeNode, apply, make_node, walk
from neonport.shape import resolve_reshape

REDUCTIONS = ("sum", "max", "min", "argmax", "argmin", "var")


def root(squares: Any) -> OpTreeNode:
    """Square root of numbers from 0 on, with the gradient 0 at 0 instead of an infinity."""
    zero = squares == 0.0
    return operators.where(zero, 0.0, operators.unary("sqrt")(operators.where(zero, 1.0, squares)))


def _reduction(name: str, build: Callable[[Any, Any], OpTreeNode], about: str) -> Any:
    def method(
        self: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = True,
        ddof: int = 0,
    ) -> Any:
        if dtype is not None:
            raise DtypeError(
                f"{name}: a tree has the dtype that its operands give it; assign it to a tensor of "
                f"dtype {dtype}, or reduce on the host: t.get().{name}(dtype=...)"
            )
        if ddof:
            raise ConfigurationError(
                f"{name}: ddof={ddof} is not known here, n is divided by; multiply the variance "
                "by n / (n - ddof)"
            )
        return operators.emit(build(self, axis), out)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"""{about}, along an axis, several, or all; an op-tree, or `out`.

        Reduced axes stay with length 1; the other arguments are accepted for NumPy.

        Raises:
            ShapeError: an axis out of range, or named twice.
            DtypeError, ConfigurationError: a dtype, or a ddof that is not 0.
        """
    return method


def _std(a: Any, axis: Any) -> OpTreeNode:
    return root(operators.reduction("var")(a, axis))


for _name in REDUCTIONS:
    setattr(Expression, _name, _reduction(_name, operators.reduction(_name), OPS[_name].summary))
setattr(Expression, "mean", _reduction("mean", operators.mean, "the sum divided by n"))  # noqa: B010
setattr(  # noqa: B010
    Expression, "std", _reduction("std", _std, "square root of the biased variance")
)


def reshape(a: Any, *shape: Any) -> OpTreeNode:
    """A tree of the same elements in row-major order; one size may be -1.

    Raises:
        ShapeError: another number of elements, or a size that is only known on assignment.
    """
    sig = operators.expression(a, "reshape").sig
    if sig.wild:
        raise ShapeError(
            "reshape: the size of the operand is only known on assignment; give it (onehot: "
            "classes=, rand: shape=)"
        )
    request = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    target = resolve_reshape(sig.shape, request)
    return a if target == sig.shape else apply("reshape", a, shape=target)


def _deep_copy(self: OpTreeNode, memo: dict[int, Any]) -> OpTreeNode:
    """The same expression of own copies of the tensors."""
    done: dict[int, Any] = {}
    for node in walk(self):
        args = [done[id(a)] if isinstance(a, OpTreeNode) else deepcopy(a, memo) for a in node.args]
        copied = done[id(node)] = make_node(node.sig, args)
        if node.sig.custom is not None:
            copied._held = node._held
    return done[id(self)]


def _refuse_pickle(self: Expression, protocol: Any = None) -> NoReturn:
    """Say what can be pickled instead.

    Raises:
        DtypeError: always.
    """
    raise DtypeError(
        f"pickle: a {type(self).__name__} belongs to a backend of this process; pickle the array "
        "t.get() and make the tensor again with be.array(a, dtype=a.dtype). Models are saved with "
        "model.save_params(path)"
    )


setattr(OpTreeNode, "reshape", reshape)  # noqa: B010
setattr(OpTreeNode, "numpy", OpTreeNode.get)  # noqa: B010
setattr(OpTreeNode, "ndim", property(lambda self: len(self.shape)))  # noqa: B010
setattr(OpTreeNode, "size", property(lambda self: prod(self.shape)))  # noqa: B010
setattr(OpTreeNode, "__copy__", lambda self: self)  # noqa: B010
setattr(OpTreeNode, "__deepcopy__", _deep_copy)  # noqa: B010
setattr(Expression, "__reduce_ex__", _refuse_pickle)  # noqa: B010
