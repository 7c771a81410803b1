"""Placing the boxes of a drawing: layers by the longest path, then order by the neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CHARACTER = 7.2  # width of a character of the drawing's font, in its unit
GAP_X, GAP_Y = 14.0, 22.0
HEIGHT = 22.0
SWEEPS = 4


@dataclass(eq=False)
class Box:
    """A labelled box.

    Attributes:
        label: text.
        kind: "memory" (read), "value", "store" or "bend" (where a line passes a layer).
        below: boxes it feeds, filled by `connect`.
        above: boxes that feed it.
        x, y: upper left corner.
        layer: 0 at the top.
    """

    label: str
    kind: str
    above: list[Box] = field(default_factory=list)
    below: list[Box] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    layer: int = 0

    @property
    def width(self) -> float:
        """Width that the label needs."""
        if self.kind == "bend":
            return 0.0
        return CHARACTER * len(self.label) + 16

    @property
    def centre(self) -> float:
        """Middle, from the left."""
        return self.x + self.width / 2


def connect(source: Box, target: Box) -> None:
    """Let `source` feed `target`."""
    source.below.append(target)
    target.above.append(source)


def place(boxes: list[Box]) -> tuple[float, float]:
    """Set the corners of boxes that come in dependency order; return width and height.

    Lines that pass a layer get a bend there, which is appended to `boxes`. The layers are centred;
    their order follows the mean position of the neighbours, in turns from above and from below
    (Sugiyama, Tagawa and Toda, 1981), so that the same boxes always give the same picture.
    """
    for box in boxes:
        box.layer = 1 + max((b.layer for b in box.above), default=-1)
    last = max((box.layer for box in boxes), default=0)
    for box in boxes:
        if box.kind == "store":
            box.layer = last
        elif not box.above and box.below:
            box.layer = min(b.layer for b in box.below) - 1
    for box in list(boxes):
        box.below = [_bend(boxes, box, low) for low in box.below]
    layers: list[list[Box]] = [[] for _ in range(last + 1)]
    for box in boxes:
        layers[box.layer].append(box)
    width = max((_width(layer) for layer in layers), default=0.0)
    for layer in layers:
        _spread(layer, width)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            side = {id(b): (b.above if sweep % 2 == 0 else b.below) for b in layer}
            layer.sort(key=lambda b: _mean(side[id(b)], b))
            _spread(layer, width)
    for box in boxes:
        box.y = box.layer * (HEIGHT + GAP_Y)
    return width, len(layers) * (HEIGHT + GAP_Y) - GAP_Y


def _bend(boxes: list[Box], source: Box, target: Box) -> Box:
    """Lead the line from `source` to `target` through every layer; return what follows `source`."""
    first = target
    for layer in range(target.layer - 1, source.layer, -1):
        bend = Box("", "bend", below=[first], layer=layer)
        first.above[first.above.index(source)] = bend
        bend.above.append(source)
        boxes.append(bend)
        first = bend
    return first


def _mean(neighbours: Sequence[Box], box: Box) -> float:
    if not neighbours:
        return box.centre
    return sum(b.centre for b in neighbours) / len(neighbours)


def _width(layer: Sequence[Box]) -> float:
    return sum(box.width for box in layer) + GAP_X * max(0, len(layer) - 1)


def _spread(layer: Sequence[Box], width: float) -> None:
    """Put boxes side by side in the middle."""
    x = (width - _width(layer)) / 2
    for box in layer:
        box.x = x
        x += box.width + GAP_X
