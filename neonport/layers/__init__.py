"""Layers: one family a file; this is the public list. See README.md in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.layers.activation import Activation as Activation
from neonport.layers.attention import MultiHeadAttention as MultiHeadAttention
from neonport.layers.base import Layer as Layer
from neonport.layers.batchnorm import BatchNorm as BatchNorm
from neonport.layers.batchnorm_autodiff import BatchNormAutodiff as BatchNormAutodiff
from neonport.layers.bias import Bias as Bias
from neonport.layers.binary import BinaryLinear as BinaryLinear
from neonport.layers.binary import ShiftBatchNorm as ShiftBatchNorm
from neonport.layers.branch import BranchNode as BranchNode
from neonport.layers.compound import Affine as Affine
from neonport.layers.compound import BinaryAffine as BinaryAffine
from neonport.layers.compound import Conv as Conv
from neonport.layers.compound import Deconv as Deconv
from neonport.layers.containers.adversarial import (
    GenerativeAdversarial as GenerativeAdversarial,
)
from neonport.layers.containers.merge_broadcast import MergeBroadcast as MergeBroadcast
from neonport.layers.containers.merge_broadcast import MergeMultistream as MergeMultistream
from neonport.layers.containers.merge_sum import MergeSum as MergeSum
from neonport.layers.containers.merge_sum import Residual as Residual
from neonport.layers.containers.multicost import Multicost as Multicost
from neonport.layers.containers.seq2seq import Seq2Seq as Seq2Seq
from neonport.layers.containers.skip_thought import SkipThought as SkipThought
from neonport.layers.containers.tree import SingleOutputTree as SingleOutputTree
from neonport.layers.containers.tree import Tree as Tree
from neonport.layers.cost import GeneralizedCost as GeneralizedCost
from neonport.layers.cost import GeneralizedCostMask as GeneralizedCostMask
from neonport.layers.cost import GeneralizedGANCost as GeneralizedGANCost
from neonport.layers.cost import SampleWeightedCost as SampleWeightedCost
from neonport.layers.data_transform import DataTransform as DataTransform
from neonport.layers.dropout import Dropout as Dropout
from neonport.layers.gaussian_noise import GaussianNoise as GaussianNoise
from neonport.layers.layernorm import LayerNorm as LayerNorm
from neonport.layers.linear import Linear as Linear
from neonport.layers.lookup import Embedding as Embedding
from neonport.layers.lookup import LookupTable as LookupTable
from neonport.layers.optree_layer import OpTreeLayer as OpTreeLayer
from neonport.layers.parameter import ParameterLayer as ParameterLayer
from neonport.layers.positional import PositionalEncoding as PositionalEncoding
from neonport.layers.rearranging import Slice as Slice
from neonport.layers.rearranging import Transpose as Transpose
from neonport.layers.recurrent import GRU as GRU
from neonport.layers.recurrent import LSTM as LSTM
from neonport.layers.recurrent import BiBNRNN as BiBNRNN
from neonport.layers.recurrent import BiLSTM as BiLSTM
from neonport.layers.recurrent import BiRNN as BiRNN
from neonport.layers.recurrent import DeepBiLSTM as DeepBiLSTM
from neonport.layers.recurrent import DeepBiRNN as DeepBiRNN
from neonport.layers.recurrent import Recurrent as Recurrent
from neonport.layers.recurrent import RecurrentLast as RecurrentLast
from neonport.layers.recurrent import RecurrentMean as RecurrentMean
from neonport.layers.recurrent import RecurrentSum as RecurrentSum
from neonport.layers.reshape import Reshape as Reshape
from neonport.layers.sequential import Sequential as Sequential
from neonport.layers.skip import SkipNode as SkipNode
from neonport.layers.windows import LRN as LRN
from neonport.layers.windows import Convolution as Convolution
from neonport.layers.windows import Deconvolution as Deconvolution
from neonport.layers.windows import LocallyConnected as LocallyConnected
from neonport.layers.windows import Pooling as Pooling
from neonport.layers.windows import RoiPooling as RoiPooling
from neonport.layers.windows import Upsample as Upsample

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__, kind="layer")
