"""compiler.codegen."""
