"""Programs of a device: text that is compiled once, kept in memory and on disk; compile errors."""

from __future__ import annotations

import hashlib
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from neonport.foundation.bounded_table import BoundedTable
from neonport.io.cache_dir import read_checked, write_checked

MAX_PROGRAMS = 128  # of a generation; a driver may need megabytes for each


class ProgramCache(ABC):
    """Loads text for one device; a vendor says how to compile it and how to load what was kept.

    Args:
        folder: name of the cache's folder on disk.
        identity: what compiled code depends on besides the text and the options.
        extra: options of every program, after those of the caller.
        on_disk: whether programs are kept for other processes; not where the driver does that.

    Attributes:
        compiled: programs compiled from text by this object.
    """

    def __init__(
        self, folder: str, identity: str, extra: tuple[str, ...] = (), on_disk: bool = True
    ) -> None:
        self.compiled = 0
        self._folder = folder
        self._identity = identity
        self._extra = extra
        self._on_disk = on_disk
        self._loaded: BoundedTable[bytes, Any] = BoundedTable(MAX_PROGRAMS)
        self._lock = threading.RLock()  # a finalizer of the user's may come here while we are here

    @abstractmethod
    def compile(self, source: str, options: tuple[str, ...]) -> tuple[Any, bytes | None]:
        """Compile a text.

        Returns:
            The program, and the bytes that `restore` makes it of again; None where the driver does
            not give them.

        Raises:
            CompileError: with the lines at fault and the compiler's log.
        """

    @abstractmethod
    def restore(self, image: bytes) -> Any:
        """Return the program of bytes that `compile` gave; None if the driver refuses them."""

    def load(self, source: str, options: tuple[str, ...]) -> Any:
        """Return the program of a text, from memory, disk or the compiler.

        Raises:
            CompileError: with the lines at fault and the compiler's log.
        """
        # a digest: texts are long
        key = hashlib.sha256("\n".join((*options, source)).encode()).digest()
        with self._lock:
            found = self._loaded.find(key)
            if found is None:
                found = self._load(source, (*options, *self._extra))
                self._loaded.keep(key, found)
            return found

    def _load(self, source: str, options: tuple[str, ...]) -> Any:
        if not self._on_disk:
            return self._compile(source, options)[0]
        words = "\n".join((self._identity, " ".join(options), source))
        name = f"{hashlib.sha256(words.encode()).hexdigest()[:40]}.bin"
        kept = read_checked(self._folder, name)
        program = None if kept is None else self.restore(kept)
        if program is None:
            program, image = self._compile(source, options)
            if image:
                write_checked(self._folder, name, image)
        return program

    def _compile(self, source: str, options: tuple[str, ...]) -> tuple[Any, bytes | None]:
        found = self.compile(source, options)
        self.compiled += 1
        return found


def readable(ask: Callable[[], str | bytes]) -> str:
    """What a compiler said; bytes that are no UTF-8 are replaced.

    Args:
        ask: gives it, or raises the UnicodeDecodeError of a library that decodes it for us.
    """
    try:
        said = ask()
    except UnicodeDecodeError as error:
        said = bytes(error.object)
    return said if isinstance(said, str) else said.decode("utf-8", "replace")


LOG_LENGTH = 3000
LINES = 5


def complaint(words: str, source: str, log: str, line: re.Pattern[str]) -> str:
    """A message for people.

    Args:
        words: what failed.
        source: the text.
        log: the compiler's.
        line: finds the line numbers in the log, each as the only group that matches.
    """
    lines = source.splitlines()
    numbers = sorted({int(found[found.lastindex or 1]) for found in line.finditer(log)})[:LINES]
    marked = [f"{n:5d} | {lines[n - 1]}" for n in numbers if 0 < n <= len(lines)]
    return "\n".join([words, *marked, log[-LOG_LENGTH:]])
