"""Models: a container of layers with training, evaluation and checkpoints."""

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.models.benchmark import Benchmark as Benchmark
from neonport.models.gan import GAN as GAN
from neonport.models.model import Model as Model
from neonport.models.summary.table import ModelSummary as ModelSummary
from neonport.models.training.history import History as History

__all__ = ["GAN", "Benchmark", "History", "Model", "ModelSummary"]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
