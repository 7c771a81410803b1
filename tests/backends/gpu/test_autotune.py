"""Tiles are measured once for a device and kept on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neonport.backends.gpu import autotune as tuning
from neonport.backends.gpu import matmul as tiles


@pytest.fixture
def measured(dev, monkeypatch, tmp_path):
    """A backend without known tiles, and the kinds that are measured: the second tile wins."""
    monkeypatch.setenv("NEONPORT_TUNE", "1")
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path / "cache"))
    dev.device.traits = replace(dev.device.traits, units=512)
    kinds = []

    def fastest(be, dtype, kind):
        kinds.append((np.dtype(dtype).name, kind))
        return 1

    monkeypatch.setattr(tuning, "fastest", fastest)
    return dev, kinds


def test_the_fastest_tile_is_found_again(measured):
    be, kinds = measured
    chosen = tiles.KINDS["small"][0][1]
    assert be.device.tile_for(np.dtype(np.float32), 250, 250, 250) == chosen
    be.device.tiles.clear()
    assert be.device.tile_for(np.dtype(np.float32), 200, 300, 250) == chosen
    be.device.tile_for(np.dtype(np.float32), 8, 5000, 250)
    assert kinds == [("float32", "small"), ("float32", "rows")]


def test_another_device_and_another_dtype_are_measured_again(measured):
    be, kinds = measured
    be.device.tile_for(np.dtype(np.float32), 250, 250, 250)
    be.device.tiles.clear()
    be.device.identity += " of another make"
    be.device.tile_for(np.dtype(np.float32), 250, 250, 250)
    be.device.tile_for(np.dtype(np.float16), 250, 250, 250)
    assert len(kinds) == 3


def test_small_products_and_users_who_say_so_measure_nothing(measured, monkeypatch):
    be, kinds = measured
    assert be.device.tile_for(np.dtype(np.float32), 64, 64, 64) == tiles.KINDS["small"][0][0]
    monkeypatch.setenv("NEONPORT_TUNE", "0")
    assert be.device.tile_for(np.dtype(np.float32), 500, 500, 500) == tiles.KINDS["small"][0][0]
    assert not kinds


def test_a_damaged_entry_is_measured_again(measured, tmp_path):
    be, kinds = measured
    be.device.tile_for(np.dtype(np.float32), 250, 250, 250)
    (entry,) = (tmp_path / "cache" / "tuned").iterdir()
    entry.write_bytes(b"9")
    be.device.tiles.clear()
    be.device.tile_for(np.dtype(np.float32), 250, 250, 250)
    assert len(kinds) == 2


def test_measuring_stops_when_its_time_is_over(dev, monkeypatch):
    seen = []
    seconds = iter([0.5, 0.2, 0.1, 0.05, 0.01])
    monkeypatch.setattr(tuning, "bind_product", lambda *args: seen.append(args[-1]))
    monkeypatch.setattr(tuning, "seconds_of", lambda be, call: next(seconds))
    monkeypatch.setattr(tuning, "BUDGET", 10.0)
    assert tuning.fastest(dev.device, np.dtype(np.float32), "small") == 2
    monkeypatch.setattr(tuning, "BUDGET", 0.0)
    assert tuning.fastest(dev.device, np.dtype(np.float32), "small") == 0
    assert len(seen) == 4


def test_measuring_runs_products(dev, monkeypatch):
    monkeypatch.setitem(tiles.KINDS, "small", (tiles.KINDS["small"][0], (64, 64, 64)))
    assert tuning.fastest(dev.device, np.dtype(np.float32), "small") in range(3)
