"""Fused kernels on the host: compiled, loaded, run by threads."""
