"""Indexer and convert_manifest: what is written, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from neonport.data.aeon_shim.manifest import read_manifest
from neonport.data.convert_manifest import convert_manifest
from neonport.data.indexer import Indexer
from neonport.errors import ConfigurationError


def test_an_index_of_folders(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a/x,y.jpg", "a/notes.txt", "a/deep/3.jpg", "loose.jpg"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("")
    index = tmp_path / "index.csv"
    Indexer(str(tmp_path / "data"), str(index), "*.jpg").run()
    assert index.read_text().splitlines() == [
        "filename,label1", '"a/x,y.jpg",0', "b/1.jpg,1", "b/2.jpg,1",
    ]  # fmt: skip
    index.write_text("mine")
    Indexer(str(tmp_path / "none"), str(index)).run()
    assert index.read_text() == "mine"
    for folder, words in ((tmp_path / "none", "no folder"), (tmp_path / "data" / "b", "hold no")):
        with pytest.raises(ConfigurationError, match=words):
            Indexer(str(folder), str(tmp_path / "other.csv")).run()
    assert not (tmp_path / "other.csv").exists()


def test_a_manifest_with_commas(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.tsv"
    old.write_text('# comment\na.jpg, 1.txt\n\n"b,c.jpg",2.txt\n')
    convert_manifest(str(old), str(new))
    assert new.read_text() == "@FILE\tFILE\na.jpg\t1.txt\nb,c.jpg\t2.txt\n"
    assert read_manifest(str(new), root="/data").rows[1] == ("/data/b,c.jpg", "/data/2.txt")
    for text, words in (("a,b\nc\n", "record 2"), ("a\tb,c\n", "no tabs"), ("", "no records")):
        old.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            convert_manifest(str(old), str(tmp_path / "other.tsv"))
    assert not (tmp_path / "other.tsv").exists()
