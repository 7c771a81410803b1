"""`t += x` and its kin: the expression of the operator, assigned into the tensor on its left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonport.dtypes import FLOAT32, FLOAT64, host_numbers
from neonport.optree.node import Expression
from neonport.tensor.tensor import Tensor

OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")


def held(target: Tensor, value: Any) -> Any:
    """Host data on the right as a tensor; as in `t[:] = array` it must have the target's size.

    Raises:
        ShapeError, DtypeError: as `Tensor.set`.
    """
    if isinstance(value, Expression):
        return value
    if not isinstance(value, (list, tuple)) and getattr(value, "ndim", 0) == 0:
        return value
    values = host_numbers(value, "set")
    dtype = values.dtype
    if dtype.kind not in "iub":
        dtype = FLOAT64 if target.dtype == FLOAT64 else FLOAT32
    return target.backend.empty(target.shape, dtype=dtype).set(values)


def _operator(name: str) -> Callable[[Tensor, Any], Any]:
    build = getattr(Expression, f"__{name}__")

    def method(self: Tensor, other: Any) -> Any:
        self.check_writable("assign")
        tree = build(self, held(self, other))
        if tree is NotImplemented:
            return tree
        self[:] = tree
        return self

    method.__name__ = f"__i{name}__"
    method.__doc__ = f"`{name}`, stored into this tensor, which is returned."
    return method


for _name in OPERATORS:
    setattr(Tensor, f"__i{_name}__", _operator(_name))
