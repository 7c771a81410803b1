"""compiler.codegen.gpu."""
