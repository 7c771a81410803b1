"""The cpu backend: NumPy arrays, a private BLAS, a NumPy evaluator."""
