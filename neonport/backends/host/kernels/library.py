"""Hand-written C of the cpu backend: compiled once for a dtype, run by the kernels' threads."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from neonport.backends.host.jit.launcher import (
    BoundProgram,
    HostJit,
    entry_address,
    make_program,
    shared_jit,
)
from neonport.backends.host.jit.texts import HEADERS, text_of
from neonport.dtypes import ROWS
from neonport.errors import CompileError

TYPES = {row.name: row.plain_c for row in ROWS.values() if row.plain_c}
FLAGS = ("-ffp-contract=fast",)  # sums of products: one rounding less


class Library:
    """A compiled file.

    Args:
        jit: compiles and runs it.
        text: C.

    Raises:
        CompileError: with the compiler's own words.
    """

    def __init__(self, jit: HostJit, text: str) -> None:
        self._jit = jit
        self._library = jit.compiler.load(text, FLAGS)

    def constant(self, name: str) -> int:
        """An `int64_t` of the file."""
        return ctypes.c_int64.in_dll(self._library, name).value

    def bind(
        self, function: str, words: Sequence[int], tasks: int, grain: int, keep: Any
    ) -> Callable[[], None]:
        """A call without arguments that shares tasks among the threads.

        Args:
            function: (words, first task, one after the last); tasks may run in any order.
            words: its arguments, 8 bytes each.
            tasks: how many there are.
            grain: tasks handed out together, at least; 0 runs all on the calling thread.
            keep: what must live as long as the call.
        """
        return self.bind_all([(function, words, tasks, grain)], keep)

    def bind_all(
        self, launches: Sequence[tuple[str, Sequence[int], int, int]], keep: Any
    ) -> Callable[[], None]:
        """A call without arguments that makes several launches, one after the other.

        Args:
            launches: function, words, tasks and grain of each, as in `bind`.
            keep: what must live as long as the call.
        """
        blocks = [np.array(words, np.int64) for _, words, _, _ in launches]
        program = make_program(
            [
                (entry_address(getattr(self._library, function)), block, tasks, grain)
                for block, (function, _, tasks, grain) in zip(blocks, launches, strict=True)
            ]
        )
        return BoundProgram(self._jit.run, program, (blocks, keep, self._library))


@lru_cache(maxsize=256)
def library(file: str, **dtypes: str) -> Library | None:
    """A file for some dtypes.

    Args:
        file: its name.
        dtypes: names of dtypes, by the word of the text that stands for each.

    Returns:
        None where there is no compiler, where it fails (one warning says why), and for dtypes that
        C has no arithmetic of: then NumPy does the work.
    """
    if any(name not in TYPES for name in dtypes.values()):
        return None
    text = text_of(HEADERS, file, {word: TYPES[name] for word, name in dtypes.items()})
    try:
        jit = shared_jit()
        return None if jit is None else Library(jit, text)
    except CompileError as error:
        warnings.warn(
            f"{file} is not compiled, NumPy runs instead (slower, same results): {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
