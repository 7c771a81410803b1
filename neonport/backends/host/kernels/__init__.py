"""Hand-written C for convolution and pooling on the host."""
