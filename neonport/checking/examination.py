"""One statement, looked at before and after it runs, and compared with a second backend's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neonport.checking.judging import Definition, alike, alike_product
from neonport.checking.memory_checks import bytes_of
from neonport.checking.second import SecondBackend, leaves, root_op
from neonport.dtypes import is_float
from neonport.log import logger
from neonport.ops.philox import PhiloxState
from neonport.optree.node import walk
from neonport.optree.random_nodes import Sources, is_random, replaying, sources_of
from neonport.tensor.overlaps import MemoryIndex

Array = npt.NDArray[Any]
AROUND = 1 << 26  # bytes of a block of which views are written, beyond which nobody looks around


class Examination:
    """A statement that is about to run.

    Args:
        be: the backend that runs it.
        pairs: its targets and right-hand sides.

    Attributes:
        contents: id of each operand -> what it held.
        problems: what is wrong besides values, in words.
    """

    def __init__(self, be: Any, pairs: Sequence[tuple[Any, Any]]) -> None:
        self.be = be
        self.pairs = pairs
        self.targets = [target for target, _ in pairs]
        self.values = [value for _, value in pairs]
        self.problems: list[str] = []
        nodes = walk(*self.values)
        self.operands = leaves(nodes, self.values)
        self._draws = any(map(is_random, nodes))
        held: dict[int, Array] = {}
        for t in self.operands:
            if t.token not in held:
                held[t.token] = self._read(t)
        self.contents = {id(t): held[t.token] for t in self.operands}
        self._written = MemoryIndex(self.targets)
        self._around = list(self._surroundings())
        self.expected: list[tuple[int, int]] | None = None
        self.sources: Sources | None = None

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
        read = MemoryIndex(self.operands)
        for target in self.targets:
            if read.near(target):
                continue
            yield target, self._read(target)
            if is_float(target.dtype):
                fill: Any = np.nan
            else:
                fill = True if target.dtype.kind == "b" else np.iinfo(target.dtype).max
            self.be.device.copy_in(target, np.full(target.shape, fill, target.dtype))

    def _check_draws(self) -> None:
        """Whether the numbers were the next ones of the stream."""
        assert self.sources is not None
        again = list(zip(self.targets, replaying(*self.values), strict=True))
        drawn = sources_of(again).positions(lambda size: (0, 0))
        if drawn != self.expected and threading.active_count() == 1:  # nobody else drew meanwhile
            self.problems.append(
                f"random numbers come from the positions {drawn} of the stream instead of "
                f"{self.expected} (key, block)"
            )
        self.expected = drawn

    # ---- what must not change ----------------------------------------------------------------

    def _surroundings(self) -> Iterator[tuple[Any, list[Any], Array]]:
        """Memory that targets are views of: all of it as bytes, those targets, and its contents."""
        blocks: dict[int, list[Any]] = {}
        for target in self.targets:
            blocks.setdefault(id(target.storage), []).append(target)
        for views in blocks.values():
            storage = views[0].storage
            if sum(t.nbytes for t in views) < storage.nbytes <= AROUND:
                whole = bytes_of(self.be, storage)
                yield whole, views, self._read(whole)

    def _look_around(self, got: Sequence[Array]) -> None:
        """Note what was written that is no target, and copies that are no copies."""
        for target, first in zip(self.targets, got, strict=True):
            if np.may_share_memory(first, self._read(target)):
                self.problems.append("copy_out gives the live memory instead of a copy")
            elif not first.flags.writeable:
                self.problems.append("copy_out gives an array that cannot be written")
        for t in self.operands:
            before = self.contents[id(t)]
            if not self._written.near(t) and self._read(t).tobytes() != before.tobytes():
                self.problems.append(f"the operand {t} of shape {t.shape} was written too")
        for whole, views, before in self._around:
            outside = np.ones(before.size, bool)
            for view in views:
                _elements(outside, view)[...] = False
            changed = outside & (self._read(whole)[0] != before[0])
            if changed.any():
                self.problems.append(
                    f"{int(changed.sum())} bytes outside of the target were written, first byte "
                    f"{int(np.argmax(changed))} of its block"
                )

    # ---- two opinions ------------------------------------------------------------------------

    def compare(self, got: Sequence[Array], second: SecondBackend) -> Iterator[str]:
        """What is wrong with the values, in words.

        Args:
            got: what was stored.
            second: the other backend.
        """
        try:
            values = self.values if self.sources is None else replaying(*self.values)
            others: Sequence[Array | None] = second.results(self.targets, values, self.contents)
        except Exception as error:  # a second backend need not have every dtype
            logger.debug("%s cannot run a statement of %s: %s", second.be, self.be, error)
            others = [None] * len(got)
        draws = None if self.sources is None else (self.sources, self.expected)
        for (target, value), first, other in zip(self.pairs, got, others, strict=True):
            if other is not None and self._agree(first, other, value, second):
                continue
            definition = Definition(target, value, self.contents, draws)
            verdict = definition.judge(first)
            if verdict is not None:
                yield _words(root_op(value), first, verdict, self.be, second.be, other)
            elif other is not None and (verdict := definition.judge(other)) is not None:
                yield _words(root_op(value), other, verdict, second.be, self.be, first)

    def _agree(self, got: Array, other: Array, value: Any, second: SecondBackend) -> bool:
        """Whether two results are so close that no bound of the statement is worked out."""
        if alike(got, other, value):
            return True
        magnitudes = second.magnitudes(value, self.contents)
        return magnitudes is not None and alike_product(got, other, value, magnitudes)


def _words(op: str, got: Array, verdict: Any, be: Any, other_be: Any, other: Any) -> str:
    text = (
        f"{verdict.wrong} of {got.size} elements that {op} gives on {be} are wrong; worst at "
        f"{verdict.worst}: {verdict.got!r} instead of {verdict.want!r}, {verdict.units:.4g} times "
        "the error that is allowed"
    )
    return text if other is None else f"{text}; {other_be} gives {other[verdict.worst]!r}"


def _elements(flags: Array, view: Any) -> Array:
    """The flags of the bytes of a view, of those of its block."""
    size = view.dtype.itemsize
    strides = (*(s * size for s in view.strides), 1)
    return np.lib.stride_tricks.as_strided(
        flags[view.offset * size :], (*view.shape, size), strides
    )
