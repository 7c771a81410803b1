"""Minibatches of what people have: frames, files larger than memory, loaders of others."""
