"""backends.host.blas."""
