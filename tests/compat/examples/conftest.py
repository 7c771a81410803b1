"""Small files in the formats that neon's data sets have, and a way to run a script on them."""

from __future__ import annotations

import gzip
import logging
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.backends import cleanup_backend
from neonport.compat import run_script
from neonport.log import logger
from tests.fixtures.old_pickles import python2

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "neon_scripts"
Run = Callable[..., dict[str, Any]]


def kinds(rng: np.random.RandomState, count: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Pictures of ten kinds, each with something of its own and noise over it."""
    labels = np.arange(count) % 10
    pictures = 200 * rng.rand(10, *shape)[labels] ** 2 + 50 * rng.rand(count, *shape)
    return pictures.astype(np.uint8), labels


def write_digits(folder: Path) -> None:
    train, valid = (kinds(np.random.RandomState(0), n, (28, 28)) for n in (160, 64))
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(python2((train, valid)), 1))


def write_photographs(folder: Path) -> None:
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz", compresslevel=1) as package:
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            data, labels = kinds(np.random.RandomState(0), 32, (3072,))
            entry = {"data": data, "labels": labels.tolist(), "batch_label": name}
            (folder / "batch").write_bytes(python2(entry))
            package.add(folder / "batch", f"cifar-10-batches-py/{name}")
    (folder / "batch").unlink()


def write_articles(folder: Path) -> None:
    for part, times in (("train", 24), ("test", 12), ("valid", 12)):
        text = " no it was n't black monday \n but it was <unk> N enough \n" * times
        (folder / f"ptb.{part}.txt").write_text(text)


def write_play(folder: Path) -> None:
    text = "First Citizen:\nBefore we proceed any further, hear me speak. the the the\n\n" * 70
    (folder / "shakespeare_input.txt").write_text(text)


def write_reviews(folder: Path) -> None:
    rng = np.random.RandomState(0)
    liked = rng.randint(0, 2, 160)
    # words 20 to 29 are kind ones, 10 to 19 are not
    texts = [
        [int(i) for i in rng.randint(10, 20, rng.randint(4, 20)) + 10 * kind] for kind in liked
    ]
    (folder / "imdb.pkl").write_bytes(python2((texts, [int(kind) for kind in liked])))


def write_stories(folder: Path) -> None:
    rng, places = np.random.RandomState(0), ["garden", "kitchen", "office"]
    inside = folder / "tasks_1-20_v1-2" / "en"
    inside.mkdir(parents=True)
    for part, count in (("train", 96), ("test", 32)):
        lines = []
        for _ in range(count):
            here, there = (places[i] for i in rng.permutation(3)[:2])
            lines += [f"1 Mary moved to the {here}.", f"2 John went to the {there}."]
            lines += [f"3 Where is John? \t{there}\t2"]
        path = inside / f"qa1_single-supporting-fact_{part}.txt"
        path.write_text("\n".join(lines) + "\n")
    with tarfile.open(folder / "tasks_1-20_v1-2.tar.gz", "w:gz") as package:
        package.add(inside.parent, inside.parent.name)
    for path in inside.iterdir():
        path.unlink()
    inside.rmdir()
    inside.parent.rmdir()


def write_captions(folder: Path) -> None:
    rng, nouns = np.random.RandomState(0), ["dog", "cat", "boat"]
    images = []
    for i in range(18):
        words = ["a", nouns[i % 3], "on", "the", "water"]
        images.append({"imgid": i, "sentences": [{"tokens": words}] * 2})
    features = 0.1 * rng.rand(40, 18)
    features[np.arange(18) % 3, np.arange(18)] += 3
    value = {"sents": {"train": images[:12], "test": images[12:]}, "feats": features}
    (folder / "flickr8k").mkdir()
    (folder / "flickr8k" / "features.pkl.gz").write_bytes(gzip.compress(python2(value), 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the working directory and the home; the loggers are as before afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NEON_DATA_CACHE_DIR", raising=False)
    before = logger.level, logger.propagate, list(logger.handlers)
    yield tmp_path
    cleanup_backend()
    for handler in set(logger.handlers) - set(before[2]):
        handler.close()
    logger.level, logger.propagate, logger.handlers[:] = before
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture
def run(folder: Path) -> Run:
    """`run("images/gan.py", epochs, *more)`: run a script; gives its names."""

    def run(name: str, epochs: int, *more: str) -> dict[str, Any]:
        given = ["-b", "cpu", "-e", str(epochs), "-r", "1", "-w", str(folder)]
        return run_script(SCRIPTS / name, [*given, "--no_progress_bar", *more])

    return run
