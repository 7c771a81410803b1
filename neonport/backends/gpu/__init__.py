"""Shared by backends that run work-items: kernels bound to launches, matrix products."""
