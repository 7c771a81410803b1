"""Neon's module path of the layers; each family lives in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.layers.activation import Activation as Activation
from neonport.layers.base import Layer as Layer
from neonport.layers.base import interpret_in_shape as interpret_in_shape
from neonport.layers.batchnorm import BatchNorm as BatchNorm
from neonport.layers.batchnorm_autodiff import BatchNormAutodiff as BatchNormAutodiff
from neonport.layers.bias import Bias as Bias
from neonport.layers.binary import BinaryLinear as BinaryLinear
from neonport.layers.binary import ShiftBatchNorm as ShiftBatchNorm
from neonport.layers.branch import BranchNode as BranchNode
from neonport.layers.compound import Affine as Affine
from neonport.layers.compound import BinaryAffine as BinaryAffine
from neonport.layers.compound import CompoundLayer as CompoundLayer
from neonport.layers.compound import Conv as Conv
from neonport.layers.compound import Deconv as Deconv
from neonport.layers.cost import GeneralizedCost as GeneralizedCost
from neonport.layers.cost import GeneralizedCostMask as GeneralizedCostMask
from neonport.layers.cost import GeneralizedGANCost as GeneralizedGANCost
from neonport.layers.data_transform import DataTransform as DataTransform
from neonport.layers.dropout import Dropout as Dropout
from neonport.layers.linear import Linear as Linear
from neonport.layers.lookup import LookupTable as LookupTable
from neonport.layers.parameter import ParameterLayer as ParameterLayer
from neonport.layers.reshape import Reshape as Reshape
from neonport.layers.skip import SkipNode as SkipNode
from neonport.layers.windows import LRN as LRN
from neonport.layers.windows import Convolution as Convolution
from neonport.layers.windows import Convolution_bias as Convolution_bias
from neonport.layers.windows import Deconvolution as Deconvolution
from neonport.layers.windows import Pooling as Pooling
from neonport.layers.windows import RoiPooling as RoiPooling

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
