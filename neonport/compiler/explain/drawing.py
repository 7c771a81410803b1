"""The op-tree as a Mermaid flowchart: a box of nodes for each kernel or call.

GitHub, GitLab and many editors draw a block of Markdown that is marked `mermaid`. A value that
several kernels compute again is drawn in each; what goes from one to the next through memory is a
dotted line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neonport.compiler.explain.formulas import Names, strip, value_text
from neonport.compiler.graph import Graph
from neonport.compiler.schedule import Schedule, Scheduler

MAX_LABEL = 40  # characters
SHAPES = {"memory": '[("{}")]', "value": '(["{}"])', "store": '[["{}"]]'}


@dataclass(frozen=True, eq=False)
class Outline:
    """Contents of a drawing: the graph, its cut and its names."""

    graph: Graph
    scheduler: Scheduler
    schedule: Schedule
    names: Names


class Flowchart:
    """The text of a flowchart, written node by node."""

    def __init__(self) -> None:
        self.lines = ["flowchart TD"]
        self._far: list[str] = []
        self._count = 0
        self._written: dict[str, str] = {}

    def node(self, label: str, kind: str) -> str:
        """Add a node; what is read is joined to where an earlier step has stored it."""
        self._count += 1
        name = f"n{self._count}"
        self.lines.append(f"    {name}{SHAPES[kind].format(_escaped(label))}")
        if kind == "memory" and label in self._written:
            self._far.append(f"  {self._written[label]} -.-> {name}")
        return name

    def edge(self, source: str, target: str) -> None:
        """Let a node feed another one of the same step."""
        self.lines.append(f"    {source} --> {target}")

    def store(self, label: str, source: str) -> tuple[str, str]:
        """Add the memory that a value is written to; return its label and its node."""
        name = self.node(label, "store")
        self.edge(source, name)
        return label, name

    def step(self, title: str, outline: Outline, number: int) -> None:
        """Add a step of the schedule; those after the last are its copies."""
        self.lines.append(f'  subgraph s{number}["{_escaped(title)}"]')
        steps = outline.schedule.steps
        if number < len(steps):
            stores = self._values(outline, steps[number].roots)
        else:
            source, target = map(outline.names.leaf, outline.schedule.copies[number - len(steps)])
            stores = [self.store(target, self.node(source, "memory"))]
        self.lines.append("  end")
        self._written.update(stores)

    def _values(self, outline: Outline, roots: Sequence[int]) -> list[tuple[str, str]]:
        plan, names, values = outline.schedule, outline.names, outline.graph.values
        cones = [outline.scheduler.cone(r) for r in roots]
        inside = sorted({*roots, *(i for inline, _ in cones for i in inline)})
        outside = sorted({i for _, reads in cones for i in reads} - set(roots))
        made = {i: self.node(names.leaf(plan.places[i]), "memory") for i in outside}
        read: dict[str, str] = {}  # one memory may be read in two types
        for index in inside:
            value = values[index]
            if value.op == "scalar" or (value.op == "broadcast" and index not in roots):
                continue
            if value.op == "leaf":
                label = names.leaf(value.attr)
                made[index] = read[label] = read.get(label) or self.node(label, "memory")
                continue
            operands = [_through(outline, a) for a in value.args]
            parts = [names.number(values[a].attr) if a not in made else "·" for a in operands]
            made[index] = self.node(_short(strip(value_text(names, value, parts))), "value")
            for operand in dict.fromkeys(made[a] for a in operands if a in made):
                self.edge(operand, made[index])
        return [
            self.store(names.leaf(plan.places[r]), made[r])
            for r in roots
            if r in plan.places and r in made
        ]

    def text(self) -> str:
        """All of it."""
        return "\n".join([*self.lines, *self._far]) + "\n"


def draw(titles: Mapping[int, str], outline: Outline | None) -> str:
    """The flowchart of a statement.

    Args:
        titles: of each step, by its number in the schedule.
        outline: what is drawn; None draws a note that nothing runs.
    """
    chart = Flowchart()
    if outline is None:
        chart.node("no elements: nothing runs", "value")
        return chart.text()
    for number, title in titles.items():
        chart.step(title, outline, number)
    return chart.text()


def _through(outline: Outline, index: int) -> int:
    """The value that a broadcast inside a kernel stands for."""
    while outline.graph.values[index].op == "broadcast" and index not in outline.schedule.roots:
        (index,) = outline.graph.values[index].args
    return index


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"


def _escaped(text: str) -> str:
    """A text in which nothing means something to Mermaid or HTML."""
    return re.sub(r"[^\w .,:()=+*/·…-]", lambda m: f"#{ord(m[0])};", text)
