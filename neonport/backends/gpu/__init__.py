"""What backends that run work-items have in common: kernels bound to launches, products."""
