"""Lowering: assignments become one graph of distinct values over memory views.

Equal expressions become one value, movements of tensors become views, movements of element-wise
values are pushed down to the leaves, onehot becomes a comparison with a coordinate. What remains
is element-wise work, reductions, and ops that need their operands in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.dtypes import BELOW_ONE, INT64, is_float, is_whole
from neonport.ops.inference import operand_dtypes
from neonport.ops.op import OPS, Kind
from neonport.optree.node import Expression, OpTreeNode, walk
from neonport.optree.open_sizes import resolve_wild
from neonport.optree.random_nodes import Sources
from neonport.optree.replay_number import Traced
from neonport.shape import Shape, broadcast_strides, reshape_strides
from neonport.tensor.storage import Layout

# kinds of ops that are no part of a loop nest
CALLS = frozenset({Kind.CONTRACTION, Kind.WINDOW, Kind.AXIS, Kind.SEQUENCE})


def scalar_key(value: float) -> tuple[Any, float]:
    """Numbers with equal keys are one argument of a kernel (0.0 and -0.0 are two)."""
    if type(value) is Traced:
        return (value, 0.0)  # it is one argument with nothing but itself
    return (value, math.copysign(1.0, value))


def scalar_slots(scalars: Sequence[float]) -> tuple[int, ...]:
    """For each number the index of the first one equal to it; nan equals nothing."""
    first: dict[tuple[Any, float], int] = {}
    return tuple(
        i if value != value else first.setdefault(scalar_key(value), i)
        for i, value in enumerate(scalars)
    )


def slot_numbers(scalars: Sequence[float], slots: Sequence[int]) -> list[float]:
    """The number of each slot, in order; of equal ones an int, which may stand among integers."""
    chosen: dict[int, float] = {}
    for slot, number in zip(slots, scalars, strict=True):
        if slot not in chosen or type(number) is int:
            chosen[slot] = number
    return list(chosen.values())


def _slot_value(number: float) -> float:
    return number if type(number) in (Traced, int) else float(number)


class Lowering:
    """Builds the graph of some assignments.

    Args:
        scalars: numbers that later runs may replace; equal ones share a slot, in order.

    After `build`, `storages` ((storage, first byte) pairs), `scalars` and `sources` hold what
    the slots of the graph stand for.
    """

    def __init__(self, scalars: Sequence[float] = ()) -> None:
        self.values: list[Value] = []
        self.storages: list[tuple[Any, int]] = []
        self.scalars: list[float] = [
            _slot_value(number) for number in slot_numbers(scalars, scalar_slots(scalars))
        ]
        self.sources = Sources()
        self._index: dict[Value, int] = {}
        self._slots: dict[Any, int] = {}
        self._scalar_slots = {scalar_key(v): i for i, v in enumerate(self.scalars)}
        self._nodes: dict[int, int] = {}
        self._moved: dict[tuple[int, Any], int] = {}

    def build(self, pairs: Sequence[tuple[Any, Any]]) -> Graph:
        """Lower (target, operand) pairs."""
        for target, _ in pairs:
            self._slot(id(target.storage), target)
        outputs = []
        for target, operand in pairs:
            value = self._root(operand, target.shape)
            parts = self._parts(value, target)
            if parts:
                outputs.extend(parts)
                continue
            if target.dtype.name in BELOW_ONE and self._is_drawn(value):
                # [0, 1) in the stored type too
                drawn, name = self.values[value], f"below_one_{target.dtype.name}"
                value = self._add(Value(name, (value,), drawn.shape, drawn.dtype))
            if self.values[value].shape != target.shape:
                dtype = self.values[value].dtype
                value = self._add(Value("broadcast", (value,), target.shape, dtype))
            outputs.append((value, self.leaf_of(target)))
        return Graph(tuple(self.values), tuple(outputs), len(self.storages), len(self.sources))

    def _is_drawn(self, index: int) -> bool:
        """Whether a value is uniform numbers, moved or not."""
        value = self.values[index]
        while len(value.args) == 1 and value.op in OPS and OPS[value.op].kind is Kind.MOVEMENT:
            value = self.values[value.args[0]]
        return value.op == "rand"

    # ---- values ------------------------------------------------------------------------------

    def _add(self, value: Value) -> int:
        found = self._index.get(value)
        if found is None:
            found = self._index[value] = len(self.values)
            self.values.append(value)
        return found

    def _slot(self, key: Any, tensor: Any) -> int:
        """Slot of a tensor's memory, counted from the tensor's first element if it is new."""
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = len(self.storages)
            self.storages.append((tensor.storage, tensor.offset * tensor.dtype.itemsize))
        return slot

    def leaf_of(self, tensor: Any) -> MemoryView:
        """The leaf of a tensor.

        Offsets are relative, so that the next slice of the same arrays is the same graph. Memory
        that is only read gets a slot for each offset; memory that is also written has one slot,
        because there it matters which views overlap.
        """
        storage, first = tensor.storage, tensor.offset * tensor.dtype.itemsize
        key: Any = id(storage)
        if key not in self._slots:
            key = (key, first, tensor.dtype)
        slot = self._slot(key, tensor)
        distance = first - self.storages[slot][1]
        if distance % tensor.dtype.itemsize:  # views of different item sizes, out of step
            slot = self._slot((key, first, tensor.dtype, "apart"), tensor)
            distance = 0
        shape, strides, _ = tensor.layout
        return MemoryView(slot, tensor.dtype, (shape, strides, distance // tensor.dtype.itemsize))

    def _operand(self, arg: Any, dtype: np.dtype | None) -> int:
        """Value of an operand, read in `dtype` (None: as it is stored)."""
        if isinstance(arg, OpTreeNode):
            return self._nodes[id(arg)]
        if isinstance(arg, Expression):
            leaf = self.leaf_of(arg)
            return self._add(
                Value("leaf", (), leaf.layout[0], dtype or read_dtype(leaf.dtype), leaf)
            )
        key = scalar_key(arg)
        slot = self._scalar_slots.get(key)
        if slot is None:
            slot = self._scalar_slots[key] = len(self.scalars)
            self.scalars.append(_slot_value(arg))
        elif type(arg) is int and type(self.scalars[slot]) is float:
            self.scalars[slot] = arg  # of equal numbers the one that may stand among integers
        own = INT64 if is_whole(arg) else np.dtype("float64")
        return self._add(Value("scalar", (), (1, 1), dtype or own, slot))

    def _root(self, operand: Any, shape: Shape) -> int:
        sizes = resolve_wild(operand, shape)
        nodes = walk(operand, known=self._nodes)
        for node in nodes:
            self._nodes[id(node)] = self._node(node, sizes.get(id(node), node.shape))
        value = self._operand(operand, None)
        for node in nodes:
            if node.sig.open:  # another target may decide another size
                del self._nodes[id(node)]
        return value

    def _node(self, node: OpTreeNode, shape: Shape) -> int:
        op, params, name = OPS[node.op], node.params, node.op
        if op.kind is Kind.SOURCE:
            slot = self.sources.slot(node, math.prod(shape))
            return self._add(Value(name, (), shape, node.dtype, slot))
        if name == "onehot":
            return self._onehot(node, shape)
        dtypes = operand_dtypes(op, [a.dtype for a in node.sig.args])
        args = tuple(self._operand(a, d) for a, d in zip(node.args, dtypes, strict=True))
        if op.kind in CALLS or name == "scatter_add":
            args = tuple(self._in_dtype(a, d) for a, d in zip(args, dtypes, strict=True))
        if name == "concat":
            return self._concat(args, shape, node.dtype, params["axis"])
        if op.kind is Kind.MOVEMENT and name != "pad_region":
            return self._move(args[0], name, params)
        if name == "where":
            args = (self._condition(args[0], node.dtype), *args[1:])
        if op.kind is Kind.REDUCTION:
            if not params["axes"]:  # nothing is folded, and a fold needs an axis to run over
                itself = ("sub", (*args, *args)) if name == "var" else ("broadcast", args)
                return self._add(Value(*itself, shape, node.dtype))
            return self._add(Value(name, args, shape, node.dtype, tuple(params["axes"])))
        attr = tuple(params.items()) or None
        return self._add(Value(name, args, shape, node.dtype, attr))

    def _condition(self, index: int, dtype: np.dtype) -> int:
        """A condition as kernels compare it, in the dtype of the values; no fraction becomes 0."""
        value = self.values[index]
        if dtype != INT64 or value.dtype.kind in "iu":  # places of maxima are int32
            return index
        for _ in range(2):
            index = self._add(Value("logical_not", (index,), value.shape, value.dtype))
        return index

    def _in_dtype(self, index: int, dtype: np.dtype | None) -> int:
        """The value as it must lie in memory for a call: converted, if it is stored otherwise."""
        value = self.values[index]
        wanted = value.dtype if dtype is None else dtype
        if value.op == "leaf":
            # indices keep the integer type that they are stored in
            right = dtype is None or value.attr.dtype == wanted
        else:
            right = value.op != "scalar" and value.dtype == wanted
        if right:
            return index
        return self._add(Value("broadcast", (index,), value.shape, wanted))

    def _onehot(self, node: OpTreeNode, shape: Shape) -> int:
        axis = node.params["axis"]
        index = self._operand(node.args[0], INT64)
        column = (1, shape[1]) if axis == 0 else (shape[0], 1)
        index = self._move(index, "reshape", {"shape": column})
        classes = tuple(n if a == axis else 1 for a, n in enumerate(shape))
        iota = self._add(Value("iota", (), classes, INT64, axis))
        return self._add(Value("onehot", (iota, index), shape, INT64))

    # ---- movements ---------------------------------------------------------------------------

    def _concat(self, args: Sequence[int], shape: Shape, dtype: np.dtype, axis: int) -> int:
        """One value of all that is put together along an axis, however many nodes did it."""
        parts: list[int] = []
        for index in args:
            value = self.values[index]
            if value.op == "concat" and value.dtype == dtype and value.attr == (("axis", axis),):
                parts.extend(value.args)
            elif is_float(value.attr.dtype) if value.op == "leaf" else value.dtype == dtype:
                parts.append(index)
            else:
                parts.append(self._add(Value("broadcast", (index,), value.shape, dtype)))
        return self._add(Value("concat", tuple(parts), shape, dtype, (("axis", axis),)))

    def _parts(self, index: int, target: Any) -> list[tuple[int, MemoryView]]:
        """What a statement puts together, each part with its region of the target; else nothing."""
        value = self.values[index]
        if value.op != "concat" or value.shape != target.shape:
            return []
        leaf = self.leaf_of(target)
        shapes = [self.values[a].shape for a in value.args]
        regions = concat_regions(leaf, shapes, dict(value.attr)["axis"])
        return [(a, r) for a, r in zip(value.args, regions, strict=True) if 0 not in r.layout[0]]

    def _move(self, index: int, name: str, params: dict[str, Any]) -> int:
        key = (index, (name, *params.items()))
        found = self._moved.get(key)
        if found is None:
            found = self._moved[key] = self._moved_value(index, name, params)
        return found

    def _moved_value(self, index: int, name: str, params: dict[str, Any]) -> int:
        value = self.values[index]
        shape = _moved_shape(value.shape, name, params)
        if shape == value.shape and name in ("reshape", "broadcast"):
            return index
        if value.op == "leaf":
            layout = move_layout(value.attr.layout, name, params)
            if layout is not None:
                leaf = MemoryView(value.attr.slot, value.attr.dtype, layout)
                return self._add(Value("leaf", (), shape, value.dtype, leaf))
        elementwise = value.op in OPS and OPS[value.op].kind is Kind.ELEMENTWISE
        if elementwise and name in ("transpose", "slice"):
            args = tuple(self._move_operand(a, value.shape, name, params) for a in value.args)
            return self._add(Value(value.op, args, shape, value.dtype, value.attr))
        if elementwise and name == "reshape" and _long(shape) == _long(value.shape):
            args = tuple(self._widen_operand(a, value.shape, shape) for a in value.args)
            return self._add(Value(value.op, args, shape, value.dtype, value.attr))
        if value.op == name == "slice":
            return self._move(value.args[0], name, _slice_of_slice(dict(value.attr), params))
        if value.op == "concat" and name == "slice":
            found = self._part_around(value, params)
            if found is not None:
                return self._move(found[0], name, found[1])
        if value.op == "dot" and name == "transpose":
            left, right = (self._move(a, name, params) for a in value.args)
            return self._add(Value("dot", (right, left), shape, value.dtype))
        if name == "broadcast":
            return self._add(Value("broadcast", (index,), shape, value.dtype))
        return self._add(Value(name, (index,), shape, value.dtype, tuple(params.items())))

    def _part_around(self, value: Value, params: dict[str, Any]) -> tuple[int, Any] | None:
        """The part of a concat in which all of a slice lies, and the slice of it."""
        axis = dict(value.attr)["axis"]
        start, step, size = (params[name][axis] for name in ("starts", "steps", "shape"))
        low, high = sorted((start, start + step * (size - 1)))
        first = 0
        for part in value.args:
            n = self.values[part].shape[axis]
            if first <= low <= high < first + n:
                moved = (s - first if a == axis else s for a, s in enumerate(params["starts"]))
                return part, {**params, "starts": tuple(moved)}
            first += n
        return None

    def _widen_operand(self, index: int, old: Shape, new: Shape) -> int:
        """Give an operand of an element-wise value of shape `old` the axes of `new`.

        Both have the same axes in the same order, but for those of length 1.
        """
        value = self.values[index]
        if value.op == "scalar":
            return index
        own = (1,) * (len(old) - len(value.shape)) + value.shape
        kept = iter([m for m, n in zip(own, old, strict=True) if n != 1])
        return self._move(
            index, "reshape", {"shape": tuple(1 if n == 1 else next(kept) for n in new)}
        )

    def _move_operand(self, index: int, shape: Shape, name: str, params: dict[str, Any]) -> int:
        """Move an operand of an element-wise value of `shape`; unit axes stay unit axes."""
        value = self.values[index]
        if value.op == "scalar":
            return index
        own = (1,) * (len(shape) - len(value.shape)) + value.shape
        if own != value.shape:
            index = self._move(index, "reshape", {"shape": own})
        if name == "slice":
            unit = [n == 1 and m != 1 for n, m in zip(own, shape, strict=True)]
            params = {
                "starts": tuple(0 if u else s for u, s in zip(unit, params["starts"], strict=True)),
                "steps": tuple(1 if u else s for u, s in zip(unit, params["steps"], strict=True)),
                "shape": tuple(1 if u else s for u, s in zip(unit, params["shape"], strict=True)),
            }
        return self._move(index, name, params)


def _compute(dtype: np.dtype | None) -> np.dtype:
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def read_dtype(dtype: np.dtype) -> np.dtype:
    """Type in which a stored value is read when nothing asks for another one."""
    return _compute(dtype) if is_float(dtype) else INT64


def _long(shape: Shape) -> list[int]:
    """The axes that are not of length 1."""
    return [n for n in shape if n != 1]


def _slice_of_slice(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """The region that a region of a region is."""
    steps = tuple(k * m for k, m in zip(inner["steps"], outer["steps"], strict=True))
    places = zip(inner["starts"], inner["steps"], outer["starts"], strict=True)
    return {
        "starts": tuple(s + k * at for s, k, at in places),
        "steps": steps,
        "shape": outer["shape"],
    }


def concat_regions(whole: MemoryView, shapes: Sequence[Shape], axis: int) -> list[MemoryView]:
    """Where parts of the given shapes lie in what they are put together to along an axis."""
    _, strides, offset = whole.layout
    found = []
    for shape in shapes:
        found.append(MemoryView(whole.slot, whole.dtype, (shape, strides, offset)))
        offset += shape[axis] * strides[axis]
    return found


def _moved_shape(shape: Shape, name: str, params: dict[str, Any]) -> Shape:
    if name == "transpose":
        return tuple(shape[p] for p in params["perm"])
    result: Shape = params["shape"]
    return result


def move_layout(layout: Layout, name: str, params: dict[str, Any]) -> Layout | None:
    """Layout of a movement of a view, or None when the elements would have to be copied."""
    shape, strides, offset = layout
    if name == "transpose":
        perm = params["perm"]
        return tuple(shape[p] for p in perm), tuple(strides[p] for p in perm), offset
    if name == "slice":
        start = offset + sum(a * s for a, s in zip(params["starts"], strides, strict=True))
        steps = tuple(s * k for s, k in zip(strides, params["steps"], strict=True))
        return params["shape"], steps, start
    if name == "broadcast":
        return params["shape"], broadcast_strides(shape, strides, params["shape"]), offset
    if name == "reshape":
        steps_or_none = reshape_strides(shape, strides, params["shape"])
        return None if steps_or_none is None else (params["shape"], steps_or_none, offset)
    return None
