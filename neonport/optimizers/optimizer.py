"""Neon's module path: optimizers and schedules under one name."""

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
