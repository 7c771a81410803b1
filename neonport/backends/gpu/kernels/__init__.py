"""Hand-written kernels of devices, one family a file: which text, which arguments, which launch."""
