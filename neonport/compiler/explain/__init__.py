"""compiler.explain."""
