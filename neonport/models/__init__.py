"""Models: a container of layers with training, evaluation and checkpoints."""

from neonport.models.history import History as History
from neonport.models.model import Model as Model

__all__ = ["History", "Model"]
