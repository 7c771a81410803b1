"""One statement, looked at before and after it runs, and compared with a second backend's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.judging import Definition, alike, alike_product
from neonport.checking.parts.drawn import Drawer
from neonport.checking.parts.surroundings import around
from neonport.checking.second import SecondBackend, leaves, root_op
from neonport.dtypes import is_float
from neonport.log import logger
from neonport.ops.philox import PhiloxState
from neonport.optree.node import walk
from neonport.optree.random_nodes import Sources, is_random, replaying, sources_of
from neonport.tensor.overlaps import MemoryIndex

Array = npt.NDArray[Any]


class Examination:
    """A statement that is about to run.

    Of a large one a block is looked at where there is a `drawer`: that block of the targets, and
    what it is computed of.

    Args:
        be: the backend that runs it.
        pairs: its targets and right-hand sides.
        drawer: draws blocks of statements; None: all is looked at.
        keep: whether operands that it writes are copied as a whole, for a report.

    Attributes:
        problems: what is wrong besides values, in words.
        sources: where it draws random numbers; None if it does not.
    """

    def __init__(
        self,
        be: Any,
        pairs: Sequence[tuple[Any, Any]],
        drawer: Drawer | None = None,
        keep: bool = False,
    ) -> None:
        self.be = be
        self.pairs = pairs
        self.values = [value for _, value in pairs]
        self.problems: list[str] = []
        nodes = walk(*self.values)
        self._wholes = leaves(nodes, self.values)
        self._draws = any(map(is_random, nodes))
        written = [target for target, _ in pairs]
        self.drawn = None if drawer is None else drawer.draw(pairs)
        drawn = self.drawn
        # what is looked at: the tensors of the statement, or views of a block
        self.targets = written if drawn is None else drawn.targets
        self.operands = self._wholes if drawn is None else drawn.operands
        of = self._wholes if drawn is None else drawn.wholes
        index = self._written = MemoryIndex(written)
        read = MemoryIndex(self._wholes)
        self._untouched = [t for t, w in zip(self.operands, of, strict=True) if not index.near(w)]
        self._unread = [t for t, w in zip(self.targets, written, strict=True) if not read.near(w)]
        if drawn is None:
            held: dict[int, Array] = {}
            for t in self.operands:
                if t.token not in held:
                    held[t.token] = self._read(t)
            self._contents = {id(t): held[t.token] for t in self.operands}
        else:
            self._contents = drawn.read(self._read)
        self._kept: dict[int, Array] = {}
        if drawn is not None and keep:
            self._kept = {id(t): self._read(t) for t in self._wholes if index.near(t)}
        self._around = list(around(be, written, None if drawer is None else drawer.random))
        self.expected: list[tuple[int, int]] | None = None
        self.sources: Sources | None = None

    def inputs(self) -> dict[int, Array]:
        """Id of each operand of the statement -> what it held before.

        Where a block was looked at, it is read now; what the statement writes is missing unless it
        was to be kept.
        """
        if self.drawn is None:
            return self._contents
        read = {id(t): self._read(t) for t in self._wholes if not self._written.near(t)}
        return read | self._kept

    def _read(self, tensor: Any) -> Array:
        found: Array = self.be.device.copy_out(tensor)
        return found

    # ---- what runs ---------------------------------------------------------------------------

    def run(self, call: Callable[[], None]) -> list[Array]:
        """Run the statement and return what it stored."""
        if self._draws:
            sources, state = sources_of(self.pairs), PhiloxState(0)
            state.set_state(self.be.philox.get_state())
            self.sources, self.expected = sources, sources.positions(state.reserve_with_key)
        kept = list(self._hide())
        try:
            call()
        except BaseException:
            for target, values in kept:
                self.be.device.copy_in(target, values)
            raise
        if self.sources is not None:
            self._check_draws()
        got = [self._read(target) for target in self.targets]
        self._look_around(got)
        return got

    def _hide(self) -> Iterator[tuple[Any, Array]]:
        """Fill targets that nobody reads, so that what is read or left there by mistake shows."""
        for target in self._unread:
            yield target, self._read(target)
            if is_float(target.dtype):
                fill: Any = np.nan
            else:
                fill = True if target.dtype.kind == "b" else np.iinfo(target.dtype).max
            self.be.device.copy_in(target, np.full(target.shape, fill, target.dtype))

    def _check_draws(self) -> None:
        """Whether the numbers were the next ones of the stream."""
        assert self.sources is not None
        written = [target for target, _ in self.pairs]
        again = list(zip(written, replaying(*self.values), strict=True))
        drawn = sources_of(again).positions(lambda size: (0, 0))
        if drawn != self.expected and threading.active_count() == 1:  # nobody else drew meanwhile
            self.problems.append(
                f"random numbers come from the positions {drawn} of the stream instead of "
                f"{self.expected} (key, block)"
            )
        self.expected = drawn

    # ---- what must not change ----------------------------------------------------------------

    def _look_around(self, got: Sequence[Array]) -> None:
        """Note what was written that is no target, and copies that are no copies."""
        for target, first in zip(self.targets, got, strict=True):
            if np.may_share_memory(first, self._read(target)):
                self.problems.append("copy_out gives the live memory instead of a copy")
            elif not first.flags.writeable:
                self.problems.append("copy_out gives an array that cannot be written")
        for t in self._untouched:
            if self._read(t).tobytes() != self._contents[id(t)].tobytes():
                self.problems.append(f"the operand {t} of shape {t.shape} was written too")
        for block in self._around:
            changed = block.written()
            if changed.size:
                self.problems.append(
                    f"{changed.size} bytes outside of the target were written, first byte "
                    f"{int(changed[0])} of its block"
                )

    # ---- two opinions ------------------------------------------------------------------------

    def compare(self, got: Sequence[Array], second: SecondBackend) -> Iterator[str]:
        """What is wrong with the values, in words.

        Args:
            got: what was stored.
            second: the other backend.
        """
        draws = None if self.sources is None else (self.sources, self.expected)
        targets, values, contents = self.targets, self.values, self._contents
        others: Sequence[Array | None]
        held: list[tuple[Any, Array]] = []
        if self.drawn is not None:
            targets, values, held = self._block(second, draws)
            contents, draws = {id(t): array for t, array in held}, None
        elif draws is not None:
            values = replaying(*values)
        try:
            if self.drawn is None:
                others = second.results(targets, values, contents)
            else:
                others = second.stored(targets, values, held)
        except Exception as error:  # a second backend need not have every dtype
            logger.debug("%s cannot run a statement of %s: %s", second.be, self.be, error)
            others = [None] * len(got)
        places = [None] * len(got) if self.drawn is None else self.drawn.places
        for target, value, first, other, place in zip(
            targets, values, got, others, places, strict=True
        ):
            if other is not None and self._agree(first, other, value, contents, second):
                continue
            definition = Definition(target, value, contents, draws)
            verdict = definition.judge(first)
            if verdict is not None:
                yield _words(root_op(value), first, verdict, self.be, second.be, other, place)
            elif other is not None and (verdict := definition.judge(other)) is not None:
                yield _words(root_op(value), other, verdict, second.be, self.be, first, place)

    def _block(
        self, second: SecondBackend, draws: Any
    ) -> tuple[list[Any], list[Any], list[tuple[Any, Array]]]:
        """The statement that computes the block, of tensors of the second backend."""
        assert self.drawn is not None
        try:
            return self.drawn.computed_with(second.twins(), draws)
        except Exception as error:  # a dtype that it lacks: the definitions decide
            logger.debug("%s has no such tensors as %s: %s", second.be, self.be, error)
            return self.drawn.computed_with(self._new, draws)

    def _new(self, shape: Any, dtype: Any) -> Any:
        return self.be.empty(shape, dtype=dtype)

    def _agree(
        self, got: Array, other: Array, value: Any, contents: dict[int, Array], second: Any
    ) -> bool:
        """Whether two results are so close that no bound of the statement is worked out."""
        if alike(got, other, value):
            return True
        magnitudes = second.magnitudes(value, contents)
        return magnitudes is not None and alike_product(got, other, value, magnitudes)


def _words(
    op: str, got: Array, verdict: Any, be: Any, other_be: Any, other: Any, place: Any
) -> str:
    worst = verdict.worst
    if place is not None:
        worst = tuple(int(a + i) for a, i in zip(place, worst, strict=True))
    text = (
        f"{verdict.wrong} of {got.size} elements{' of a part' if place is not None else ''} that "
        f"{op} gives on {be} are wrong; worst at {worst}: {verdict.got!r} instead of "
        f"{verdict.want!r}, {verdict.units:.4g} times the error that is allowed"
    )
    return text if other is None else f"{text}; {other_be} gives {other[verdict.worst]!r}"
