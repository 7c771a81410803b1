"""A second opinion: some statements of a backend run on a second one too, and are compared.

It is put on a backend from outside and taken off again. While it is on, methods of this one device,
of its executor and tracer are covered by others, and bound statements stand in a table whose
entries count turns. When it is off, nothing of it is there.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from neonport import settings
from neonport.checking.examination import Examination
from neonport.checking.failures import Failures, is_foreign
from neonport.checking.finding import Finding, WrongResultWarning, of_statement, place
from neonport.checking.memory_checks import MemoryChecks
from neonport.checking.replays import Replayed
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
        limit: see `BoundedTable`.
        opinion: says whose turn it is.
    """

    __slots__ = ("opinion",)

    def __init__(self, limit: int, opinion: Opinion) -> None:
        super().__init__(limit)
        self.opinion = opinion

    def keep(self, key: Any, value: Any) -> None:
        """Keep a statement with its turn; products have theirs already."""
        known = getattr(value, "counted", False) or isinstance(key[0], str)
        super().keep(key, value if known else self._counted(value))

    def _counted(self, call: Callable[[Any], bool]) -> Callable[[Any], bool]:
        turns, due = self.opinion.turns, self.opinion.due

        def recall(scalars: Any) -> bool:
            if (due and threading.get_ident() in due) or turns.here():
                due[threading.get_ident()] = call, scalars
                return False
            return call(scalars)

        recall.counted = True  # type: ignore[attr-defined]
        return recall


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
        self.failures = Failures(be)
        self._renew_lock()
        call_in_child(self, Opinion._renew_lock)
        self.second = SecondBackend(check)
        self._covers: list[tuple[Any, str]] = []
        self._install()

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    # ---- on and off --------------------------------------------------------------------------

    def _install(self) -> None:
        be, device = self.be, self.be.device
        self._bound = be.bound
        self._bound.clear()
        be.bound = CountedTable(self._bound.limit, self)
        self._cover(be.executor, "run", self._run)
        self._cover(be.tracer, "watch", self._watch)
        memory = MemoryChecks(self)
        self._cover(device, "allocate", memory.allocate)
        self._cover(device, "copy_in", memory.copy_in)
        self._cover(device, "copy_out", memory.copy_out)
        self._cover(device, "dlpack_adopt", memory.adopt)
        self._cover(device, "dlpack_export", memory.export)
        self._cover(be.executor, "bind", self.failures.bind)
        self._cover(device, "make_replay", self._make_replay)
        self._outer, be.second_opinion = be.second_opinion, self

    def _cover(self, owner: Any, name: str, by: Callable[..., Any]) -> None:
        """Let `by(method, *args)` stand in front of a method of an object."""
        method = getattr(owner, name)
        before = vars(owner).get(name)
        setattr(owner, name, lambda *args, **kwargs: by(method, *args, **kwargs))
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
        self.be.bound.clear()
        self._bound.clear()
        self.be.bound = self._bound
        self.be.second_opinion = self._outer
        self.second.close()

    # ---- what stands in front of methods -----------------------------------------------------

    def passes(self, turns: bool = True) -> bool:
        """Whether a candidate just runs: nobody's turn, in an examination, or in a recording."""
        if threading.get_ident() in _examining:
            return True
        recorder = self.be.recorder
        if recorder is not None and recorder.here:
            return True
        return turns and not self.turns.here()

    def _run(self, run: Callable[[Any], None], pairs: list[tuple[Any, Any]]) -> None:
        here = threading.get_ident()
        due = self.due.pop(here, None)
        if here in _examining:
            run(pairs)
            return
        if self.be.recorder is not None:
            self.recorded += 1
        if self.passes(due is None) or all(t.size == 0 for t, _ in pairs):
            self._unexamined(run, pairs)
        else:

            def bound() -> None:
                if due is None or not due[0](due[1]):  # bound already, or to be bound anew
                    run(pairs)

            self._statement(pairs, bound)
        if self.failures.refuses:
            self.report_plain("compile", self.failures.hosted())

    def _watch(
        self, watch: Callable[..., Any], launch: Callable[[], None], what: Launched, backend: Any
    ) -> Callable[[], None]:
        call: Callable[[], None] = watch(launch, what, backend)
        recorder = self.be.recorder
        if recorder is not None and recorder.here:
            self.recorded += bool(what.operands)
            return call
        if not what.operands:
            return call

        def counted() -> None:
            if self.passes():
                call()
                return
            a, b, c = (find() for find in what.operands)
            self._product(what, (a, b, c), call)

        return counted

    def _make_replay(
        self, make: Callable[[Any], tuple[Callable[[], None], str]], recorder: Any
    ) -> tuple[Callable[[], None], str]:
        launches = recorder.launches()
        replay, how = make(recorder)
        replayed = Replayed(self.be, replay, recorder, launches)

        def counted() -> None:
            if not self._covers or self.passes():  # it may outlive this opinion
                replay()
                return
            with self.examined():
                problems = list(replayed.problems())
            self.report_plain("replay", problems)

        return counted, how

    # ---- examinations ------------------------------------------------------------------------

    @contextmanager
    def examined(self) -> Iterator[None]:
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
        cause = None
        with self.examined():
            state = self.be.philox.get_state()
            looked = Examination(self.be, pairs)
            self.failures.begin()
            try:
                got = looked.run(run)
            except Exception as error:
                problems = self.failures.of_statement(error, looked, self.second)
                if not problems:
                    raise
                cause = error
            else:
                problems = [*looked.problems, *looked.compare(got, self.second)]
                problems += self.failures.undeclared([*looked.operands, *looked.targets])
                if not problems:
                    return
            finally:
                raised = self.failures.end()
            if cause is None:
                problems = [*raised, *problems]
            found, first = self._found(pairs, looked, problems, state, how)
        self._report(found, first, cause)
        if cause is not None:
            raise cause

    def _found(
        self,
        pairs: Sequence[tuple[Any, Any]],
        looked: Examination,
        problems: Sequence[str],
        state: Any,
        how: dict[str, Any],
    ) -> tuple[Finding, bool]:
        """The finding of a statement, and whether it is the first of its kind."""
        kept = Inputs(looked.contents, None if looked.sources is None else state, **how)
        first = self._is_first(pairs, how)
        folder = self.folder if first else ""
        return of_statement(self.be, self.second.be, pairs, problems, kept, folder), first

    # ---- errors ------------------------------------------------------------------------------

    def _unexamined(self, run: Callable[[Any], None], pairs: list[tuple[Any, Any]]) -> None:
        """Run a statement whose turn it is not; what fails in it is rare, so all of it counts."""
        self.failures.begin()
        raised: list[str] = []
        try:
            run(pairs)
        except Exception as error:
            if is_foreign(error):
                self._afterwards(pairs, partial(self.failures.of_statement, error), error)
            raise
        finally:
            raised = self.failures.end()
        if raised:
            self._afterwards(pairs, partial(self.failures.of_silence, raised))

    def _afterwards(
        self,
        pairs: list[tuple[Any, Any]],
        problems_of: Callable[[Examination, SecondBackend], list[str]],
        cause: Exception | None = None,
    ) -> None:
        """Look at a statement that has run already."""
        with self.examined():
            try:
                looked = Examination(self.be, pairs)
                problems = problems_of(looked, self.second)
            except Exception as error:
                logger.debug("%s cannot be read after an error: %s", self.be, error)
                return
            if not problems:
                return
            found, first = self._found(pairs, looked, problems, None, {})
        self._report(found, first, cause)

    def refused(self, what: str, call: str, error: Exception) -> None:
        """A method of the device raised an error.

        Args:
            what: the method.
            call: it and what it was asked, in words.
            error: what it raised.
        """
        self.failures.note(error)
        if threading.get_ident() not in _examining:
            self.report_plain(what, self.failures.of_device(call, error), error)

    def _product(
        self, what: Launched, tensors: tuple[Any, Any, Any], call: Callable[[], None]
    ) -> None:
        a, b, c = tensors
        alpha, beta = what.factors
        if what.op == "batched_dot":
            tree = apply("batched_dot", a, b, reduce=c.ndim == 2)
            product: tuple[Any, ...] = (a, b, c)
        else:
            tree = apply("dot", a, b)
            product = (a, b, c, alpha, beta)
        if alpha != 1:
            tree = tree * alpha
        if beta:
            tree = tree + c * beta
        self._statement([(c, tree)], call, product=product, call=what.op)

    # ---- reports -----------------------------------------------------------------------------

    def _is_first(self, pairs: Sequence[tuple[Any, Any]], how: dict[str, Any]) -> bool:
        """Whether no statement of this structure was wrong before."""
        key = ("statement", str([getattr(v, "op", "") for _, v in pairs]) + how.get("call", ""))
        first = key not in self._reported
        self._reported.add(key)
        return first

    def report_plain(
        self, what: str, problems: Iterable[str], cause: Exception | None = None
    ) -> None:
        """Report what was found besides statements, if anything was.

        Args:
            what: a method of the device, or what else was looked at.
            problems: what is wrong, in words.
            cause: the error that was raised, where one was.
        """
        problem = "; ".join(problems)
        if problem:
            first = (what, "") not in self._reported
            self._reported.add((what, ""))
            self._report(Finding(what, place(self.be), str(self.second.be), problem), first, cause)

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
