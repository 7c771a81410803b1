"""A statement: what it is found by, and its launches once it is bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import copysign
from typing import Any

from neonport.compiler.lowering import scalar_slots, slot_numbers
from neonport.dtypes import is_whole
from neonport.engine.device import Launch
from neonport.engine.owner import Owner
from neonport.optree.node import OpTreeNode
from neonport.optree.random_nodes import Sources
from neonport.optree.replay_number import Traced, plain
from neonport.optree.signature import SCALAR, WHOLE
from neonport.tensor.tensor import Tensor


def statement_key(pairs: Iterable[tuple[Tensor, Any]]) -> tuple[Any, tuple[float, ...]]:
    """Key of a statement, and the numbers in it.

    The key has three parts an assignment; `Tensor.__setitem__` makes that of one without a call.
    """
    parts: list[Any] = []
    scalars: tuple[float, ...] = ()
    for target, value in pairs:
        if type(value) is OpTreeNode:
            tokens, numbers = value._found or value.sig.read(value)
            parts += (target.token, value.sig, tokens)
            scalars += numbers
        elif isinstance(value, (float, int)):
            parts += (target.token, WHOLE if is_whole(value) else SCALAR, ())
            scalars += (value,)
        else:
            parts += (target.token, value.sig, value.tokens)
    return tuple(parts), scalars


class Statement:
    """A plan bound to tensors: everything is prepared but numbers and random offsets.

    Args:
        owner: the backend; random offsets come from its generator.
        launches: calls in order.
        numbered: launches with number arguments and the slot of each.
        rands: launches with random sources and the slot of each.
        sources: what fills the slots of random sources.
        slots: for each number of the statement the first one equal to it; statements whose numbers
            are equal in another pattern need another plan.
        numbers: values of the slots.
        fixed: whether other numbers always need another plan.
        keep: what must live as long as the statement.
    """

    def __init__(
        self,
        owner: Owner,
        launches: list[Callable[[], None]],
        numbered: list[tuple[Launch, tuple[int, ...]]],
        rands: list[tuple[Launch, tuple[int, ...]]],
        sources: Sources,
        scalars: tuple[float, ...],
        numbers: list[float],
        fixed: bool,
        keep: Any,
    ) -> None:
        self.owner = owner
        self.fixed = fixed
        self.keep = keep
        self.launches = launches
        self.numbered = numbered
        self.rands = rands
        self.sources = sources
        self.slots = scalar_slots(scalars)
        self._taken(scalars)
        self.numbers = numbers
        self.traced = [i for i, n in enumerate(numbers) if type(n) is Traced]
        self._set_numbers(numbers)

    @property
    def changes(self) -> bool:
        """Whether its launches take other arguments at each replay."""
        return bool(self.rands or self.traced)

    def prepare(self) -> None:
        """Compute traced numbers anew and draw random numbers, for a replay of its launches."""
        if self.traced:
            self._set_numbers([plain(n) for n in self.numbers])
        self._draw()

    def _set_numbers(self, numbers: Sequence[float]) -> None:
        for launch, slots in self.numbered:
            launch.set_numbers([numbers[s] for s in slots])

    def _taken(self, scalars: tuple[float, ...]) -> None:
        self.last = scalars
        self.zeros = [i for i, number in enumerate(scalars) if number == 0]

    def zeros_differ(self, scalars: tuple[float, ...]) -> bool:
        """Whether a zero among numbers equal to the last ones has the other sign: 0.0 == -0.0."""
        last = self.last
        for i in self.zeros:
            number = scalars[i]
            if number is not last[i] and copysign(1.0, number) != copysign(1.0, last[i]):
                return True
        return False

    def update(self, scalars: tuple[float, ...]) -> bool:
        """Take other numbers; False if their pattern of equal ones differs."""
        if self.fixed or scalar_slots(scalars) != self.slots:
            return False
        self._set_numbers(slot_numbers(scalars, self.slots))
        self._taken(scalars)
        return True

    def _draw(self) -> None:
        if self.rands:
            drawn = self.sources.positions(self.owner.philox.reserve_with_key)
            for launch, slots in self.rands:
                launch.set_rands([drawn[s] for s in slots])

    def run(self) -> None:
        """Run all launches."""
        self._draw()
        for call in self.launches:
            call()
