"""`GraphProgram`: the graph of a statement, computed with the functions of an array library.

Each value is what the op's NumPy definition gives, called with duck arrays. Where that asks for
something the library lacks, the op runs in NumPy on the host, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from neonport.backends.arrays.duck_array import DuckArray, HostNeeded
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.compiler.schedule import is_reduction
from neonport.dtypes import BELOW_ONE, FLOAT64, INT64, cast, odd_float32, whole_number
from neonport.ops.op import OPS, Kind, Op
from neonport.shape import Shape

Load = Callable[[MemoryView], Any]
Numbers = Callable[[int, np.dtype], Any]
Uniform = Callable[[int, int], Any]


class Computer:
    """Runs definitions of ops in an array library.

    Args:
        arrays: the library.

    Attributes:
        fallbacks: ops that ran on the host, and what the library lacked.
    """

    def __init__(self, arrays: ArrayNamespace) -> None:
        self.arrays = arrays
        self.fallbacks: dict[str, str] = {}
        self._host: set[Any] = set()

    def compute(
        self,
        op: str,
        definition: Callable[..., Any],
        operands: Sequence[DuckArray],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype,
    ) -> DuckArray:
        """`definition(*operands, **params)`, as an array of a shape and dtype.

        Args:
            op: the op's name.
            definition: its NumPy definition.
            operands: in the dtypes in which it reads them.
            params: its parameters.
            shape, dtype: of the result.
        """
        arrays = self.arrays
        key = (op, tuple(x.dtype for x in operands), tuple(params.items()))
        if key not in self._host:
            try:
                own = arrays.library.get(op)
                if own is not None:
                    found = arrays.duck(own(*(x.array for x in operands), **params))
                else:
                    found = arrays.lift(definition(*operands, **params), dtype)
                return found.reshape(shape).astype(dtype, copy=False)
            except HostNeeded as why:
                self.fallbacks.setdefault(op, str(why))
                self._host.add(key)
        wanted = arrays.held(dtype)

        def on_host(*values: np.ndarray) -> Any:
            return definition(*values, **params)

        found = arrays.on_host(on_host, [x.array for x in operands], shape, wanted)
        return arrays.duck(found, wanted)

    def stored(self, value: DuckArray, shape: Shape, dtype: np.dtype) -> Any:
        """A value as it is stored: repeated to a shape, converted by the rule of all stores."""
        if value.dtype != dtype:
            # libraries go from float64 to float16 by way of float32, and round twice
            twice = dtype.name == "float16" and value.dtype == FLOAT64
            convert = _to_half if twice else cast
            value = self.compute("cast", convert, [value], {"dtype": dtype}, value.shape, dtype)
        return self.arrays.broadcast(value, shape)


def _to_half(values: Any, dtype: np.dtype) -> Any:
    return odd_float32(values).astype(dtype)


def _below_one(name: str) -> Callable[..., Any]:
    return lambda x: np.minimum(x, x.dtype.type(BELOW_ONE[name]))


INLINE: dict[str, Callable[..., Any]] = {
    "onehot": lambda classes, index: (classes == index).astype(np.int64),
    **{f"below_one_{name}": _below_one(name) for name in BELOW_ONE},
}
"""Values that lowering makes and the op table does not have in this form."""


class GraphProgram:
    """The values of a graph in order, each computed when it is needed and dropped after its use.

    Args:
        graph: of one statement.
        computer: runs the definitions.

    Attributes:
        views: for each output whether its array may be a view of the memory that it is read from.
    """

    def __init__(self, graph: Graph, computer: Computer) -> None:
        self.computer = computer
        self.outputs = graph.outputs
        self.values = graph.values
        self.views = [self._is_view(value) for value, _ in graph.outputs]
        self.order = _needed(graph)
        last = {a: i for i in self.order for a in self.values[i].args}
        last.update(dict.fromkeys((value for value, _ in graph.outputs), -1))
        self._done: dict[int, list[int]] = {}
        for operand, user in last.items():
            self._done.setdefault(user, []).append(operand)

    def _is_view(self, index: int) -> bool:
        """Whether a value is memory, moved or not."""
        value = self.values[index]
        while value.op == "broadcast" or (
            value.op in OPS and OPS[value.op].kind is Kind.MOVEMENT and len(value.args) == 1
        ):
            value = self.values[value.args[0]]
        return value.op == "leaf"

    def leaves(self) -> list[MemoryView]:
        """The views of memory that are read, each once."""
        found = (self.values[i] for i in self.order)
        return list(dict.fromkeys(v.attr for v in found if v.op == "leaf"))

    def numbers(self) -> list[tuple[int, np.dtype]]:
        """The number arguments: the slot of each, and the dtype in which it is read."""
        found = (self.values[i] for i in self.order)
        return list(dict.fromkeys((v.attr, v.dtype) for v in found if v.op == "scalar"))

    def draws(self) -> list[tuple[int, int]]:
        """The random sources: the slot of each, and how many numbers are drawn."""
        found = (self.values[i] for i in self.order)
        return list(dict.fromkeys((v.attr, _size(v.shape)) for v in found if v.op == "rand"))

    def run(self, load: Load, number: Numbers, uniform: Uniform) -> list[Any]:
        """The arrays to store, one for each output of the graph.

        Args:
            load: the library's array of a view of memory.
            number: that of a number argument, by slot and dtype, of shape (1, 1).
            uniform: float32 numbers in [0, 1), by slot and count.
        """
        values: dict[int, DuckArray] = {}
        with np.errstate(all="ignore"):  # infinities and nan are results
            for index in self.order:
                values[index] = self._value(self.values[index], values, load, number, uniform)
                for operand in self._done.get(index, ()):
                    del values[operand]
            return [
                self.computer.stored(values[value], target.layout[0], target.dtype)
                for value, target in self.outputs
            ]

    def _value(
        self,
        value: Value,
        values: dict[int, DuckArray],
        load: Load,
        number: Numbers,
        uniform: Uniform,
    ) -> DuckArray:
        arrays, dtype, shape = self.computer.arrays, value.dtype, value.shape
        if value.op == "leaf":
            leaf: MemoryView = value.attr
            return arrays.duck(load(leaf), leaf.dtype).astype(dtype, copy=False)
        if value.op == "scalar":
            return arrays.duck(number(value.attr, dtype), arrays.held(dtype))
        if value.op == "rand":
            return arrays.duck(uniform(value.attr, _size(shape))).reshape(shape)
        if value.op == "iota":
            sizes = tuple(n if a == value.attr else 1 for a, n in enumerate(shape))
            return arrays.lift(np.arange(shape[value.attr], dtype=dtype).reshape(sizes), dtype)
        operands = [values[a] for a in value.args]
        if value.op == "broadcast":
            only = operands[0].astype(dtype, copy=False)
            return arrays.duck(arrays.broadcast(only, shape), only.dtype)
        if value.op == "concat":
            parts = [x.astype(dtype, copy=False) for x in operands]
            found: Any = np.concatenate(parts, dict(value.attr)["axis"])
            return found
        if value.op in INLINE:
            return self.computer.compute(value.op, INLINE[value.op], operands, {}, shape, dtype)
        row = OPS[value.op]
        operands = read_as(row, operands, dtype)
        params = {"axes": value.attr} if is_reduction(value) else dict(value.attr or ())
        return self.computer.compute(value.op, row.numpy, operands, params, shape, dtype)


def read_as(row: Op, operands: list[DuckArray], dtype: np.dtype) -> list[DuckArray]:
    """Operands as an op reads them: values in the dtype that it computes in.

    Args:
        row: the op.
        operands: its operands.
        dtype: of the result.
    """
    if row.result is not None:
        return operands
    letters = row.reads.ljust(len(operands), "v")
    return [
        x.astype(dtype, copy=False) if letter == "v" else x
        for x, letter in zip(operands, letters, strict=False)
    ]


def host_number(number: float, dtype: np.dtype) -> np.ndarray:
    """A number argument on the host, of shape (1, 1)."""
    return np.full((1, 1), whole_number(number) if dtype == INT64 else number, dtype)


def _size(shape: Iterable[int]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _needed(graph: Graph) -> list[int]:
    """The values that the outputs need, operands first."""
    needed: set[int] = set()
    stack = [value for value, _ in graph.outputs]
    while stack:
        index = stack.pop()
        if index not in needed:
            needed.add(index)
            stack.extend(graph.values[index].args)
    return sorted(needed)
