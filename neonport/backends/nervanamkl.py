"""Neon's name for the MKL backend: the cpu backend, which uses what BLAS it finds."""

from neonport.backends.cpu.device import CPUBackend as NervanaMKL
from neonport.tensor.tensor import Tensor as MKLTensor

__all__ = ["MKLTensor", "NervanaMKL"]
