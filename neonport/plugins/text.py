"""What foreign code does and says, as data: failures, and text that can be printed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

REASON_LENGTH, TRACEBACK_LENGTH = 1_000, 50_000  # characters
_T = TypeVar("_T")


def printable(value: Any, length: int = REASON_LENGTH, lines: bool = False) -> str:
    """What foreign code says of itself, as text that any terminal and any JSON reader takes.

    Args:
        value: a string, or anything that `str` describes; "" if it cannot.
        length: characters that are kept; the middle is left out.
        lines: whether line breaks are kept.
    """
    try:
        text = str(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a foreign object may fail, or exit, here
        return ""
    if len(text) > length:
        cut = f" [... {len(text) - length} characters left out ...] "
        text = text[: length // 2] + cut + text[-(length // 2) :]
    if not lines:
        text = " ".join(text.split())
    # no lone surrogates, which have no UTF-8; no bytes that move a terminal's cursor
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() or (lines and c in "\n\t") else f"\\x{ord(c):02x}" for c in text
    )


class ReportedError(Exception):
    """An error that another process reported.

    Args:
        words: class and message.
        traceback: its text there.
    """

    def __init__(self, words: str, traceback: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.traceback = traceback or words


@dataclass(frozen=True)
class Failure:
    """One thing a plugin did wrong, and when."""

    stage: str
    error: BaseException

    @property
    def reason(self) -> str:
        """Stage, class and message of the error in one line that can be printed."""
        if isinstance(self.error, ReportedError):
            return f"{self.stage}: {self.error.words}"
        text = printable(self.error)
        return f"{self.stage}: {printable(type(self.error).__name__)}{': ' if text else ''}{text}"

    @property
    def traceback(self) -> str:
        """The traceback as text that can be printed."""
        if isinstance(self.error, ReportedError):
            return self.error.traceback
        try:
            text = "".join(traceback.format_exception(self.error))
        except KeyboardInterrupt:
            raise
        except BaseException:  # it describes the error, which may be unable to
            return self.reason
        return printable(text, TRACEBACK_LENGTH, lines=True)


def guarded(
    stage: str, call: Callable[..., _T], *arguments: Any
) -> tuple[_T | None, Failure | None]:
    """Run foreign code; anything it raises, `sys.exit` included, comes back as data."""
    try:
        return call(*arguments), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit is not an Exception, and must not end the host
        return None, Failure(stage, error)
