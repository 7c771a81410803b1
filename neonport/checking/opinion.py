"""A second opinion: some statements of a backend run on a second one too, and are compared.

It is put on a backend from outside and taken off again. While it is on, methods of this one device,
of its executor and tracer are covered by others, and bound statements stand in a table whose
entries count turns. When it is off, nothing of it is there.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from neonport import settings
from neonport.checking.device.exchange import Exchange
from neonport.checking.device.failures import Failures
from neonport.checking.examination import Examination
from neonport.checking.finding import Finding, WrongResultWarning, of_statement, place
from neonport.checking.memory_checks import copy_in, new_memory
from neonport.checking.parts.drawn import Drawer
from neonport.checking.replays import Replayed, Stores
from neonport.checking.reproducing import Inputs
from neonport.checking.second import SecondBackend
from neonport.checking.spec import Check, parse
from neonport.checking.turns import Turns
from neonport.engine.tracing import Launched
from neonport.errors import WrongResultError
from neonport.foundation.bounded_table import BoundedTable
from neonport.foundation.fork import call_in_child
from neonport.log import logger
from neonport.optree.node import apply

SEED = 0  # of the choice of statements
_examining: set[int] = set()  # threads that are: what they run meanwhile is not looked at


class CountedTable(BoundedTable[Any, Any]):
    """Bound statements that decline to run when it is their turn, so that they run as new ones.

    Args:
        before: the table that it stands in front of. Statements that are bound there need not be
            bound anew; they stay there, for their memory knows them there.
        opinion: says whose turn it is.
    """

    __slots__ = ("before", "opinion")

    def __init__(self, before: BoundedTable[Any, Any], opinion: Opinion) -> None:
        super().__init__(before.limit)
        self.before = before
        self.opinion = opinion
        for key in (*before.older, *before):
            if not isinstance(key[0], str):  # a product was bound without its turn
                super().keep(key, self._counted_there(weakref.ref(before.find(key))))

    def clear(self) -> None:
        """Forget everything, in the table behind too: statements are to be bound anew."""
        self.before.clear()
        super().clear()

    def keep(self, key: Any, value: Any) -> None:
        """Keep a statement with its turn; products have theirs already."""
        known = getattr(value, "counted", False) or isinstance(key[0], str)
        super().keep(key, value if known else self._counted(value))

    def _counted(self, call: Callable[[Any], bool]) -> Callable[[Any], bool]:
        due, turn, here = self.opinion.due, self.opinion.turns.here, threading.get_ident
        failed = self._failed

        def recall(scalars: Any) -> bool:
            if (due and here() in due) or turn():
                self._decline(call, scalars)
                return False
            try:
                return call(scalars)
            except Exception as error:
                return failed(call, scalars, error)

        recall.counted = True  # type: ignore[attr-defined]
        return recall

    def _counted_there(self, found: Callable[[], Any]) -> Callable[[Any], bool]:
        """The same of a statement that is kept elsewhere; one that is gone is bound anew."""
        due, turn, here = self.opinion.due, self.opinion.turns.here, threading.get_ident
        failed = self._failed

        def recall(scalars: Any) -> Any:
            call = found()
            if call is None:
                return False
            if (due and here() in due) or turn():
                self._decline(call, scalars)
                return False
            try:
                return call(scalars)
            except Exception as error:
                return failed(call, scalars, error)

        recall.counted = True  # type: ignore[attr-defined]
        return recall

    def _decline(self, call: Callable[[Any], Any], scalars: Any) -> None:
        """Let a statement run where it is looked at; the error of one that failed is kept."""
        due, here = self.opinion.due, threading.get_ident()
        known = due.get(here)
        if known is None or getattr(known[0], "call", None) is not call:
            due[here] = call, scalars

    def _failed(self, call: Callable[[Any], Any], scalars: Any, error: Exception) -> bool:
        """Let an error come out where the tensors of its statement are known."""
        again = self.opinion.failures.again(call, error)
        self.opinion.due[threading.get_ident()] = again, scalars
        return False


class Opinion:
    """The second opinion that is on a backend.

    Args:
        be: the backend whose statements are checked.
        check: how often, by whom, and what then.
        folder: where inputs of wrong statements are saved; empty: nowhere.

    Attributes:
        checked: statements, calls, copies and allocations that were looked at.
        findings: what was wrong; one for each op, the first.
        recorded: statements and calls of the step that is being recorded.
        failures: what goes wrong besides values.

    Raises:
        BackendUnavailable: the second backend cannot be used.
    """

    def __init__(self, be: Any, check: Check, folder: str = "") -> None:
        self.be = be
        self.check = check
        self.folder = folder
        self.turns = Turns(check.rate, SEED)
        # statements whose turn it is, each with its numbers, by the thread that runs it next
        self.due: dict[int, tuple[Callable[[Any], bool], Any]] = {}
        self.checked = 0
        self.recorded = 0
        self.findings: list[Finding] = []
        self._reported: set[tuple[str, str]] = set()
        self._blocks: weakref.WeakSet[Any] = weakref.WeakSet()  # that were allocated meanwhile
        self._renew_lock()
        call_in_child(self, Opinion._renew_lock)
        self.second = SecondBackend(check)
        self.failures = Failures(
            be, self.second, self._examines, self._examined, self._report_plain,
            self._report_statement,
        )  # fmt: skip
        self._drawer = None if check.compares_all else Drawer(SEED)
        self._stores = Stores()
        self._random = None if self._drawer is None else self._drawer.random
        self._covers: list[tuple[Any, str]] = []
        self._install()

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    # ---- on and off --------------------------------------------------------------------------

    def _install(self) -> None:
        be, device = self.be, self.be.device
        self._bound = be.bound
        be.bound = CountedTable(self._bound, self)
        self._cover(be.executor, "run", self._run)
        self._cover(be.tracer, "watch", self._watch)
        self._cover(device, "allocate", self._allocate)
        self._cover(device, "copy_in", self._copy_in)
        self._cover(device, "make_replay", self._make_replay)
        exchange = Exchange(be, self._passes, self._examined, self._report_plain)
        self._cover(device, "dlpack_adopt", exchange.adopt)
        self._cover(device, "dlpack_export", exchange.export)
        failures = self.failures  # outside of what is above: errors of all turns come there
        self._cover(device, "allocate", failures.allocate)
        self._cover(device, "copy_in", failures.copy_in)
        self._cover(device, "copy_out", failures.copy_out)
        self._cover(be.executor, "bind", failures.bind)
        self._outer, be.second_opinion = be.second_opinion, self

    def _cover(self, owner: Any, name: str, by: Callable[..., Any]) -> None:
        """Let `by(method, *args)` stand in front of a method of an object."""
        method = getattr(owner, name)
        before = vars(owner).get(name)
        setattr(owner, name, partial(by, method))
        self._covers.append((owner, name) if before is None else (_Again(owner, before), name))

    def close(self) -> None:
        """Take it off; what it found stays."""
        if not self._covers:
            return
        for owner, name in reversed(self._covers):
            if isinstance(owner, _Again):
                setattr(owner.owner, name, owner.before)
            else:
                delattr(owner, name)
        self._covers = []
        BoundedTable.clear(self.be.bound)  # not those that were bound before
        self.be.bound = self._bound
        self.be.second_opinion = self._outer
        self.second.close()

    # ---- what stands in front of methods -----------------------------------------------------

    def _passes(self, turns: bool = True) -> bool:
        """Whether a candidate just runs: nobody's turn, in an examination, or in a recording."""
        if turns and not self.turns.here():
            return True
        if threading.get_ident() in _examining:
            return True
        recorder = self.be.recorder
        return recorder is not None and recorder.here

    def _run(self, run: Callable[[Any], None], pairs: list[tuple[Any, Any]]) -> None:
        here = threading.get_ident()
        due = self.due.pop(here, None)
        recorder = self.be.recorder
        if recorder is not None and here not in _examining:
            self.recorded += 1
            self._stores.note(recorder, [target for target, _ in pairs])
        if self._passes(due is None) or all(t.size == 0 for t, _ in pairs):
            self.failures.hear(pairs, lambda: run(pairs))
        else:

            def bound() -> None:
                if due is None or not due[0](due[1]):  # bound already, or to be bound anew
                    run(pairs)

            self.failures.hear(pairs, lambda: self._statement(pairs, bound))
        if self.failures.refuses:
            self._report_plain("compile", self.failures.hosted())

    def _watch(
        self, watch: Callable[..., Any], launch: Callable[[], None], what: Launched, backend: Any
    ) -> Callable[[], None]:
        call: Callable[[], None] = watch(launch, what, backend)
        recorder = self.be.recorder
        if recorder is not None and recorder.here:
            if what.operands:
                self.recorded += 1
                targets = [find() for find in what.operands[2::3]]
                self._stores.note(recorder, targets, call=True)
            return call
        if not what.operands:
            return call

        turn = self.turns.here

        def counted() -> None:
            run: Callable[..., Any] = call
            if not turn() or self._passes(turns=False):
                try:
                    call()
                    return
                except Exception as error:
                    run = self.failures.again(call, error)
            found = [find() for find in what.operands]
            self._products(what, list(zip(*[iter(found)] * 3, strict=True)), run)

        return counted

    def _allocate(self, allocate: Callable[[int], Any], nbytes: int) -> Any:
        storage = allocate(nbytes)
        if not self._passes() and nbytes:
            with self._examined():
                problems = list(new_memory(self.be, storage, nbytes, self._blocks, self._random))
            self._report_plain("allocate", problems)
        self._blocks.add(storage)
        return storage

    def _copy_in(self, copy: Callable[[Any, Any], None], target: Any, values: np.ndarray) -> None:
        if self._passes() or not values.size:
            copy(target, values)
            return
        with self._examined():
            problems = list(copy_in(self.be, copy, target, values, self._random))
        self._report_plain("copy_in", problems)

    def _make_replay(
        self, make: Callable[[Any], tuple[Callable[[], None], str]], recorder: Any
    ) -> tuple[Callable[[], None], str]:
        launches = recorder.launches()
        replay, how = make(recorder)
        stored = None if self._random is None else self._stores.of(recorder)
        replayed = Replayed(self.be, replay, recorder, launches, stored, self._random)

        def counted() -> None:
            if not self._covers or self._passes():  # it may outlive this opinion
                replay()
                return
            with self._examined():
                problems = list(replayed.problems())
            self._report_plain("replay", problems)

        return counted, how

    def _examines(self) -> bool:
        """Whether this thread is in an examination."""
        return threading.get_ident() in _examining

    # ---- examinations ------------------------------------------------------------------------

    @contextmanager
    def _examined(self) -> Iterator[None]:
        """Inside, what this thread runs is not looked at; one thread at a time is here."""
        here = threading.get_ident()
        with self._lock:
            self.checked += 1
            _examining.add(here)
            try:
                yield
            finally:
                _examining.discard(here)

    def _statement(
        self, pairs: Sequence[tuple[Any, Any]], run: Callable[[], None], **how: Any
    ) -> None:
        with self._examined():
            state = self.be.philox.get_state()
            looked = Examination(self.be, pairs, self._drawer, bool(self.folder))
            got = looked.run(run)
            problems = [*looked.problems, *looked.compare(got, self.second)]
            problems += self.failures.undeclared(pairs)
            if not problems:
                return
            problems = [*self.failures.raised(), *problems]
            kept = Inputs(looked.inputs(), None if looked.sources is None else state, **how)
            first = self._is_first(pairs, how)
            found = of_statement(
                self.be, self.second.be, pairs, problems, kept, self.folder if first else ""
            )
        self._report(found, first)

    def _products(
        self, what: Launched, tensors: Sequence[tuple[Any, ...]], call: Callable[[], None]
    ) -> None:
        alpha, beta = what.factors
        pairs = []
        for a, b, c in tensors:
            how = {"reduce": c.ndim == 2} if what.op == "batched_dot" else {}
            tree = apply("batched_dot" if how else "dot", a, b, **how)
            if alpha != 1:
                tree = tree * alpha
            if beta:
                tree = tree + c * beta
            pairs.append((c, tree))
        given: Any = tensors if what.op == "compound_dots" else tensors[0]
        if what.op == "compound_dot":
            given += alpha, beta
        self.failures.hear(pairs, lambda: self._statement(pairs, call, product=given, call=what.op))

    # ---- reports -----------------------------------------------------------------------------

    def _is_first(self, pairs: Sequence[tuple[Any, Any]], how: dict[str, Any]) -> bool:
        """Whether no statement of this structure was wrong before."""
        key = ("statement", str([getattr(v, "op", "") for _, v in pairs]) + how.get("call", ""))
        first = key not in self._reported
        self._reported.add(key)
        return first

    def _report_plain(
        self, what: str, problems: Iterable[str], cause: Exception | None = None
    ) -> None:
        problem = "; ".join(problems)
        if problem:
            first = (what, "") not in self._reported
            self._reported.add((what, ""))
            self._report(Finding(what, place(self.be), str(self.second.be), problem), first, cause)

    def _report_statement(
        self,
        pairs: Sequence[tuple[Any, Any]],
        problems: Sequence[str],
        contents: dict[int, np.ndarray],
        cause: Exception | None,
    ) -> None:
        """Report a statement that was looked at after it had run."""
        first = self._is_first(pairs, {})
        folder = self.folder if first else ""
        kept = Inputs(contents)
        found = of_statement(self.be, self.second.be, pairs, problems, kept, folder)
        self._report(found, first, cause)

    def _report(self, found: Finding, first: bool, cause: Exception | None = None) -> None:
        if self.check.raises:
            self.findings.append(found)
            raise WrongResultError(str(found), found) from cause
        if first:
            self.findings.append(found)
            warnings.warn(str(found), WrongResultWarning, stacklevel=6)
        else:
            logger.debug("%s", found)


class _Again:
    """An object whose attribute was covered before, and by what."""

    def __init__(self, owner: Any, before: Any) -> None:
        self.owner = owner
        self.before = before


@contextmanager
def second_opinion(backends: Any, check: Any, folder: str | None = None) -> Iterator[list[Opinion]]:
    """Inside, statements of backends are checked; nothing happens if `check` is None.

    Args:
        backends: one, or several.
        check: `"cpu:0.01"` and the like, see `parse`.
        folder: where inputs of wrong statements are saved; None asks `NEONPORT_CHECK_SAVE`.

    Raises:
        WrongResultError: something was wrong and the check says `raise`.

    Example:
        from neonport.checking.opinion import second_opinion
        with second_opinion(be, "cpu:1:raise") as (opinion,):
            y[:] = be.exp(x)
        assert opinion.checked and not opinion.findings
    """
    wanted = parse(check)
    several = backends if isinstance(backends, (list, tuple)) else [backends]
    made: list[Opinion] = []
    try:
        if wanted is not None:
            into = settings.CHECK_SAVE.get() if folder is None else folder
            for be in several:
                made.append(Opinion(be, wanted, into))
        yield made
    finally:
        for opinion in reversed(made):
            opinion.close()


def install_by_setting(be: Any) -> None:
    """Put a second opinion on a backend if `NEONPORT_CHECK` asks for one."""
    check = parse(settings.CHECK.get() or None, settings.CHECK.name)
    if check is not None and be.device.capabilities.runs:
        Opinion(be, check, settings.CHECK_SAVE.get())


def examine(
    be: Any, pairs: Sequence[tuple[Any, Any]], check: Any, run: Callable[[], None] | None = None
) -> list[str]:
    """Run one statement and say in words what is wrong with it.

    Args:
        be: the backend of its tensors.
        pairs: (target, value), as for `assign_many`.
        check: names the second backend: `"cpu:1"`.
        run: runs it; None: `be.assign_many(pairs)`.

    Example:
        from neonport.checking.opinion import examine
        assert examine(be, [(y, be.exp(x))], "cpu:1") == []
    """
    wanted = parse(check)
    assert wanted is not None
    second = SecondBackend(wanted)
    try:
        looked = Examination(be, pairs)
        got = looked.run(run or (lambda: be.assign_many(list(pairs))))
        return [*looked.problems, *looked.compare(got, second)]
    finally:
        second.close()
