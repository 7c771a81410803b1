"""Devices over array libraries: op-trees evaluated with torch, jax.numpy, CuPy or another one."""
