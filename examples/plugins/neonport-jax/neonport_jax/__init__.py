"""neonport on JAX: the backend `jax`."""
