"""Networks for pictures: what they are made of, their data and weights, the operations of a step.

Every convolution and every layer but the last is followed by batch norm and rectifier; the last is
followed by softmax and cross entropy. images_ours.py and images_torch.py build the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

RATE, MOMENTUM, EPSILON = 1e-3, 0.9, 1e-3  # a larger rate diverges on the deep one: rounding grows


@dataclass(frozen=True)
class Conv:
    """Filters of size x size cells with batch norm and rectifier.

    Attributes:
        maps: maps out.
        size: height and width of a filter.
        padding: zeros on each side.
    """

    maps: int
    size: int
    padding: int = 0


@dataclass(frozen=True)
class Pool:
    """The maximum of windows that do not overlap.

    Attributes:
        size: height and width of a window.
    """

    size: int = 2


@dataclass(frozen=True)
class Dense:
    """A product without bias, `last` or with batch norm and rectifier."""

    outputs: int
    last: bool = False


Part = Conv | Pool | Dense
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Images:
    """A sequence of layers over pictures.

    Attributes:
        batch: pictures a step.
        cells: height and width.
        parts: layers, the last one Dense.
    """

    batch: int
    cells: int
    parts: tuple[Part, ...]

    def shapes(self) -> Iterator[tuple[Part, Shape, Shape]]:
        """Layers with the shapes of what goes in and out: maps, height, width, or one number."""
        shape: Shape = (3, self.cells, self.cells)
        for part in self.parts:
            if isinstance(part, Conv):
                out = tuple(n + 2 * part.padding - part.size + 1 for n in shape[1:])
                result: Shape = (part.maps, *out)
            elif isinstance(part, Pool):
                result = (shape[0], *(n // part.size for n in shape[1:]))
            else:
                result = (part.outputs,)
            yield part, shape, result
            shape = result

    def data(self) -> dict[str, np.ndarray]:
        """Fresh pictures (C, H, W, N), one-hot targets, and weights by number of the layer.

        Filters are (C, R, S, K), the others (outputs, inputs), scaled as in He et al., 2015.
        """
        rng = np.random.default_rng()
        classes = self.parts[-1].outputs  # type: ignore[union-attr]
        labels = rng.integers(classes, size=self.batch)
        found = {
            "x": rng.normal(size=(3, self.cells, self.cells, self.batch)),
            "t": np.eye(classes)[:, labels],
        }
        for number, (part, shape, _) in enumerate(self.shapes()):
            if isinstance(part, Conv):
                size: Shape = (shape[0], part.size, part.size, part.maps)
                found[f"w{number}"] = rng.normal(size=size) * (2 / prod(size[:3])) ** 0.5
            elif isinstance(part, Dense):
                size = (part.outputs, prod(shape))
                found[f"w{number}"] = rng.normal(size=size) * (2 / size[1]) ** 0.5
        return {name: array.astype(np.float32) for name, array in found.items()}

    def operations(self) -> float:
        """Floating point operations of a step, the products alone, done directly."""
        total = 0.0
        for number, (part, shape, result) in enumerate(self.shapes()):
            if isinstance(part, Pool):
                continue
            window = part.size**2 * shape[0] if isinstance(part, Conv) else prod(shape)
            passes = 3 if number else 2  # the pictures need no gradient
            total += 2.0 * passes * window * prod(result) * self.batch
        return total


def conv(tiny: bool = False) -> Images:
    """Two convolutions and a hidden layer."""
    parts = (Conv(16, 5), Pool(), Conv(32, 5), Pool(), Dense(500), Dense(10, last=True))
    return Images(8, 16, parts) if tiny else Images(128, 32, parts)


def vgg(tiny: bool = False) -> Images:
    """Six convolutions in pairs, after arXiv:1409.1556, without a hidden layer."""
    width = 4 if tiny else 64
    pairs = [(Conv(n, 3, 1), Conv(n, 3, 1), Pool()) for n in (width, 2 * width, 4 * width)]
    parts = (*pairs[0], *pairs[1], *pairs[2], Dense(10, last=True))
    return Images(8, 8, parts) if tiny else Images(64, 32, parts)
