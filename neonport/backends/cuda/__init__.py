"""CUDA through CuPy: its memory pool, streams and graphs; NVRTC; cuBLAS."""
