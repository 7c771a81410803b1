"""backends.host.jit."""
