"""Kernels as work-items in OpenCL C and CUDA C++."""
