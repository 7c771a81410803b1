"""Errors that are none of the contract, abilities that are only said, dtypes nobody declared.

A device that cannot do something says so by an error of `neonport.errors`, which programs can tell
from others and live with. Anything else that leaves a device ends the program far from its cause.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from neonport.checking.second import root_op
from neonport.dtypes import is_float
from neonport.engine.statement import statement_key
from neonport.errors import CompileError, NeonportError
from neonport.log import logger
from neonport.optree.node import walk
from neonport.optree.random_nodes import is_random
from neonport.tensor.overlaps import MemoryIndex

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


class Failures:
    """What goes wrong on a device besides values.

    Args:
        be: the backend.
    """

    def __init__(self, be: Any) -> None:
        self.be = be
        self._refused: dict[int, str] = {}  # statements, and the compiler's words
        self._compiled = False
        self._raised: dict[int, list[str]] = {}  # in the statement that a thread examines

    # ---- errors ------------------------------------------------------------------------------

    def begin(self) -> None:
        """A statement of this thread is about to run."""
        self._raised[threading.get_ident()] = []

    def note(self, error: BaseException) -> None:
        """An error left a method of the device; whether it leaves the statement too is seen later.

        Args:
            error: what was raised.
        """
        raised = self._raised.get(threading.get_ident())
        if raised is not None:
            raised.append(f"{type(error).__name__} ({error})")

    def end(self) -> list[str]:
        """The errors of the statement that were raised on the way, in words."""
        raised = dict.fromkeys(self._raised.pop(threading.get_ident(), ()))
        return [f"{error} was raised on the way and did not come out" for error in raised]

    def of_device(self, call: str, error: BaseException) -> list[str]:
        """What is wrong with an error of a method that has nothing to complain about.

        Args:
            call: the method and what it was asked, in words.
            error: what it raised.
        """
        return (
            [f"{call} raised {named(error)}, {_none_of_ours(error)}"] if is_foreign(error) else []
        )

    def of_statement(self, error: BaseException, looked: Any, second: Any) -> list[str]:
        """What is wrong with an error that ended a statement: that another backend has none.

        An error that both raise is about the statement, such as one of an op of the user's own.

        Args:
            error: what it raised.
            looked: its `Examination`.
            second: the `SecondBackend`.
        """
        if not is_foreign(error):
            return []
        ops = " and ".join(dict.fromkeys(map(root_op, looked.values)))
        text = f"{ops} raised {named(error)}, {_none_of_ours(error)}"
        try:
            second.results(looked.targets, looked.values, looked.contents)
        except Exception as other:
            logger.debug("%s and %s fail both: %s; %s", self.be, second.be, error, other)
            return [text] if isinstance(error, MemoryError) else []
        return [f"{text}; {second.be} computes the same statement"]

    def of_silence(self, raised: list[str], looked: Any, second: Any) -> list[str]:
        """What is wrong after a statement that was silent about an error on the way.

        A device may have another way, such as a kernel that needs less memory; then the values are
        right. Of a target that the statement reads they cannot be known any more.

        Args:
            raised: the errors, in words.
            looked: the `Examination`, made after it ran.
            second: the `SecondBackend`.
        """
        read = MemoryIndex(looked.operands)
        drawn = any(map(is_random, walk(*looked.values)))
        if drawn or any(read.near(target) for target in looked.targets):
            return []
        got = [self.be.device.copy_out(target) for target in looked.targets]
        problems = list(looked.compare(got, second))
        return [*raised, *problems] if problems else []

    # ---- abilities ---------------------------------------------------------------------------

    @property
    def refuses(self) -> bool:
        """Whether statements were refused by the compiler, and none was taken."""
        return len(self._refused) >= MANY

    def bind(self, bind: Callable[[Any], Any], pairs: Sequence[tuple[Any, Any]]) -> Any:
        """Bind a statement, and note whether its kernels compile."""
        try:
            bound = bind(pairs)
        except CompileError as error:
            if not self._compiled:
                self._refused[hash(statement_key(pairs)[0])] = str(error)
            raise
        except Exception as error:
            self.note(error)
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

    def undeclared(self, tensors: Sequence[Any]) -> Iterator[str]:
        """Dtypes of tensors of the device's own that it says it does not store."""
        declared = self.be.default_dtypes
        own = (t for t in tensors if t.base is None and t.storage.owner is None)
        found = {t.dtype.name for t in own if is_float(t.dtype)}.difference(declared)
        for name in sorted(found):
            yield (
                f"a tensor of {name} takes part, which the device does not declare "
                f"({', '.join(declared)}); it must be refused when it is made"
            )
