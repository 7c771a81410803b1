"""Weights by name: as a dict of arrays, as a safetensors file, from PyTorch's state dict."""
