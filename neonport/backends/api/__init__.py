"""backends.api."""
