"""Each cell of the table in docs/how-to/exchange-arrays.md, tried: memory meets a consumer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from neonport.errors import DLPackError

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "exchange-arrays.md"
HEAD = "| memory of |"
CONSUMERS = {
    "`np.from_dlpack(t)`": lambda w, t: np.from_dlpack(t),
    '`np.from_dlpack(t, device="cpu")`': lambda w, t: np.from_dlpack(t, device="cpu"),
    "`np.asarray(t)`": lambda w, t: np.asarray(t),
    "`torch.from_dlpack(t)`": lambda w, t: _torch().from_dlpack(t),
    "`torch.from_dlpack(t.host())`": lambda w, t: _torch().from_dlpack(t.host()),
    "`jax.dlpack.from_dlpack(t.host())`": lambda w, t: _jax().from_dlpack(t.host()),
    "`be.from_dlpack(t)`, its own": lambda w, t: t.backend.from_dlpack(t),
    "... another one of its kind": lambda w, t: w.twin(t).from_dlpack(t),
    "... a `cpu` one": lambda w, t: w("cpu").from_dlpack(t),
    "... any, `copy=True`": lambda w, t: w("cpu").from_dlpack(t, copy=True),
}


def _torch():
    import torch

    return torch


def _jax():
    import jax.dlpack

    return jax.dlpack


def table():
    """{memory: {consumer: outcome}} of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(HEAD))
    head, _, *rows = lines[start:]
    names = [cell.strip() for cell in head.strip("|").split("|")][1:]
    found = {}
    for line in rows:
        if not line.startswith("|"):
            break
        memory, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[memory] = dict(zip(names, cells, strict=True))
    return found


TABLE = table()


def test_the_table_is_complete():
    assert list(TABLE) == ["cpu", "opencl, shared", "opencl, device memory"]
    assert all(list(row) == list(CONSUMERS) for row in TABLE.values())
    assert {c for row in TABLE.values() for c in row.values()} == {"shares", "copies", "refuses"}


class World:
    def __init__(self, make, memory):
        self.make, self.memory = make, memory

    def __call__(self, memory):
        return self.make(memory)

    def twin(self, tensor):
        return self.make(self.memory)


def _values(array):
    """What is in an array of any library now."""
    how = next((m for m in ("get", "numpy") if hasattr(array, m)), None)
    return np.array(getattr(array, how)() if how else array)


def _outcome(consumer, world, t, before):
    try:
        got = consumer(world, t)
    except (BufferError, RuntimeError, TypeError) as error:
        words = str(error)
        if isinstance(error, DLPackError):
            assert re.search(r"copy|host", words), words  # the way out
        return "refuses"
    assert np.array_equal(_values(got), before)
    t[:] = -t
    t.backend.synchronize()
    after = _values(got)
    if np.array_equal(after, -before):
        return "shares"
    assert np.array_equal(after, before)
    return "copies"


def _consumer(name):
    """A column; those of the large libraries have an environment of their own."""
    return pytest.param(name, marks=[pytest.mark.interop] if name[:4] in ("`tor", "`jax") else [])


@pytest.mark.parametrize("consumer", [_consumer(name) for name in CONSUMERS])
@pytest.mark.parametrize(
    "memory",
    [pytest.param(m, marks=[pytest.mark.opencl] if "opencl" in m else []) for m in TABLE],
)
def test_cell(with_memory, memory, consumer):
    be = with_memory(memory)
    before = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    t = be.array(before)
    found = _outcome(CONSUMERS[consumer], World(with_memory, memory), t, before)
    assert found == TABLE[memory][consumer]
