"""Dataset: where files are looked for, what is said without a network; the texts."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neonport.data import (
    BABI,
    CIFAR10,
    IMDB,
    MNIST,
    PTB,
    SICK,
    Coco,
    Dataset,
    Flickr8k,
    Flickr30k,
    HutterPrize,
    Shakespeare,
)
from neonport.errors import CheckpointError, ConfigurationError
from neonport.io import downloads
from neonport.io.downloads import MissingData

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", refuse)
    monkeypatch.delenv("NEON_DATA_CACHE_DIR", raising=False)


def test_without_a_network_it_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)no network.*shakespeare_input.txt' \(4573"):
        Shakespeare(5, path=str(tmp_path)).load_data()
    with pytest.raises(OSError, match="no network"):
        HutterPrize(path=str(tmp_path)).load_data()


@pytest.mark.parametrize(
    ("make", "name", "size"),
    [
        (MNIST, "mnist.pkl.gz", 15296311),
        (CIFAR10, "cifar-10-python.tar.gz", 170498071),
        (lambda path: Shakespeare(5, path), "shakespeare_input.txt", 4573338),
        (lambda path: PTB(5, path), "ptb.train.txt", 5101618),
        (HutterPrize, "enwik8.zip", 35012219),
        (lambda path: IMDB(20, 5, path), "imdb.pkl", 33213513),
        (SICK, "sick_train.zip", 87341),
        (Flickr8k, "flickr8k.zip", 49165563),
        (Flickr30k, "flickr30k.zip", 0),
        (Coco, "coco.zip", 738051031),
        (BABI, "tasks_1-20_v1-2.tar.gz", 11745123),
    ],
)
def test_every_data_set_says_which_file_to_put_where(
    make_backend: Make, tmp_path: Path, make: Any, name: str, size: int
) -> None:
    make_backend(batch_size=2)
    words = re.escape(str(tmp_path / name)) + (rf"' \({size} bytes" if size else "'$")
    with pytest.raises(MissingData, match=words):
        make(path=str(tmp_path)).load_data()
    assert not (tmp_path / name).exists()


GARBAGE = [b"", b"text", b"\x80\x02]q\x00.", gzip.compress(b"\x80\x02}q\x00.", mtime=0)]


@pytest.mark.parametrize("content", GARBAGE, ids=["empty", "text", "pickle", "gzip"])
@pytest.mark.parametrize(
    ("load", "name"),
    [
        (lambda path: MNIST(path).load_data(), "mnist.pkl.gz"),
        (lambda path: CIFAR10(path).load_data(), "cifar-10-python.tar.gz"),
        (lambda path: HutterPrize(path).load_data(), "enwik8.zip"),
        (lambda path: IMDB(20, 5, path).gen_iterators(), "imdb.pkl"),
        (lambda path: SICK(path).load_data(), "sick_train.zip"),
        (lambda path: Flickr8k(path).gen_iterators(), "flickr8k/features.pkl.gz"),
        (lambda path: BABI(path), "tasks_1-20_v1-2.tar.gz"),
    ],
)
def test_files_of_something_else_are_refused_by_name(
    make_backend: Make, tmp_path: Path, load: Any, name: str, content: bytes
) -> None:
    make_backend(batch_size=2)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises((ConfigurationError, CheckpointError), match=re.escape(name)):
        load(str(tmp_path))


def test_a_known_checksum_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(downloads, "download", lambda *arguments: asked.append(arguments))

    class Mine(Dataset):
        CHECKSUMS = {"a.txt": "sha256:00"}  # noqa: RUF012

    data = Mine("a.txt", "https://example.org", 1, path=str(tmp_path))
    data.load_zip("a.txt", 1)
    data.load_zip("b.txt", 2)
    assert [(size, checksum) for _, _, size, checksum in asked] == [(1, "sha256:00"), (2, None)]


def test_the_cache_folder_comes_after_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, cache = tmp_path / "own", tmp_path / "cache"
    monkeypatch.setenv("NEON_DATA_CACHE_DIR", str(cache))
    data = Dataset("a.txt", "https://example.org", 1, path=str(own))
    with pytest.raises(OSError, match="cache"):
        data.load_zip("a.txt", 1)
    (cache / "a.txt").write_text("a")
    assert data.load_zip("a.txt", 1) == str(cache / "a.txt")
    (own / "a.txt").write_text("a")
    assert data.load_zip("a.txt", 1) == str(own / "a.txt")
    assert data.serialize()["config"]["filename"] == "a.txt"


def test_archives_are_unpacked_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "enwik8.zip", "w") as package:
        package.writestr("enwik8", "text")
    data = HutterPrize(path=str(tmp_path))
    assert Path(data.load_data()).read_text() == "text"
    (tmp_path / "enwik8.zip").unlink()
    assert Path(data.load_data()).read_text() == "text"


def test_shakespeare(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=2)
    (tmp_path / "shakespeare_input.txt").write_text("to be, or not. " * 10)
    data = Shakespeare(4, path=str(tmp_path))
    assert data.train_iter.nbatches == 135 // 8
    assert data.valid_iter.nbatches == 1
    assert data.train_iter is data.get_iterator("train")
    with pytest.raises(ConfigurationError, match="no data 'test'; it has train, valid"):
        _ = data.test_iter


def test_ptb(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=2)
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text(" no it was \n was it \n" * 4)
    data = PTB(3, path=str(tmp_path), tokenizer="newline_tokenizer", get_prev_target=True)
    assert data.train_iter.vocab == ["<eos>", "it", "no", "was"]
    assert data.train_iter.get_prev_target
    assert not data.test_iter.get_prev_target
    assert PTB(3, path=str(tmp_path)).valid_iter.nclass == len(set(" no it was \n"))
    with pytest.raises(ConfigurationError, match="newline_tokenizer"):
        PTB(3, path=str(tmp_path), tokenizer="other")


def test_parts_of_data_that_have_none() -> None:
    with pytest.raises(NotImplementedError, match="subset_pct=50"):
        Dataset("a", "https://example.org", 1, subset_pct=50)
