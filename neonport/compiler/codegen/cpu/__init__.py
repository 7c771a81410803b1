"""compiler.codegen.cpu."""
