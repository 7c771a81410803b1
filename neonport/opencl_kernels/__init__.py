"""Device text: preludes for each language, functions of rendered kernels, hand-written kernels."""
