"""Layers that slide windows over images: convolution, its transpose, pooling, normalisation."""

from __future__ import annotations

from neonport.layers.windows.convolution import Convolution as Convolution
from neonport.layers.windows.convolution import Convolution_bias as Convolution_bias
from neonport.layers.windows.deconvolution import Deconvolution as Deconvolution
from neonport.layers.windows.locally_connected import LocallyConnected as LocallyConnected
from neonport.layers.windows.lrn import LRN as LRN
from neonport.layers.windows.pooling import Pooling as Pooling
from neonport.layers.windows.roi_pooling import RoiPooling as RoiPooling
from neonport.layers.windows.upsample import Upsample as Upsample
