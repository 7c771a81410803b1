"""What a kernel computes, in words: names for memory, and one short line a value.

Each line is `name = formula`; a value that is used once stands inside the line that uses it. Lines
`target <- value` are stores: every `=` line is done before them, so a name on the right always
means what was in memory before the statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from math import prod
from typing import Any

from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.compiler.lowering import Lowering
from neonport.compiler.schedule import Schedule, Scheduler, is_reduction
from neonport.ops.op import OPS
from neonport.optree.node import Expression, tensors
from neonport.tensor.storage import Layout

MAX_FORMULA = 72  # characters of a value that is not given a name of its own
_OWN_TEXT = {
    "onehot": "({0} == {1})",
    "broadcast": "{0}",
    "rand": "rand()",
    "below_one_float16": "{0}",
    "below_one_bfloat16": "{0}",
}


class Names:
    """Names of memory: tensors by their own names, others t1, t2, ...; targets out; temporaries.

    Args:
        pairs: the assignments.
        lowering: what the slots of the graph stand for.
    """

    def __init__(self, pairs: Sequence[tuple[Any, Any]], lowering: Lowering) -> None:
        self._numbers = lowering.scalars
        self._storages = lowering.storages
        self.reads = tensors(*(v for _, v in pairs if isinstance(v, Expression)))
        self.writes = [t for t, _ in pairs]
        self._base: dict[int, tuple[str, Layout]] = {}
        for target in self.writes:
            self._name(target, "out", number=len(self.writes) > 1)
        for tensor in self.reads:
            self._name(tensor, "t", number=True)
        self._temporary: dict[int, str] = {}

    def _name(self, tensor: Any, fallback: str, number: bool) -> None:
        """Name the memory of a tensor after the array that it is a view of."""
        key = id(tensor.storage)
        if key in self._base:
            return
        while getattr(tensor, "base", None) is not None:
            tensor = tensor.base
        taken = {name for name, _ in self._base.values()}
        name = stem = tensor.name or fallback
        if name in taken or (number and not tensor.name):
            rank = next(i for i in count(1) if f"{stem}{i}" not in taken)
            name = f"{stem}{rank}"
        self._base[key] = name, tensor.layout

    def tensor(self, tensor: Any) -> str:
        """Name of a tensor of the statement."""
        return self._view(tensor.storage, tensor.layout)

    def leaf(self, leaf: MemoryView) -> str:
        """Name of a view of memory; `x.T` and `x[...]` for other views of x."""
        if leaf.slot < 0:
            rank = len(self._temporary) + 1
            return self._temporary.setdefault(leaf.slot, f"tmp{rank}")
        storage, first = self._storages[leaf.slot]
        shape, strides, offset = leaf.layout
        return self._view(storage, (shape, strides, offset + first // leaf.dtype.itemsize))

    def _view(self, storage: Any, layout: Layout) -> str:
        name, base = self._base[id(storage)]
        shape, strides, offset = layout
        if layout == base:
            return name
        if layout == (base[0][::-1], base[1][::-1], base[2]):
            return f"{name}.T"
        whole = _elements(shape, strides) == _elements(base[0], base[1]) and offset == base[2]
        return name if whole else f"{name}[...]"

    def number(self, slot: int) -> str:
        """A number argument as it would be typed."""
        value = self._numbers[slot]
        text = f"{value:.0f}" if value == round(value, 0) and abs(value) < 1e6 else repr(value)
        return text if len(text) <= 10 else f"{value:.6g}"


def _elements(shape: Sequence[int], strides: Sequence[int]) -> int:
    return prod(n for n, s in zip(shape, strides, strict=True) if s)


def value_text(names: Names, value: Value, parts: Sequence[str]) -> str:
    """Formula of a value over the texts of its operands."""
    if value.op == "leaf":
        return names.leaf(value.attr)
    if value.op == "scalar":
        return names.number(value.attr)
    if value.op == "iota":
        return f"index(axis={value.attr})"
    if value.op in _OWN_TEXT:
        return _OWN_TEXT[value.op].format(*parts)
    params = {"axes": value.attr} if is_reduction(value) else dict(value.attr or ())
    if is_reduction(value):
        (part,) = parts
        inner = strip(part)
        axes = value.attr[0] if len(value.attr) == 1 else value.attr
        return f"{value.op}({inner}, axis={axes})"
    template = OPS[value.op].text
    inside = [p if template.startswith("(") else strip(p) for p in parts]
    return template.format(*inside, **params)


def strip(text: str) -> str:
    """The text without parentheses that enclose all of it."""
    if not text.startswith("(") or not text.endswith(")"):
        return text
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and i < len(text) - 1:
            return text
    return text[1:-1]


class Formulas:
    """Lines of the steps of a schedule; `v1`, `v2`, ... count through all of them."""

    def __init__(
        self, graph: Graph, scheduler: Scheduler, schedule: Schedule, names: Names
    ) -> None:
        self.values = graph.values
        self.scheduler = scheduler
        self.places = schedule.places
        self.roots = schedule.roots
        self.names = names
        self.count = 0

    def lines(self, roots: Sequence[int]) -> list[str]:
        """Formulas of a step with these roots."""
        inside = sorted({*roots, *(i for r in roots for i in self.scheduler.cone(r)[0])})
        uses = Counter(a for i in inside for a in self.values[i].args)
        text: dict[int, str] = {}
        found, stores = [], []
        for index in inside:
            value = self.values[index]
            parts = [self._operand(a, text) for a in value.args]
            line = value_text(self.names, value, parts)
            plain = value.op in ("leaf", "scalar", "broadcast")
            stored = index in roots and index in self.places
            named = uses[index] > (0 if stored or is_reduction(value) else 1)
            if not plain and (named or (len(line) > MAX_FORMULA and uses[index])):
                self.count += 1
                text[index] = f"v{self.count}"
                found.append(f"{text[index]} = {strip(line)}")
            else:
                text[index] = line
            if stored:
                stores.append(f"{self.names.leaf(self.places[index])} <- {strip(text[index])}")
        return found + stores

    def _operand(self, index: int, text: dict[int, str]) -> str:
        if index in text:
            return text[index]
        return self.names.leaf(self.places[index])

    def call(self, value: Value, operands: Iterable[MemoryView], target: MemoryView) -> str:
        """The line of a call."""
        parts = [self.names.leaf(leaf) for leaf in operands]
        return f"{self.names.leaf(target)} <- {strip(value_text(self.names, value, parts))}"
