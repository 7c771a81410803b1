"""The op-tree as a picture: a coloured band for each kernel or call, white boxes for memory.

A value that several kernels compute again is drawn in each; what goes from one to the next through
memory is a dashed line between their white boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from neonport.compiler.explain.formulas import Names, strip, value_text
from neonport.compiler.explain.graph_layout import HEIGHT, Box, connect, place
from neonport.compiler.explain.steps import Part
from neonport.compiler.graph import Graph, MemoryView
from neonport.compiler.schedule import Schedule, Scheduler

COLOURS = ("#cfe3f7", "#fbdcc0", "#d3ecd0", "#f6cfd4", "#e2d6f0", "#f5ecb8", "#cdeae8", "#e7dccf")
MARGIN, TITLE, BETWEEN = 14.0, 24.0, 18.0
MAX_LABEL = 40  # characters


@dataclass(frozen=True, eq=False)
class Outline:
    """What the drawing needs: the graph, its cut and its names."""

    graph: Graph
    scheduler: Scheduler
    schedule: Schedule
    names: Names


def draw(steps: Sequence[Part], outline: Outline | None) -> str:
    """The picture as the text of an SVG file.

    Args:
        steps: kernels and calls in the order in which they run.
        outline: graph and cut; None where nothing runs.
    """
    bands = _bands(steps, outline)
    sizes = [place(boxes) for _, boxes in bands]
    titles = [8.0 * len(title) for title, _ in bands]
    width = max([w for w, _ in sizes] + titles, default=80.0)
    top = MARGIN
    shapes, lines, boxes_text = [], [], []
    written: dict[str, Box] = {}
    for number, ((title, boxes), (own, height)) in enumerate(zip(bands, sizes, strict=True)):
        for box in boxes:
            box.x += 2 * MARGIN + (width - own) / 2
            box.y += top + TITLE
        shapes.append(_band(title, number, top, width + 2 * MARGIN, height + TITLE + MARGIN))
        own_boxes = [box for box in boxes if box.kind != "bend"]
        lines += [_line([box, *_route(low)], "edge") for box in own_boxes for low in box.below]
        for box in own_boxes:
            source = written.get(box.label) if box.kind == "memory" else None
            if source is not None:
                lines.append(_line([source, box], "edge far"))
            boxes_text.append(_box(box))
        written.update({box.label: box for box in boxes if box.kind == "store"})
        top += height + TITLE + MARGIN + BETWEEN
    full, high = width + 4 * MARGIN, top - BETWEEN + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{full:.0f}" '
        f'height="{high:.0f}" viewBox="0 0 {full:.0f} {high:.0f}">'
    )
    return "\n".join([head, _ABOUT, _STYLE, *shapes, *lines, *boxes_text, "</svg>"]) + "\n"


_ABOUT = "<title>Op-tree and the kernels it is cut into</title>"
_STYLE = """<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"
 markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>
<style>
svg { background: #fff }
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #222 }
.edge { fill: none; stroke: #555; marker-end: url(#tip) }
.far { stroke-dasharray: 4 3 }
.value { fill: #fff; fill-opacity: .55; stroke: #777 }
.memory, .store { fill: #fff; stroke: #222 }
.middle { text-anchor: middle }
</style>"""


# ---- what is drawn -----------------------------------------------------------------------------


def _bands(steps: Sequence[Part], outline: Outline | None) -> list[tuple[str, list[Box]]]:
    """Title and boxes, in dependency order, of each step."""
    if outline is None:
        return [("no elements: nothing runs", [])]
    found = []
    numbered = enumerate(steps, 1)
    for step, group in groupby(numbered, key=lambda item: item[1].step):
        parts = list(group)
        number, part = parts[-1]
        found.append((_title(number, part), _boxes(outline, step)))
    return found


def _title(number: int, part: Part) -> str:
    space = " x ".join(map(str, part.space))
    return f"{number}. {'kernel' if part.is_kernel else 'call'} {space}, {part.bytes_moved:,} bytes"


def _boxes(outline: Outline, step: int) -> list[Box]:
    plan, names = outline.schedule, outline.names
    if step >= len(plan.steps):
        source, target = plan.copies[step - len(plan.steps)]
        return _copy(names.leaf(source), names.leaf(target))
    values = outline.graph.values
    roots = plan.steps[step].roots
    cones = [outline.scheduler.cone(r) for r in roots]
    inside = sorted({*roots, *(i for inline, _ in cones for i in inline)})
    outside = sorted({i for _, reads in cones for i in reads} - set(roots))
    made: dict[int, Box] = {i: Box(names.leaf(plan.places[i]), "memory") for i in outside}
    labels: dict[tuple[str, str], Box] = {}
    order = list(made.values())
    for index in inside:
        value = values[index]
        if value.op == "scalar" or (value.op == "broadcast" and index not in roots):
            continue
        if value.op == "leaf":
            # one memory may be read in two types
            key = ("memory", names.leaf(value.attr))
            if key not in labels:
                labels[key] = Box(key[1], "memory")
                order.append(labels[key])
            made[index] = labels[key]
            continue
        operands = [_through(outline, a) for a in value.args]
        parts = [names.number(values[a].attr) if a not in made else "·" for a in operands]
        box = made[index] = Box(_short(strip(value_text(names, value, parts))), "value")
        order.append(box)
        for operand in dict.fromkeys(made[a] for a in operands if a in made):
            connect(operand, box)
    for root in roots:
        leaf: MemoryView | None = plan.places.get(root)
        if leaf is not None:
            store = Box(names.leaf(leaf), "store")
            order.append(store)
            if root in made:
                connect(made[root], store)
    return order


def _through(outline: Outline, index: int) -> int:
    """The value that a broadcast inside a kernel stands for."""
    while outline.graph.values[index].op == "broadcast" and index not in outline.schedule.roots:
        (index,) = outline.graph.values[index].args
    return index


def _copy(source: str, target: str) -> list[Box]:
    boxes = [Box(source, "memory"), Box(target, "store")]
    connect(*boxes)
    return boxes


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"


# ---- shapes ------------------------------------------------------------------------------------


def _band(title: str, number: int, top: float, width: float, height: float) -> str:
    colour = COLOURS[number % len(COLOURS)]
    return (
        f'<rect x="{MARGIN:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8" '
        f'fill="{colour}"/>\n<text x="{MARGIN + 8:.1f}" y="{top + 16:.1f}">{escape(title)}</text>'
    )


def _box(box: Box) -> str:
    radius = 11 if box.kind == "value" else 2
    return (
        f'<rect class="{box.kind}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{HEIGHT:.1f}" rx="{radius}"/>\n<text class="middle" x="{box.centre:.1f}" '
        f'y="{box.y + 15:.1f}">{escape(box.label)}</text>'
    )


def _route(box: Box) -> list[Box]:
    """The bends of a line from `box` on, and where it ends."""
    found = [box]
    while found[-1].kind == "bend":
        found.extend(found[-1].below)
    return found


def _line(route: Sequence[Box], kind: str) -> str:
    x, y = route[0].centre, route[0].y + HEIGHT
    path = [f"M{x:.1f} {y:.1f}"]
    for box in route[1:]:
        middle = (y + box.y) / 2
        path.append(f"C{x:.1f} {middle:.1f} {box.centre:.1f} {middle:.1f}")
        x, y = box.centre, box.y
        path.append(f"{x:.1f} {y:.1f}")
        if box.kind == "bend":
            y += HEIGHT
            path.append(f"V{y:.1f}")
    return f'<path class="{kind}" d="{" ".join(path)}"/>'
