"""A wrong result: its text, and a folder in which it can be looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neonport.checking.reproducing import Inputs, save
from neonport.checking.second import root_op

SHOWN = 600  # characters of a formula


class WrongResultWarning(RuntimeWarning):
    """What `WrongResultError` says, where the program is to go on."""


@dataclass(frozen=True)
class Finding:
    """Something wrong that a second opinion found.

    Attributes:
        op: op at the root of the statement, or what else was checked.
        backend: where it ran: backend, device and driver.
        second: the backend that was asked.
        problem: what is wrong, in words; of values with the worst element.
        statement: the formula.
        kernels: kernels and calls of the statement, with their text.
        saved: the folder with inputs and script; empty if nothing was saved.
    """

    op: str
    backend: str
    second: str
    problem: str
    statement: str = ""
    kernels: str = ""
    saved: str = ""

    def __str__(self) -> str:
        lines = [f"second opinion of {self.second}: {self.op} on {self.backend}: {self.problem}"]
        if self.statement:
            lines.append(f"statement: {self.statement}")
        if self.saved:
            lines.append(f"inputs and a script that reproduces it: {self.saved}")
        if self.kernels:
            lines.append(self.kernels)
        return "\n".join(lines)


def place(be: Any) -> str:
    """Backend, device and driver, in words."""
    try:
        words = be.probe().device
    except Exception:  # what is wrong with it is being reported
        words = ""
    return f"{be} ({words})" if words else str(be)


def of_statement(
    be: Any,
    second: Any,
    pairs: Sequence[tuple[Any, Any]],
    problems: Sequence[str],
    kept: Inputs,
    folder: str,
) -> Finding:
    """The finding of a statement; its inputs are saved if there is a folder for them.

    Args:
        be, second: where it ran, and who was asked.
        pairs: targets and right-hand sides.
        problems: what is wrong, in words.
        kept: what is needed to run it again.
        folder: where folders are made; empty: nowhere.
    """
    ops = " and ".join(dict.fromkeys(root_op(value) for _, value in pairs))
    statement = "; ".join(f"{target} = {value}" for target, value in pairs)
    try:
        kernels = str(be.explain(list(pairs), source=True))
    except Exception as error:  # a backend that is wrong here may be wrong there
        kernels = f"its kernels cannot be shown: {error}"
    if len(statement) > SHOWN:
        statement = statement[:SHOWN] + " ..."
    found = Finding(ops, place(be), str(second), "; ".join(problems), statement, kernels)
    if not folder:
        return found
    return replace(found, saved=str(save(Path(folder), be, second, pairs, kept, str(found))))
