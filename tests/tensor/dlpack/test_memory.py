"""Exports leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest


class Handle:
    """A tensor as another library's array."""

    __dlpack_data__ = "cl_mem"

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **kwargs):
        return self.tensor.__dlpack__(**kwargs)


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc/self/statm")
@pytest.mark.parametrize("version", [None, (1, 0)], ids=["legacy", "versioned"])
def test_a_hundred_thousand_exports_leave_memory_flat(memory, version):
    t = memory.ones((64, 64))
    home = memory.dlpack_device()

    def export(count):
        for _ in range(count):
            t.__dlpack__(max_version=version, dl_device=home)
            if home != (1, 0):
                memory.dlpack_adopt(Handle(t))
            else:
                np.from_dlpack(t)

    export(2000)
    before = _resident()
    export(50_000)  # two exports each
    assert _resident() - before < 4 << 20
