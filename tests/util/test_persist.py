"""neon's folders and files of objects."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.layers import Linear
from neonport.util import compat, persist


def test_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("NEON_CACHE_DIR", str(tmp_path / "cache"))
    assert persist.get_cache_dir() == str(tmp_path / "cache")
    assert persist.get_cache_dir(["kernels", "cpu"]) == str(tmp_path / "cache" / "kernels" / "cpu")
    assert (tmp_path / "cache" / "kernels" / "cpu").is_dir()
    monkeypatch.delenv("NEON_DATA_CACHE_DIR", raising=False)
    assert persist.get_data_cache_dir(str(tmp_path / "data"), "x") == str(tmp_path / "data" / "x")
    assert persist.get_data_cache_or_nothing("x/") == ""
    monkeypatch.setenv("NEON_DATA_CACHE_DIR", str(tmp_path / "other"))
    assert persist.get_data_cache_dir(str(tmp_path / "data")) == str(tmp_path / "other")
    assert persist.get_data_cache_or_nothing("x/") == str(tmp_path / "other" / "x") + os.sep
    assert (tmp_path / "other" / "x").is_dir()


def test_objects(tmp_path, monkeypatch):
    value = {"words": ["a", "b"], "rows": np.arange(3), 1: (2, None)}
    monkeypatch.setenv("PLACE", str(tmp_path))
    persist.save_obj(value, "$PLACE/new/words.pkl")
    np.testing.assert_equal(persist.load_obj("$PLACE/new/words.pkl"), value)
    path = tmp_path / "new" / "words.pkl"
    assert path.read_bytes()[:2] == b"\x80\x02"
    (tmp_path / "words.pkl.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_equal(persist.load_obj(tmp_path / "words.pkl.gz"), value)
    with path.open("rb") as file:
        np.testing.assert_equal(persist.load_obj(file), value)
    with path.open("rb") as file:
        np.testing.assert_equal(compat.pickle_load(file), value)
    for nothing in (None, ""):
        persist.save_obj(value, nothing)


def test_what_is_no_plain_data_is_neither_written_nor_read(tmp_path):
    path = tmp_path / "m.pkl"
    persist.save_obj([1], str(path))
    before = path.read_bytes()
    for value in (lambda: 0, {"path": tmp_path}, np.array([None])):
        with pytest.raises(ConfigurationError, match="no plain data"):
            persist.save_obj(value, str(path))
    assert path.read_bytes() == before
    path.write_bytes(b"\x80\x02cos\ngetcwd\n)R.")
    with pytest.raises(CheckpointError, match="no plain data"):
        persist.load_obj(path)
    (tmp_path / "none").write_bytes(b"text")
    with (tmp_path / "none").open("rb") as file, pytest.raises(CheckpointError, match="no pickle"):
        persist.load_obj(file)


def test_classes():
    for name in ("Linear", "neon.layers.layer.Linear", "neonport.layers.Linear"):
        assert persist.load_class(name) is Linear
    assert persist.load_class("GradientDescentMomentum").__name__ == "GradientDescentMomentum"
    for name in ("Nothing", "os.system", "system", "neon.layers.layer.os", 3):
        with pytest.raises(ConfigurationError):
            persist.load_class(name)
