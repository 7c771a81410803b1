"""Neon's module path: costs and metrics under one name."""

from neonport.transforms.bleu import BLEUScore as BLEUScore
from neonport.transforms.costs import Cost as Cost
from neonport.transforms.costs import CrossEntropyBinary as CrossEntropyBinary
from neonport.transforms.costs import CrossEntropyMulti as CrossEntropyMulti
from neonport.transforms.costs import MeanSquared as MeanSquared
from neonport.transforms.costs import SmoothL1Loss as SmoothL1Loss
from neonport.transforms.costs import SquareHingeLoss as SquareHingeLoss
from neonport.transforms.costs import SumSquared as SumSquared
from neonport.transforms.detection import ObjectDetection as ObjectDetection
from neonport.transforms.gan_cost import GANCost as GANCost
from neonport.transforms.metrics import Accuracy as Accuracy
from neonport.transforms.metrics import LogLoss as LogLoss
from neonport.transforms.metrics import Metric as Metric
from neonport.transforms.metrics import Misclassification as Misclassification
from neonport.transforms.metrics import MultiMetric as MultiMetric
from neonport.transforms.metrics import TopKMisclassification as TopKMisclassification
from neonport.transforms.precision_recall import PrecisionRecall as PrecisionRecall
