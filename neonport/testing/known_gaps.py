"""Cases that a backend is known to fail: a TOML file of patterns, each with its reason.

    [[xfail]]
    op = "conv*"                 # `*` stands for anything; without op, every op
    case = "float16 *"           # without case, every case
    reason = "the library computes float16 in float16"

An entry that no longer fits is an error: every case that it covers has to fail, and there has to be
one. So the file cannot hide what has been mended, or what was never there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from neonport.errors import ConfigurationError
from neonport.testing.cases import Case

TABLE = "xfail"


@dataclass(frozen=True)
class KnownGap:
    """An entry of the file.

    Attributes:
        op, case: patterns; `*` stands for any text.
        reason: why these cases fail.
    """

    op: str
    case: str
    reason: str

    def covers(self, case: Case) -> bool:
        """Whether a case is one of those that are known to fail."""
        return _fits(self.op, case.op) and _fits(self.case, case.id)

    def __str__(self) -> str:
        return f"op = {self.op!r}, case = {self.case!r}"


def _fits(pattern: str, text: str) -> bool:
    form = re.escape(pattern).replace(r"\*", ".*")
    return re.fullmatch(form, text, re.DOTALL) is not None


def read_known_gaps(path: Path) -> list[KnownGap]:
    """The entries of a file.

    Args:
        path: a TOML file.

    Raises:
        ConfigurationError: it cannot be read, or an entry has no reason or unknown keys.
    """
    try:
        data = _parser().loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"known gaps: {path} cannot be read: {error}") from error
    others = sorted(set(data) - {TABLE})
    entries = data.get(TABLE, [])
    if others or not isinstance(entries, list):
        found = f"it has {', '.join(others)}" if others else f"{TABLE} is no list of tables"
        raise ConfigurationError(
            f"known gaps: {path} holds [[{TABLE}]] tables with op, case and reason; {found}"
        )
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _parser() -> Any:
    """The reader of TOML: in the standard library since Python 3.11."""
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    try:
        return import_module("tomli")
    except ImportError as error:
        raise ConfigurationError(
            "known gaps: Python 3.10 reads TOML with tomli; pip install tomli (pytest brings it)"
        ) from error


def _entry(path: Path, number: int, entry: Any) -> KnownGap:
    where = f"known gaps: entry {number} of {path}"
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
        raise ConfigurationError(f"{where} takes op, case and reason, each a text")
    unknown = sorted(set(entry) - {"op", "case", "reason"})
    if unknown:
        raise ConfigurationError(f"{where} has {', '.join(unknown)}; it takes op, case and reason")
    if not entry.get("reason", "").strip():
        raise ConfigurationError(f"{where} needs a reason: why do these cases fail?")
    if "op" not in entry and "case" not in entry:
        raise ConfigurationError(f"{where} names neither op nor case, which would cover everything")
    return KnownGap(entry.get("op", "*"), entry.get("case", "*"), entry["reason"].strip())


def find_gap(gaps: Iterable[KnownGap], case: Case) -> KnownGap | None:
    """The first entry that covers a case."""
    return next((gap for gap in gaps if gap.covers(case)), None)


def unused(gaps: Iterable[KnownGap], cases: Iterable[Case]) -> list[KnownGap]:
    """The entries that cover none of the cases."""
    listed = list(cases)
    return [gap for gap in gaps if not any(gap.covers(case) for case in listed)]
