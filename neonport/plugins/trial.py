"""Whether a backend computes: a few statements with known answers."""

from __future__ import annotations

from typing import Any

VALUES = ((1.0, -2.0, 3.0), (0.5, 4.0, -0.25))
"""Numbers whose sums and products are exact in every float type."""


def abilities(be: Any) -> dict[str, Any]:
    """What a backend says of its device, as plain data."""
    device = be.device
    said = device.capabilities
    return {
        "dtypes": [str(name) for name in said.dtypes],
        "compiles": bool(said.runs and device.compiles),
        "runs": bool(said.runs),
        "host_memory": bool(said.host_memory),
        "dlpack_device": [int(number) for number in device.dlpack_device()],
    }


def in_words(found: Any) -> str:
    """Abilities in one line; empty where nothing is known."""
    if not found:
        return ""
    parts = [", ".join(found["dtypes"])]
    parts.append("compiles" if found["compiles"] else "NumPy runs" if found["runs"] else "renders")
    if found["host_memory"]:
        parts.append("host memory")
    parts.append("DLPack {}:{}".format(*found["dlpack_device"]))
    return "; ".join(parts)


def try_statements(be: Any) -> None:
    """Copy in and out, take a view, evaluate an expression, a sum and a matrix product.

    Raises:
        ValueError: an answer is wrong; says which, and what came instead.
    """
    import numpy as np

    if not be.device.capabilities.runs:
        return
    host = np.array(VALUES, np.float32)
    x = be.array(host)
    _compare("a copy to the device and back", x.get(), host)
    _compare("a copy of the view t[:, 1:]", x[:, 1:].get(), host[:, 1:])
    y = be.empty(host.shape)
    y[:] = x * 2 + 1
    _compare("y[:] = x * 2 + 1", y.get(), host * 2 + 1)
    total = be.empty((len(VALUES), 1))
    total[:] = be.sum(x, axis=1)
    _compare("y[:] = be.sum(x, axis=1)", total.get(), host.sum(1, keepdims=True))
    product = be.empty((len(VALUES), len(VALUES)))
    product[:] = be.dot(x, x.T)
    _compare("y[:] = be.dot(x, x.T)", product.get(), host @ host.T)


def _compare(what: str, found: Any, expected: Any) -> None:
    import numpy as np

    shape = getattr(found, "shape", None)
    if shape != expected.shape:
        raise ValueError(f"{what} has shape {shape} instead of {expected.shape}")
    if not np.array_equal(found, expected):
        raise ValueError(f"{what} gave {found.tolist()} instead of {expected.tolist()}")
