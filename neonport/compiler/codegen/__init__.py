"""Kernels as text: C for processors, OpenCL C and CUDA C++ for devices."""
