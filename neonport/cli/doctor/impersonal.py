"""Takes names of people, machines and their folders out of a text that is meant for others."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# beginnings of paths that are alike on all machines of a kind
SYSTEM = (
    "usr", "opt", "lib", "lib64", "etc", "bin", "sbin", "proc", "sys", "dev", "nix",
    "System", "Library", "Applications",
)  # fmt: skip
_END = r"(?=$|[/\\\s'\"`:;,()\[\]{}|<>])"
_HOMES = re.compile(r"([A-Za-z]:[\\/]Users)[\\/][^/\\\s'\"`:;,()|]+")
_OTHERS = re.compile(
    rf"(?<![\w.~>/-])/(?!/)(?!(?:{'|'.join(SYSTEM)})\b)[^\s'\"`:;,()|]*[^\s'\"`:;,()|.]"
)
_NAME = r"(?<![\w-]){}(?![\w-])"


def impersonal(text: str) -> str:
    """Replace folders, and the names of the user and of the machine, by words for them.

    The current folder becomes `.`, the home folder `~`; of other folders that are no system's only
    the last part stays.

    Example:
        >>> impersonal(f"{Path.home()}/models/a.py") in ("~/models/a.py", "./models/a.py", "./a.py")
        True
    """
    for path, word in sorted(set(_folders()), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<![\w.-]){re.escape(path)}{_END}", word, text)
    text = _HOMES.sub(r"\1/<user>", text)
    text = _OTHERS.sub(lambda found: f"<path>/{os.path.basename(found[0])}", text)
    for name, word in _names():
        text = re.sub(_NAME.format(re.escape(name)), word, text, flags=re.IGNORECASE)
    return text


def _folders() -> Iterator[tuple[str, str]]:
    """Folders of this user and this process, and what stands for them."""
    found = [(entry, "<site>") for entry in sys.path if os.path.isdir(entry)]
    if sys.prefix != sys.base_prefix:
        found.append((sys.prefix, "<python>"))
    for ask, word in ((os.getcwd, "."), (_home, "~"), (tempfile.gettempdir, "<tmp>")):
        with suppress(OSError, RuntimeError, KeyError):  # removed, or a user without a home
            found.append((ask(), word))
    for path, word in found:
        if not _is_system(path):
            yield path, word
            yield os.path.realpath(path), word


def _home() -> str:
    return str(Path.home())


def _is_system(path: str) -> bool:
    parts = Path(path).parts
    return len(parts) < 2 or parts[1] in SYSTEM


def _names() -> Iterator[tuple[str, str]]:
    """What the user and the machine are called."""
    users = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")}
    with suppress(OSError, RuntimeError, KeyError, ImportError):  # a number without a name
        users |= {getpass.getuser(), Path.home().name}
    hosts = {platform.node(), os.environ.get("HOSTNAME", ""), os.environ.get("COMPUTERNAME", "")}
    hosts |= {host.partition(".")[0] for host in hosts}
    for names, word in ((users, "<user>"), (hosts, "<host>")):
        yield from ((name, word) for name in sorted(names, key=len, reverse=True) if name)
