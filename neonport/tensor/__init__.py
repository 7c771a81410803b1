"""tensor."""

from neonport.tensor.tensor import Tensor as Tensor
