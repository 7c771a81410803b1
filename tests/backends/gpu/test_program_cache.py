"""What compilers of devices say can be read."""

from __future__ import annotations

import pytest

from neonport.backends.gpu.program_cache import readable


def in_utf8():
    return b"caf\xe9: error".decode("utf-8")  # as PyOpenCL and CuPy decode logs


@pytest.mark.parametrize("ask", [in_utf8, lambda: b"caf\xe9: error", lambda: "caf\ufffd: error"])
def test_a_log_that_is_no_utf8(ask):
    assert readable(ask) == "caf\ufffd: error"
