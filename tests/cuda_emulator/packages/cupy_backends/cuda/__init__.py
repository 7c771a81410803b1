"""The emulated bindings of CuPy."""
