"""backends.host."""
