"""Optimizers: updates of parameters from gradients, and schedules of the learning rate."""

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.optimizers.adadelta import Adadelta as Adadelta
from neonport.optimizers.adagrad import Adagrad as Adagrad
from neonport.optimizers.adam import Adam as Adam
from neonport.optimizers.adamw import AdamW as AdamW
from neonport.optimizers.adamw import Nadam as Nadam
from neonport.optimizers.annealing import CosineSchedule as CosineSchedule
from neonport.optimizers.annealing import OneCycleSchedule as OneCycleSchedule
from neonport.optimizers.annealing import PlateauSchedule as PlateauSchedule
from neonport.optimizers.annealing import WarmupSchedule as WarmupSchedule
from neonport.optimizers.base import Optimizer as Optimizer
from neonport.optimizers.base import get_param_list as get_param_list
from neonport.optimizers.lion import Lion as Lion
from neonport.optimizers.multi import MultiOptimizer as MultiOptimizer
from neonport.optimizers.rmsprop import RMSProp as RMSProp
from neonport.optimizers.schedules import ExpSchedule as ExpSchedule
from neonport.optimizers.schedules import PolySchedule as PolySchedule
from neonport.optimizers.schedules import PowerSchedule as PowerSchedule
from neonport.optimizers.schedules import Schedule as Schedule
from neonport.optimizers.schedules import ShiftSchedule as ShiftSchedule
from neonport.optimizers.schedules import StepSchedule as StepSchedule
from neonport.optimizers.sgd import GradientDescentMomentum as GradientDescentMomentum
from neonport.optimizers.shift_adamax import ShiftAdaMax as ShiftAdaMax

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineSchedule",
    "ExpSchedule",
    "GradientDescentMomentum",
    "Lion",
    "MultiOptimizer",
    "Nadam",
    "OneCycleSchedule",
    "Optimizer",
    "PlateauSchedule",
    "PolySchedule",
    "PowerSchedule",
    "RMSProp",
    "Schedule",
    "ShiftAdaMax",
    "ShiftSchedule",
    "StepSchedule",
    "WarmupSchedule",
    "get_param_list",
]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__, kind="optimizer")
