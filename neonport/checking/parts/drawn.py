"""Blocks of statements that are drawn: one for each check, all of a target equally likely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.memory_checks import draw_start
from neonport.checking.parts.cuts import Cuts
from neonport.checking.parts.recipe import Part, Recipe
from neonport.foundation.bounded_table import BoundedTable
from neonport.ops.philox import uniform
from neonport.optree.node import OpTreeNode
from neonport.shape import Shape
from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]
RECIPES = 512  # of a generation
PER_BLOCK = 4  # random numbers that are drawn together


class Drawer:
    """Draws a block of one statement after the other.

    Args:
        seed: of the places.

    Attributes:
        random: says where.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._recipes: BoundedTable[Any, Recipe] = BoundedTable(RECIPES)

    def draw(self, pairs: Sequence[tuple[Any, Any]]) -> Drawn | None:
        """A block of a statement; None of one that is small, or that cannot be cut.

        Args:
            pairs: targets and right-hand sides.
        """
        key = structure(pairs)
        recipe = None if key is None else self._recipes.find(key)
        if recipe is None:
            recipe = Recipe(pairs)
            if key is not None:
                self._recipes.keep(key, recipe)
        return None if recipe.is_whole else Drawn(self, recipe, pairs)


class Drawn:
    """A block of a statement.

    Args:
        drawer: has drawn it.
        recipe: says how it is computed.
        pairs: targets and right-hand sides of the statement.

    Attributes:
        targets: views of the blocks of the targets.
        operands: views of the blocks of the tensors that they are computed of.
        wholes: the tensor of which each operand is a block.
        places: of each target, where its block begins.
    """

    def __init__(self, drawer: Drawer, recipe: Recipe, pairs: Sequence[tuple[Any, Any]]) -> None:
        self.recipe = recipe
        self._starts = {
            label: draw_start(drawer.random, recipe.sizes[label], length)
            for label, length in recipe.lengths.items()
        }
        self._values = [value for _, value in pairs]
        self._nodes = recipe.found_in(self._values)
        self.targets = [
            self._view(target, cuts)
            for (target, _), cuts in zip(pairs, recipe.targets, strict=True)
        ]
        self.places = [
            tuple(0 if cut is None else self._starts[cut.label] for cut in cuts)
            for cuts in recipe.targets
        ]
        parts = recipe.parts
        self._given = [number for number in recipe.order if parts[number].below is None]
        self._views = {
            number: self._view(self._nodes[number], parts[number].cuts)
            for number in self._given
            if isinstance(self._nodes[number], Tensor) and not _is_picked(parts[number])
        }
        self._values_of: dict[int, Array] = {}
        self.operands = list(self._views.values())
        self.wholes = [self._nodes[number] for number in self._views]

    def _view(self, tensor: Any, cuts: Cuts) -> Any:
        """The block of a tensor."""
        shape = self.recipe.shape(cuts, tensor.shape)
        return self._cut(tensor, cuts, shape, tensor.offset)

    def _cut(self, tensor: Any, cuts: Cuts, shape: Shape, offset: int) -> Any:
        strides = list(tensor.strides)
        for a, cut in enumerate(cuts):
            if cut is not None:
                offset += (cut.first + cut.step * self._starts[cut.label]) * strides[a]
                strides[a] *= cut.step
        return Tensor(tensor.backend, tensor.storage, tensor.dtype, (shape, tuple(strides), offset))

    def read(self, read: Callable[[Any], Array]) -> dict[int, Array]:
        """Read the operands, and what indices pick.

        Args:
            read: gives what a view holds.

        Returns:
            The id of each operand -> what it holds.
        """
        contents: dict[int, Array] = {}
        for number, view in self._views.items():
            self._values_of[number] = contents[id(view)] = read(view)
        for number in self._given:
            part = self.recipe.parts[number]
            if _is_picked(part):
                self._values_of[number] = self._entries(number, read)
        return contents

    def _entries(self, number: int, read: Callable[[Any], Array]) -> Array:
        """The entries that the indices of a block pick, one after the other.

        The indices become their places among them; those out of range stay out of range.
        """
        part, x = self.recipe.parts[number], self._nodes[number]
        assert part.picked is not None
        axis, indices = part.picked
        cuts = tuple(None if a == axis else cut for a, cut in enumerate(part.cuts))
        shape = self.recipe.shape(part.cuts, part.shape)
        entry = tuple(1 if a == axis else n for a, n in enumerate(shape))
        found = np.zeros(shape, x.dtype)
        places = np.full(self._values_of[indices].shape, shape[axis], np.int32)
        for i, index in enumerate(self._values_of[indices].reshape(-1).tolist()):
            if 0 <= index < x.shape[axis]:
                view = self._cut(x, cuts, entry, x.offset + index * x.strides[axis])
                found[(slice(None),) * axis + (slice(i, i + 1),)] = read(view)
                places.reshape(-1)[i] = i
        self._values_of[indices] = places
        return found

    # ---- what it should be -------------------------------------------------------------------

    def computed_with(
        self, twin: Callable[[Shape, Any], Any], draws: Any
    ) -> tuple[list[Any], list[Any], list[tuple[Any, Array]]]:
        """The statement that computes the blocks, of other tensors.

        Args:
            twin: gives a tensor of a shape and dtype, each time another one.
            draws: random nodes and where their numbers are.

        Returns:
            Targets, right-hand sides, and the tensors in them, each with what it holds.
        """
        given: dict[int, Any] = {}
        held: list[tuple[Any, Array]] = []
        for number in self._given:
            values = self._values_of.get(number)
            if values is None:
                values = self._numbers(number, draws)
            given[number] = twin(values.shape, values.dtype)
            held.append((given[number], values))
        built = self.recipe.built(self._nodes, given)
        roots = [
            built[number] if number >= 0 else value
            for number, value in zip(self.recipe.roots, self._values, strict=True)
        ]
        return [twin(t.shape, t.dtype) for t in self.targets], roots, held

    def _numbers(self, number: int, draws: Any) -> Array:
        """The random numbers of a block."""
        sources, positions = draws
        part, node = self.recipe.parts[number], self._nodes[number]
        key, offset = positions[sources.slot(node, prod(part.shape))]
        shape: Shape = self.recipe.shape(part.cuts, part.shape)
        cut = part.cuts[0]
        first = 0 if cut is None else cut.first + cut.step * self._starts[cut.label]
        first *= prod(part.shape[1:])
        skipped = first % PER_BLOCK
        found = uniform(key, offset + first // PER_BLOCK, skipped + prod(shape))
        return np.asarray(found[skipped:].reshape(shape))


def _is_picked(part: Part) -> bool:
    """Whether a part is entries that indices pick; the indices themselves are not."""
    return part.picked is not None and part.picked[0] >= 0


def structure(pairs: Sequence[tuple[Any, Any]]) -> Any:
    """What statements with the same recipe have in common; None where that is not known.

    Sizes and ops, which operands are the same, and which numbers.
    """
    key: list[Any] = []
    tokens: dict[int, int] = {}
    numbers: dict[float, int] = {}
    for target, value in pairs:
        if not hasattr(value, "sig"):
            key += (target.sig, None)
            continue
        if isinstance(value, OpTreeNode) and value.sig.large:
            return None  # known by its identity only
        key += (target.sig, value.sig)
        key.append(tuple([tokens.setdefault(t, len(tokens)) for t in value.tokens]))
        key.append(tuple([numbers.setdefault(x, len(numbers)) for x in value.scalars]))
    return tuple(key)
