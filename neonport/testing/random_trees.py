"""Random op-trees whose value is well defined: no kinks, no overflow, nothing near an edge.

`grow` takes its decisions from an object with the methods of `random.Random`, so that a seeded
generator gives the fixed trees of the conformance suite and a test library may give others.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from neonport.optree.node import apply

# ops that jump: only on what is read from memory, where every backend sees the same bits
JUMPS_1 = ("sgn", "rint", "finite")
JUMPS_2 = ("lt", "ge", "eq", "ne")
UNARY = (
    *("neg", "abs", "sqr", "sqrt", "exp", "exp2", "log", "safelog"),
    *("sig", "sig2", "tanh", "tanh2"),
)
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "pow")
FOLDS = ("sum", "max", "min", "var", "mean")


class Grower:
    """Grows trees of one square shape over some tensors.

    Args:
        rng: takes the decisions.
        be: backend of the tensors.
        leaves: (n, n) tensors, and (n, 1), (1, n) or (1, 1) ones.
    """

    def __init__(self, rng: Random, be: Any, leaves: Sequence[Any]) -> None:
        self.rng = rng
        self.be = be
        self.leaves = leaves
        self.square = [t for t in leaves if t.shape[0] == t.shape[1] != 1]
        self.shared: list[Any] = []

    def grow(self, depth: int) -> Any:
        """A tree of at most this depth; parts may be shared."""
        if depth <= 0:
            return self.leaf()
        if self.shared and self.rng.random() < 0.1:
            return self.rng.choice(self.shared)
        maker = self.rng.choice(
            [self.unary, self.unary, self.binary, self.binary, self.binary, self.fold,
             self.fold, self.move, self.choose, self.jump, self.product]
        )  # fmt: skip
        node = maker(depth - 1)
        if self.rng.random() < 0.2:
            self.shared.append(node)
        return node

    def leaf(self) -> Any:
        """A tensor."""
        return self.rng.choice(self.leaves)

    def unary(self, depth: int) -> Any:
        """An op of one operand, which is first moved to where the op is tame."""
        name, x = self.rng.choice(UNARY), self.grow(depth)
        if name in ("sqrt", "log", "safelog"):
            x = abs(x) + 0.5
        elif name in ("exp", "exp2"):
            x = -abs(x)
        elif name == "sqr":
            x = self.be.tanh(x)
        return apply(name, x)

    def binary(self, depth: int) -> Any:
        """An op of two operands; sometimes one is a number."""
        name, a = self.rng.choice(BINARY), self.grow(depth)
        if name == "pow":
            return (abs(a) + 0.5) ** self.rng.choice([-1.5, 0.5, 2, 1.25])
        b = self.grow(depth) if self.rng.random() < 0.8 else self.rng.choice([-2, 0.5, 3.0])
        if name == "div":
            return a / (abs(b) + 0.5)
        return apply(name, a, b) if self.rng.random() < 0.5 else apply(name, b, a)

    def fold(self, depth: int) -> Any:
        """A reduction along one axis or all."""
        name, x = self.rng.choice(FOLDS), self.grow(depth)
        if not hasattr(x, "sig"):
            return x
        axis = self.rng.choice([0, 1, None])
        if name == "sum":
            x = x * 0.125
        return getattr(self.be, name)(x, axis=axis)

    def move(self, depth: int) -> Any:
        """A transpose, a slice of a tensor that is put elsewhere, or rows picked."""
        kind = self.rng.choice(["T", "T", "take", "rows"])
        if kind == "T":
            return self.grow(depth).T
        source = self.rng.choice(self.square)
        n = source.shape[0]
        order = [self.rng.randrange(n) for _ in range(n)]
        if kind == "take":
            return self.be.take(source, order, axis=self.rng.choice([0, 1]))
        return source[self.rng.randrange(n)]

    def choose(self, depth: int) -> Any:
        """A choice by a comparison of tensors."""
        condition = apply(self.rng.choice(JUMPS_2), self.leaf(), self.leaf())
        return self.be.where(condition, self.grow(depth), self.grow(depth))

    def jump(self, depth: int) -> Any:
        """An op that jumps, on tensors."""
        kind = self.rng.choice(["one", "two", "position"])
        if kind == "one":
            return apply(self.rng.choice(JUMPS_1), self.leaf()) + self.grow(depth)
        if kind == "two":
            return apply(self.rng.choice(JUMPS_2), self.leaf(), self.leaf()) * self.grow(depth)
        source = self.rng.choice(self.square)
        return self.be.argmax(source, axis=self.rng.choice([0, 1])) * 0.25 - self.grow(depth)

    def product(self, depth: int) -> Any:
        """A matrix product of square parts."""
        a = self.rng.choice(self.square) + self.grow(depth - 1)
        b = self.rng.choice(self.square)
        return self.be.dot(a * 0.25, b.T if self.rng.random() < 0.5 else b)
