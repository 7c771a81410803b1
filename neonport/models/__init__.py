"""Models: a container of layers with training, evaluation and checkpoints."""

from neonport.models.model import Model as Model

__all__ = ["Model"]
