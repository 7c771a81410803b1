"""neonport on PyTorch: the backend `torch`."""
