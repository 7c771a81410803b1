"""Matrix products by our own C, where registers hold 64 bytes and a BLAS takes longer."""
