"""Ctrl-C during training: finish the minibatch, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from neonport.log import logger


class InterruptGuard:
    """Turns the first Ctrl-C into a note that training looks at between minibatches.

    A signal may arrive in the middle of a parameter update; saving there would store half of it.
    The second Ctrl-C stops at once. The previous handler comes back when training ends. Outside
    the main thread, and where Ctrl-C is ignored (background jobs), nothing is installed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def install(self) -> None:
        """Take over SIGINT, if this is the place to do so."""
        self.requested = False
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGINT)
        if previous is None or previous is signal.SIG_IGN:
            return
        self._previous = previous
        signal.signal(signal.SIGINT, self._handle)

    def restore(self) -> None:
        """Put the previous handler back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        logger.warning("stopping after this minibatch; Ctrl-C again stops at once")
