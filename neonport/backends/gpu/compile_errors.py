"""Messages for compile errors: the lines at fault, and the end of the compiler's log."""

from __future__ import annotations

import re

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
