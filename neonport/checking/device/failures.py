"""Errors that are none of the contract, abilities that are only said, dtypes nobody declared.

A device that cannot do something says so by an error of `neonport.errors`, which programs can tell
from others and live with. Anything else that leaves a device ends the program far from its cause.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from neonport.checking.judging import Definition
from neonport.checking.second import SecondBackend, leaves, root_op
from neonport.dtypes import is_float
from neonport.engine.statement import statement_key
from neonport.errors import CompileError, NeonportError
from neonport.log import logger
from neonport.optree.node import walk
from neonport.optree.random_nodes import is_random
from neonport.tensor.overlaps import MemoryIndex

Pairs = Sequence[tuple[Any, Any]]
MANY = 8  # different statements without one that compiles, after which a device compiles nothing


def is_foreign(error: BaseException) -> bool:
    """Whether an error is none that the contract knows; warnings are somebody's wish."""
    return not isinstance(error, (NeonportError, Warning))


def named(error: BaseException) -> str:
    """Class and text of an error, and the error of ours that it stands for."""
    text = f"{type(error).__name__} ({error})"
    cause = error.__cause__
    while cause is not None and not isinstance(cause, NeonportError):
        cause = cause.__cause__
    return text if cause is None else f"{text} in place of {type(cause).__name__} ({cause})"


def _none_of_ours(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "where memory that cannot be had is OutOfDeviceMemory"
    return "which is none of neonport's errors"


class Again:
    """Raises an error once more.

    Args:
        call: what raised it.
        error: the error.
    """

    __slots__ = ("call", "error")

    def __init__(self, call: Callable[..., Any], error: Exception) -> None:
        self.call = call
        self.error = error

    def __call__(self, *numbers: Any) -> Any:
        """Raise it."""
        raise self.error


class Failures:
    """What goes wrong on a device besides values, whosever turn it is: errors are rare.

    Args:
        be: the backend.
        second: the one that is asked.
        examining: says whether this thread is in an examination.
        examined: a block inside which it is.
        report: takes a method of the device, what is wrong in words, and the error.
        report_statement: takes a statement, what is wrong in words, contents of its operands by
            their ids, and the error.
    """

    def __init__(
        self,
        be: Any,
        second: SecondBackend,
        examining: Callable[[], bool],
        examined: Callable[[], AbstractContextManager[None]],
        report: Callable[[str, list[str], Exception], None],
        report_statement: Callable[
            [Pairs, list[str], dict[int, np.ndarray], Exception | None], None
        ],
    ) -> None:
        self.be = be
        self.second = second
        self._examining = examining
        self._examined = examined
        self._report = report
        self._report_statement = report_statement
        self._refused: dict[int, str] = {}  # statements, and the compiler's words
        self._compiled = False
        self._raised: dict[int, list[str]] = {}  # in the statement of a thread

    # ---- methods of a device -----------------------------------------------------------------

    def allocate(self, allocate: Callable[[int], Any], nbytes: int) -> Any:
        """Allocate memory."""
        try:
            return allocate(nbytes)
        except Exception as error:
            self._failed("allocate", f"allocate({nbytes})", error)
            raise

    def copy_in(self, copy: Callable[[Any, Any], None], target: Any, values: np.ndarray) -> None:
        """Copy host values to the device."""
        try:
            copy(target, values)
        except Exception as error:
            self._failed("copy_in", f"copy_in of an array of shape {values.shape}", error)
            raise

    def copy_out(self, copy: Callable[[Any], np.ndarray], source: Any) -> np.ndarray:
        """Copy values of the device to the host."""
        try:
            return copy(source)
        except Exception as error:
            self._failed("copy_out", f"copy_out of a tensor of shape {source.shape}", error)
            raise

    def _failed(self, what: str, call: str, error: Exception) -> None:
        self._note(error)
        if is_foreign(error) and not self._examining():
            self._report(what, [f"{call} raised {named(error)}, {_none_of_ours(error)}"], error)

    def _note(self, error: Exception) -> None:
        """Remember an error of the statement that this thread runs; it may not come out."""
        raised = self._raised.get(threading.get_ident())
        if raised is not None:
            raised.append(f"{type(error).__name__} ({error}) was raised on the way")

    # ---- statements --------------------------------------------------------------------------

    def hear(self, pairs: Pairs, run: Callable[[], None]) -> None:
        """Run a statement and look at what fails in it.

        Args:
            pairs: its targets and right-hand sides.
            run: runs it.
        """
        if self._examining():
            run()
            return
        here = threading.get_ident()
        self._raised[here] = []
        try:
            run()
        except Exception as error:
            if is_foreign(error):
                self._look(pairs, error)
            raise
        finally:
            raised = self.raised()
            del self._raised[here]
        if raised:
            self._look(pairs, None, raised)

    def again(self, call: Callable[..., Any], error: Exception) -> Again:
        """A call that raises an error, in place of what raised it, where it can be looked at.

        Args:
            call: what raised it, though it was not its turn.
            error: the error; it is raised now if nothing is wrong with it.
        """
        if not is_foreign(error) or self._examining():
            raise error
        return Again(call, error)

    def raised(self) -> list[str]:
        """The errors of the statement that this thread runs, so far, in words."""
        return list(dict.fromkeys(self._raised.get(threading.get_ident(), ())))

    def _look(self, pairs: Pairs, error: Exception | None, raised: Sequence[str] = ()) -> None:
        """Report a statement that failed, or should have."""
        with self._examined():
            nodes, values = walk(*(v for _, v in pairs)), [value for _, value in pairs]
            try:
                contents = {id(t): self.be.device.copy_out(t) for t in leaves(nodes, values)}
                if error is not None:
                    problems = list(self._of_error(error, pairs, contents))
                else:
                    problems = list(self._of_silence(pairs, contents))
            except Exception as other:
                logger.debug("%s cannot be asked after %s: %s", self.be, error or raised, other)
                return
        if problems:
            self._report_statement(pairs, [*raised, *problems], contents, error)

    def _of_error(
        self, error: Exception, pairs: Pairs, contents: dict[int, np.ndarray]
    ) -> Iterator[str]:
        """What is wrong with an error that ended a statement: that another backend has none.

        An error that both raise is about the statement, such as one of an op of the user's own.
        """
        ops = " and ".join(dict.fromkeys(root_op(value) for _, value in pairs))
        text = f"{ops} raised {named(error)}, {_none_of_ours(error)}"
        targets, values = [list(x) for x in zip(*pairs, strict=True)]
        try:
            self.second.results(targets, values, contents)
        except Exception as other:
            logger.debug("%s and %s fail both: %s; %s", self.be, self.second.be, error, other)
            if isinstance(error, MemoryError):
                yield text
        else:
            yield f"{text}; {self.second.be} computes the same statement"

    def _of_silence(self, pairs: Pairs, contents: dict[int, np.ndarray]) -> Iterator[str]:
        """What is wrong after a statement that kept an error on the way for itself.

        A device may have another way, such as a kernel that needs less memory; then the values are
        right. Of targets that the statement reads, and of random numbers, nobody can tell any more.
        """
        values = [value for _, value in pairs]
        nodes = walk(*values)
        read = MemoryIndex(leaves(nodes, values))
        if any(map(is_random, nodes)):
            return
        for target, value in pairs:
            if read.near(target):
                continue
            got = self.be.device.copy_out(target)
            verdict = Definition(target, value, contents, None).judge(got)
            if verdict is not None:
                yield (
                    f"{verdict.wrong} of {got.size} elements that {root_op(value)} gives are "
                    f"wrong; worst at {verdict.worst}: {verdict.got!r} instead of {verdict.want!r}"
                )

    # ---- abilities ---------------------------------------------------------------------------

    @property
    def refuses(self) -> bool:
        """Whether statements were refused by the compiler, and none was taken."""
        return len(self._refused) >= MANY

    def bind(self, bind: Callable[[Any], Any], pairs: Pairs) -> Any:
        """Bind a statement, and note whether its kernels compile."""
        try:
            bound = bind(pairs)
        except CompileError as error:
            if not self._compiled:
                self._refused[hash(statement_key(pairs)[0])] = str(error)
            raise
        except Exception as error:
            self._note(error)
            raise
        self._compiled = True
        self._refused.clear()
        return bound

    def hosted(self) -> Iterator[str]:
        """Whether NumPy does what a device says that it compiles."""
        if self.refuses and self.be.device.compiles:
            count, words = len(self._refused), list(self._refused.values())[-1]
            self._refused.clear()
            yield (
                f"the device says that it compiles kernels, and its compiler took none of {count} "
                f"statements, which NumPy evaluated on the host ({words}); `compiles` must "
                "be False then"
            )

    # ---- dtypes ------------------------------------------------------------------------------

    def undeclared(self, pairs: Pairs) -> Iterator[str]:
        """Dtypes of tensors of the device's own that it says it does not store.

        Args:
            pairs: targets and right-hand sides of a statement.
        """
        values = [value for _, value in pairs]
        declared, used = self.be.default_dtypes, leaves(walk(*values), values)
        own = (
            t
            for t in [*used, *(target for target, _ in pairs)]
            if t.base is None and t.storage.owner is None
        )
        found = {t.dtype.name for t in own if is_float(t.dtype)}.difference(declared)
        for name in sorted(found):
            yield (
                f"a tensor of {name} takes part, which the device does not declare "
                f"({', '.join(declared)}); it must be refused when it is made"
            )
