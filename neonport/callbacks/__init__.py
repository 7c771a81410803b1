"""Callbacks: what happens between minibatches and epochs of a training."""

from neonport.callbacks.callback import Callback as Callback
from neonport.callbacks.container import Callbacks as Callbacks

__all__ = ["Callback", "Callbacks"]
