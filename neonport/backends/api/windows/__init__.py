"""What users call on a backend that looks at windows of images: convolution, pooling, LRN."""
