"""Ops that look at windows of images: convolution, pooling, local response normalisation."""
