"""A device for each backend under test, kept for all tests of the folder; comparing with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.array_api.core.devices import backend_of
from neonport.errors import BackendUnavailable
from neonport.plugins import registry

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")


@pytest.fixture
def device(backend_name: str) -> Any:
    """The device under test; made once, until a test cleans up."""
    try:
        found = xp.Device(backend_of(backend_name))
    except BackendUnavailable as error:
        if registry.probe(backend_name).state in ("no-device", "not-installed"):
            pytest.skip(str(error))
        raise
    return found


@pytest.fixture
def put(device: Any) -> Any:
    """`put(values, dtype)`: an array on the device, and NumPy's."""

    def make(values: Any, dtype: Any = None) -> tuple[Any, np.ndarray]:
        theirs = np.asarray(values, dtype=dtype)
        return xp.asarray(theirs, device=device, copy=True), theirs

    return make


def same(ours: Any, theirs: Any, ulps: float = 0, absolute: float = 0.0) -> None:
    """Shape and dtype are equal, integers too, floats within so many units of eps."""
    theirs = np.asarray(theirs)
    assert isinstance(ours, xp.Array)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    values = ours.host()
    if theirs.dtype.kind != "f" or not ulps:
        np.testing.assert_array_equal(values, theirs)
        return
    eps = float(np.finfo(theirs.dtype).eps)
    np.testing.assert_allclose(values, theirs, rtol=ulps * eps, atol=absolute * eps)
