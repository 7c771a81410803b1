"""The backends that come with neonport, announced through the same hook as everyone else's."""

from __future__ import annotations

from neonport.plugins.hookspecs import BackendInfo, hookimpl

BUILTIN = (
    BackendInfo(
        "cpu",
        "neonport.backends.cpu.device:CPUBackend",
        protocol=(1, 0),
        priority=100,
        summary="NumPy arrays, fused kernels compiled for this machine",
    ),
    BackendInfo(
        "cuda",
        "neonport.backends.cuda.device:CUDABackend",
        protocol=(1, 0),
        priority=80,
        summary="NVIDIA GPUs through CuPy: fused kernels by NVRTC, products by cuBLAS",
        probe="neonport.backends.cuda.discovery:probe",
    ),
    BackendInfo(
        "opencl",
        "neonport.backends.opencl.device:OpenCLBackend",
        protocol=(1, 0),
        priority=50,
        summary="GPUs and processors through PyOpenCL, fused kernels in OpenCL C",
        probe="neonport.backends.opencl.discovery:probe",
    ),
    BackendInfo(
        "null",
        "neonport.backends.null.device:NullBackend",
        protocol=(1, 0),
        priority=-100,
        summary="renders kernels in every language, runs nothing",
    ),
)


@hookimpl
def register_backends() -> tuple[BackendInfo, ...]:
    """Return the built-in backends."""
    return BUILTIN
