"""backends.host.kernels."""
