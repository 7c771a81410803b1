"""neon's question for the MKL library; here `mkl` is another name of the cpu backend."""

from __future__ import annotations


def get_mkl_lib() -> str:
    """Return the path of the MKL library, which is always the empty (false) string.

    Scripts choose neon's separate MKL backend when this is true. neonport has none: its cpu backend
    uses whichever BLAS NumPy was built with, MKL included.
    """
    return ""
