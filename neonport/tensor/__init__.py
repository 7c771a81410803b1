"""Tensors: handles over the memory of a backend."""

from neonport.tensor import in_place as in_place
from neonport.tensor.tensor import Tensor as Tensor
