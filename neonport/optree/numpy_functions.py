"""NumPy's functions on tensors and trees: its operators build nodes, others are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import DtypeError
from neonport.ops.op import OPS
from neonport.optree.node import Expression, apply
from neonport.optree.operators import power

# what NumPy calls for `a + t` and `np.float32(2) * t`
_OPERATORS: dict[Any, str] = {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.true_divide: "div",
    np.remainder: "mod",
    np.floor_divide: "floordiv",
    np.power: "pow",
    np.equal: "eq",
    np.not_equal: "ne",
    np.less: "lt",
    np.less_equal: "le",
    np.greater: "gt",
    np.greater_equal: "ge",
}


def array_ufunc(self: Expression, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """What NumPy calls where a tensor or a tree is an operand of one of its element-wise functions.

    Raises:
        DtypeError: an array is an operand, or the function is none that has an operator.
    """
    name = _OPERATORS.get(ufunc)
    array = next((x for x in inputs if isinstance(x, np.ndarray) and x.ndim), None)
    if array is not None:
        raise DtypeError(
            f"np.{ufunc.__name__}: cannot use an array together with a tensor or an op-tree; make "
            "it a tensor first: be.array(x)"
        )
    if name and method == "__call__" and not options:
        return power(*inputs) if name == "pow" else apply(name, *inputs)
    public = {p for op in OPS.values() for p in op.public}
    own = f"be.{ufunc.__name__} builds the expression" if ufunc.__name__ in public else ""
    there = f"np.{ufunc.__name__}(t.get()) computes on the host"
    raise DtypeError(
        f"np.{ufunc.__name__}: NumPy does not run on tensors and op-trees; "
        + ", ".join(filter(None, [own, there]))
    )


setattr(Expression, "__array_ufunc__", array_ufunc)  # noqa: B010
