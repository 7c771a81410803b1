"""The package's logger and neon's extra level DISPLAY."""

from __future__ import annotations

import logging
from typing import Any

DISPLAY = 41  # just above ERROR, so that it shows at every verbosity neon offers

logger = logging.getLogger("neonport")


def _display(self: logging.Logger, message: str, *args: Any, **kwargs: Any) -> None:
    """Log `message` at level DISPLAY."""
    if self.isEnabledFor(DISPLAY):
        self._log(DISPLAY, message, args, **kwargs)


def register_display_level() -> None:
    """Register level DISPLAY and `Logger.display`, once per process; neon scripts call it."""
    logging.addLevelName(DISPLAY, "DISPLAY")
    if not hasattr(logging.Logger, "display"):
        logging.Logger.display = _display  # type: ignore[attr-defined]
