"""Neon's names for the GPU backend, whose hardware code is gone: `isinstance` goes on to work.

`gen_backend("gpu")` makes a `cuda` backend; `gen_backend("opencl")` runs on other makers' GPUs.
"""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.tensor.tensor import Tensor as GPUTensor

__all__ = ["GPUTensor", "NervanaGPU"]


class _OnGpus(type):
    """Says of an instance whether its device is a GPU's backend."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return getattr(instance, "backend_name", None) in ("cuda", "gpu")


class NervanaGPU(metaclass=_OnGpus):
    """Stands for neon's class in `isinstance(be, NervanaGPU)`; it makes nothing.

    Raises:
        ConfigurationError: whoever calls it is told what to use.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ConfigurationError(
            'neon\'s NervanaGPU is gone with its kernels; gen_backend("cuda") runs on GPUs of '
            'NVIDIA\'s, gen_backend("opencl") on others'
        )
