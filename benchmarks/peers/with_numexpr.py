"""numexpr: the formula is cut where it reduces; what lies between is one numexpr expression each.

The texts are made once. Reductions are NumPy's, except that a sum over everything is numexpr's own.
Numbers are float32 variables: as literals they would turn all arithmetic into float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import Job, Skip
from benchmarks.trees import Arrays, Tree

LIBRARY = "numexpr"
MAX_TEXT = 2000


class Text:
    """An expression that is not computed yet."""

    def __init__(self, program: Program, text: str) -> None:
        self.program = program
        self.text = text

    def _with(self, template: str, *others: Any) -> Text:
        parts = [self.program.part(o) for o in (self, *others)]
        return Text(self.program, template.format(*parts))

    def __add__(self, other: Any) -> Text:
        return self._with("({0} + {1})", other)

    def __sub__(self, other: Any) -> Text:
        return self._with("({0} - {1})", other)

    def __mul__(self, other: Any) -> Text:
        return self._with("({0} * {1})", other)

    def __truediv__(self, other: Any) -> Text:
        return self._with("({0} / {1})", other)

    def __radd__(self, other: Any) -> Text:
        return self._with("({1} + {0})", other)

    def __rtruediv__(self, other: Any) -> Text:
        return self._with("({1} / {0})", other)

    def __neg__(self) -> Text:
        return self._with("(-{0})")

    def __gt__(self, other: Any) -> Text:
        return self._with("({0} > {1})", other)

    def __lt__(self, other: Any) -> Text:
        return self._with("({0} < {1})", other)


class Program:
    """Steps that fill named arrays; also the functions that the formula is written with."""

    def __init__(self, inputs: Arrays) -> None:
        self.arrays: dict[str, Any] = dict(inputs)
        self.steps: list[Callable[[], None]] = []
        self.shared: dict[str, Text] = {}

    def part(self, value: Any) -> str:
        """Text of an operand."""
        if isinstance(value, Text):
            return value.text
        name = f"c{len(self.arrays)}"
        self.arrays[name] = np.float32(value)
        return name

    def evaluate(self, value: Text) -> Text:
        """Let a step compute a value; the result is a name."""
        import numexpr

        if value.text in self.arrays:
            return value
        if value.text in self.shared:
            return self.shared[value.text]
        text, arrays = value.text, self.arrays
        for known, computed in self.shared.items():
            text = text.replace(known, computed.text)
        if len(text) > MAX_TEXT:
            raise Skip("the expression is too long")
        name = f"t{len(arrays)}"
        arrays[name] = numexpr.evaluate(text, local_dict=arrays, global_dict={})

        def step() -> None:
            numexpr.evaluate(text, local_dict=arrays, global_dict={}, out=arrays[name])

        self.steps.append(step)
        self.shared[value.text] = Text(self, name)
        return self.shared[value.text]

    def _reduce(self, kind: Any, x: Text, axis: Any) -> Text:
        source = self.evaluate(x).text
        name, arrays = f"t{len(self.arrays)}", self.arrays
        arrays[name] = kind(arrays[source], axis=axis, keepdims=True)
        self.steps.append(lambda: kind(arrays[source], axis=axis, keepdims=True, out=arrays[name]))
        return Text(self, name)

    def sum(self, x: Text, axis: Any) -> Text:
        return self._reduce(np.sum, x, axis)

    def max(self, x: Text, axis: Any) -> Text:
        return self._reduce(np.max, x, axis)

    def mean(self, x: Text, axis: Any) -> Text:
        return self._reduce(np.mean, x, axis)

    def var(self, x: Text, axis: Any) -> Text:
        centred = x - self.mean(x, axis)
        return self.mean(centred * centred, axis)

    def exp(self, x: Text) -> Text:
        return x._with("exp({0})")

    def log(self, x: Text) -> Text:
        return x._with("log({0})")

    def tanh(self, x: Text) -> Text:
        return x._with("tanh({0})")

    def sqrt(self, x: Text) -> Text:
        return x._with("sqrt({0})")

    def maximum(self, a: Text, b: Any) -> Text:
        return a._with("where({0} > {1}, {0}, {1})", b)

    def minimum(self, a: Text, b: Any) -> Text:
        return a._with("where({0} < {1}, {0}, {1})", b)

    def where(self, condition: Text, a: Any, b: Any) -> Text:
        return condition._with("where({0}, {1}, {2})", a, b)


def make(tree: Tree, inputs: Arrays) -> Job:
    import numexpr

    from neonport.backends.host.threads import num_threads

    numexpr.set_num_threads(num_threads())
    program = Program(inputs)
    values = {name: Text(program, name) for name in inputs}
    results = tree.formula(program, **values)
    for result in sorted(results, key=lambda r: len(r.text)):  # parts first: they are used again
        program.evaluate(result)
    names = [program.evaluate(r).text for r in results]
    arrays = program.arrays

    def run() -> None:
        for step in program.steps:
            step()
        for state, name in zip(tree.state, names, strict=False):
            # the old array becomes the buffer of the next result
            arrays[state], arrays[name] = arrays[name], arrays[state]

    def outputs() -> list[Any]:
        swapped = dict(zip(names, tree.state, strict=False))
        return [arrays[swapped.get(name, name)] for name in names]

    return Job(run, outputs)
