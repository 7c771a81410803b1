"""The command on a terminal of some width."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys


def on_terminal(arguments: list[str], columns: int) -> str:
    """What `neonport ARGUMENTS` shows on a terminal, without colours."""
    master, slave = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "neonport", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=clean | {"TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    process.wait(60)
    text = b"".join(parts).decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
