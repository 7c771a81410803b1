"""Callbacks: what happens between minibatches and epochs of a training."""

from typing import TYPE_CHECKING

from neonport.callbacks.callback import Callback as Callback
from neonport.callbacks.container import Callbacks as Callbacks
from neonport.foundation.absent import absent_names

__all__ = ["Callback", "Callbacks"]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__, kind="callback")
