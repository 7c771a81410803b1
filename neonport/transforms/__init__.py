"""Transforms: activations, costs and metrics."""

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.transforms.bleu import BLEUScore as BLEUScore
from neonport.transforms.costs import Cost as Cost
from neonport.transforms.costs import CrossEntropyBinary as CrossEntropyBinary
from neonport.transforms.costs import CrossEntropyMulti as CrossEntropyMulti
from neonport.transforms.costs import MeanSquared as MeanSquared
from neonport.transforms.costs import SmoothL1Loss as SmoothL1Loss
from neonport.transforms.costs import SquareHingeLoss as SquareHingeLoss
from neonport.transforms.costs import SumSquared as SumSquared
from neonport.transforms.dataset_metrics import AUC as AUC
from neonport.transforms.dataset_metrics import F1 as F1
from neonport.transforms.dataset_metrics import MAE as MAE
from neonport.transforms.dataset_metrics import R2 as R2
from neonport.transforms.dataset_metrics import RMSE as RMSE
from neonport.transforms.dataset_metrics import BinaryAccuracy as BinaryAccuracy
from neonport.transforms.dataset_metrics import ConfusionMatrix as ConfusionMatrix
from neonport.transforms.dataset_metrics import DatasetMetric as DatasetMetric
from neonport.transforms.detection import ObjectDetection as ObjectDetection
from neonport.transforms.elementwise import Identity as Identity
from neonport.transforms.elementwise import Logistic as Logistic
from neonport.transforms.elementwise import Normalizer as Normalizer
from neonport.transforms.elementwise import Tanh as Tanh
from neonport.transforms.gan_cost import GANCost as GANCost
from neonport.transforms.metrics import Accuracy as Accuracy
from neonport.transforms.metrics import LogLoss as LogLoss
from neonport.transforms.metrics import Metric as Metric
from neonport.transforms.metrics import Misclassification as Misclassification
from neonport.transforms.metrics import MultiMetric as MultiMetric
from neonport.transforms.metrics import TopKMisclassification as TopKMisclassification
from neonport.transforms.names import activation_of as activation_of
from neonport.transforms.precision_recall import PrecisionRecall as PrecisionRecall
from neonport.transforms.rectifiers import Explin as Explin
from neonport.transforms.rectifiers import Rectlin as Rectlin
from neonport.transforms.rectifiers import Rectlinclip as Rectlinclip
from neonport.transforms.shortcuts import shortcut_pairs as shortcut_pairs
from neonport.transforms.shortcuts import shortcut_warning as shortcut_warning
from neonport.transforms.sign import Sign as Sign
from neonport.transforms.smooth_rectifiers import GELU as GELU
from neonport.transforms.smooth_rectifiers import SiLU as SiLU
from neonport.transforms.smooth_rectifiers import Softplus as Softplus
from neonport.transforms.softmax import PixelwiseSoftmax as PixelwiseSoftmax
from neonport.transforms.softmax import Softmax as Softmax
from neonport.transforms.training_costs import ClassWeighted as ClassWeighted
from neonport.transforms.training_costs import Huber as Huber
from neonport.transforms.training_costs import KLDivergence as KLDivergence
from neonport.transforms.training_costs import LogisticCrossEntropy as LogisticCrossEntropy
from neonport.transforms.training_costs import MeanAbsolute as MeanAbsolute
from neonport.transforms.training_costs import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from neonport.transforms.transform import Transform as Transform

__all__ = [
    "AUC",
    "F1",
    "GELU",
    "MAE",
    "R2",
    "RMSE",
    "Accuracy",
    "BLEUScore",
    "BinaryAccuracy",
    "ClassWeighted",
    "ConfusionMatrix",
    "Cost",
    "CrossEntropyBinary",
    "CrossEntropyMulti",
    "DatasetMetric",
    "Explin",
    "GANCost",
    "Huber",
    "Identity",
    "KLDivergence",
    "LogLoss",
    "Logistic",
    "LogisticCrossEntropy",
    "MeanAbsolute",
    "MeanSquared",
    "Metric",
    "Misclassification",
    "MultiMetric",
    "Normalizer",
    "ObjectDetection",
    "PixelwiseSoftmax",
    "PrecisionRecall",
    "Rectlin",
    "Rectlinclip",
    "SiLU",
    "Sign",
    "SmoothL1Loss",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "SquareHingeLoss",
    "SumSquared",
    "Tanh",
    "TopKMisclassification",
    "Transform",
    "activation_of",
    "shortcut_pairs",
    "shortcut_warning",
]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
