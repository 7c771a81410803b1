"""Neon's names for the cpu backend."""

from neonport.backends.cpu.backend import CPUBackend as NervanaCPU
from neonport.tensor import Tensor as CPUTensor

__all__ = ["CPUTensor", "NervanaCPU"]
