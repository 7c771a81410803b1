"""Tensors: handles over the memory of a backend."""

from neonport.tensor.tensor import Tensor as Tensor
