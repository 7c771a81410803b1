"""What a plugin changed for everybody while it was imported and asked: told, not undone."""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

MOST_NAMES = 5  # of one kind; the rest is counted
WATCHED = ("numpy", "numpy.linalg", "numpy.random", "builtins", "os", "math", "pluggy")
_TOO_SMALL = 1e-40  # as float32: a number that processors can be told to take for 0


def _functions() -> dict[str, Any]:
    """Functions and classes of modules that everybody uses, neonport's own among them."""
    modules = [name for name in WATCHED if name in sys.modules]
    modules += [name for name in sys.modules if name.partition(".")[0] == "neonport"]
    found = {}
    for module in modules:
        for name, value in list(vars(sys.modules[module]).items()):
            if callable(value):
                found[f"{module}.{name}"] = value
                if isinstance(value, type) and module.startswith("neonport"):
                    members = list(vars(value).items())
                    found |= {f"{module}.{name}.{k}": v for k, v in members if callable(v)}
    return found


def _signals() -> dict[str, Any]:
    found = {}
    for number in signal.valid_signals():
        try:
            found[signal.Signals(number).name] = signal.getsignal(number)
        except ValueError:  # a number without a name
            continue
    return found


def _hooks() -> dict[str, Any]:
    return {
        "sys.excepthook": sys.excepthook,
        "sys.unraisablehook": sys.unraisablehook,
        "sys.displayhook": sys.displayhook,
        "threading.excepthook": threading.excepthook,
        "sys.stdin": sys.stdin,
        "sys.stdout": sys.stdout,
        "sys.stderr": sys.stderr,
        "warnings.showwarning": warnings.showwarning,
        "warnings.filters": list(warnings.filters),
        "logging's root": (logging.root.level, list(logging.root.handlers)),
        "sys.meta_path": list(sys.meta_path),
        "sys.path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
        "the switch interval of threads": sys.getswitchinterval(),
        "garbage collection": (gc.isenabled(), gc.get_threshold()),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the working folder": _folder(),
        "the random numbers of Python": random.getstate(),
    }


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed
        return ""


def _numerics() -> dict[str, Any]:
    import numpy as np

    kind, *state = np.random.get_state()
    return {
        "the random numbers of NumPy": (kind, *(repr(part) for part in state)),
        "how NumPy treats floating-point errors": np.geterr(),
        "how NumPy prints": repr(np.get_printoptions()),
        "denormal numbers, which are taken for 0": bool(np.float32(_TOO_SMALL) * np.float32(1)),
    }


def _variables() -> dict[str, Any]:
    return dict(os.environ)


def _threads() -> dict[str, Any]:
    return {f"{t.name}{' (daemon)' * t.daemon} {t.ident}": True for t in threading.enumerate()}


GROUPS: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
    ("replaced", _functions),
    ("changed the handler of", _signals),
    ("changed", _hooks),
    ("changed", _numerics),
    ("set environment variable", _variables),
    ("left running: thread", _threads),
)
"""What is said of a change, and what is compared."""
_MAY_APPEAR = (_variables, _threads)


class GlobalState:
    """The state of a process, as far as it is everybody's; compare it with a later one.

    Example:
        before = GlobalState()
        import_the_plugin()
        print(before.changes())
    """

    def __init__(self) -> None:
        self._facts = [facts() for _, facts in GROUPS]

    def changes(self) -> list[str]:
        """What is different now, one line of a kind."""
        lines = []
        for (words, facts), before in zip(GROUPS, self._facts, strict=True):
            names = _different(before, facts(), facts in _MAY_APPEAR)
            if names:
                rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
                lines.append(f"{words} {', '.join(names[:MOST_NAMES])}{rest}")
        return lines


def _different(before: Mapping[str, Any], now: Mapping[str, Any], appear: bool) -> list[str]:
    """Names of what is another object and another value; and of what is new, where that counts."""
    gone = object()
    found = []
    for name, value in now.items():
        old = before.get(name, gone)
        if old is gone:
            found += [name.rpartition(" ")[0] or name] if appear else []
        elif old is not value and not _equal(old, value):
            found.append(name)
    return sorted(found)


def _equal(a: Any, b: Any) -> bool:
    if callable(a) or callable(b):
        return False  # bound methods aside, functions are compared as objects
    try:
        return bool(a == b)
    except Exception:  # foreign objects
        return False
