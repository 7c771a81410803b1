"""The entry point names a number."""

PLUGIN = 42
