"""Neon's module path of the containers; each lives in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.layers.containers.adversarial import (
    GenerativeAdversarial as GenerativeAdversarial,
)
from neonport.layers.containers.broadcast import Broadcast as Broadcast
from neonport.layers.containers.encoder_decoder import Decoder as Decoder
from neonport.layers.containers.encoder_decoder import Encoder as Encoder
from neonport.layers.containers.merge_broadcast import MergeBroadcast as MergeBroadcast
from neonport.layers.containers.merge_broadcast import MergeMultistream as MergeMultistream
from neonport.layers.containers.merge_sum import MergeSum as MergeSum
from neonport.layers.containers.merge_sum import Residual as Residual
from neonport.layers.containers.multicost import Multicost as Multicost
from neonport.layers.containers.seq2seq import Seq2Seq as Seq2Seq
from neonport.layers.containers.skip_thought import SkipThought as SkipThought
from neonport.layers.containers.tree import SingleOutputTree as SingleOutputTree
from neonport.layers.containers.tree import Tree as Tree
from neonport.layers.deltas import DeltasTree as DeltasTree
from neonport.layers.layer_container import LayerContainer as LayerContainer
from neonport.layers.sequential import Sequential as Sequential

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
