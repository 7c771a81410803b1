"""Kernels as loops in C, which a compiler vectorises."""
