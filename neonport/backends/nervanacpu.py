"""Neon's names for the cpu backend."""

from neonport.backends.cpu.device import CPUBackend as NervanaCPU
from neonport.tensor.tensor import Tensor as CPUTensor

__all__ = ["CPUTensor", "NervanaCPU"]
