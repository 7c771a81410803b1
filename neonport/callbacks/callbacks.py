"""All callbacks under neon's module path."""

from typing import TYPE_CHECKING

from neonport.callbacks.batchnorm_tuning import BatchNormTuneCallback as BatchNormTuneCallback
from neonport.callbacks.callback import Callback as Callback
from neonport.callbacks.callback import StopTraining as StopTraining
from neonport.callbacks.container import Callbacks as Callbacks
from neonport.callbacks.cost import GANCostCallback as GANCostCallback
from neonport.callbacks.cost import LossCallback as LossCallback
from neonport.callbacks.cost import MetricCallback as MetricCallback
from neonport.callbacks.cost import TrainCostCallback as TrainCostCallback
from neonport.callbacks.cost import TrainMulticostCallback as TrainMulticostCallback
from neonport.callbacks.csv_log import CSVLogger as CSVLogger
from neonport.callbacks.inspection.deconvolution import DeconvCallback as DeconvCallback
from neonport.callbacks.inspection.histograms import HistCallback as HistCallback
from neonport.callbacks.inspection.watching import (
    MultiLabelStatsCallback as MultiLabelStatsCallback,
)
from neonport.callbacks.inspection.watching import WatchTickerCallback as WatchTickerCallback
from neonport.callbacks.logs import RunTimerCallback as RunTimerCallback
from neonport.callbacks.logs import TrainLoggerCallback as TrainLoggerCallback
from neonport.callbacks.plateau import ReduceOnPlateau as ReduceOnPlateau
from neonport.callbacks.progress import ProgressBarCallback as ProgressBarCallback
from neonport.callbacks.progress import get_progress_string as get_progress_string
from neonport.callbacks.saving import EarlyStopCallback as EarlyStopCallback
from neonport.callbacks.saving import SaveBestStateCallback as SaveBestStateCallback
from neonport.callbacks.saving import SerializeModelCallback as SerializeModelCallback
from neonport.callbacks.stopping import TerminateOnNaN as TerminateOnNaN
from neonport.foundation.absent import absent_names

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
