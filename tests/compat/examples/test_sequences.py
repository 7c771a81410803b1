"""Scripts on sequences, as people wrote them for neon: each learns what its small files hold."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.compat.examples.conftest import (
    Run,
    write_articles,
    write_captions,
    write_play,
    write_reviews,
    write_stories,
)


def costs_of(path: str) -> np.ndarray:
    """The training cost of each minibatch of a run, smoothed as the run does."""
    with h5py.File(path) as file:
        return np.asarray(file["cost/train"])


def test_letters(folder: Path, run: Run) -> None:
    write_articles(folder)
    names = run("sequences/char_rnn.py", 6, "-o", "out.h5", "-eval", "1")
    assert names["train_set"].shape == (len(names["train_set"].vocab), 8)
    costs = costs_of("out.h5")
    assert costs[-1] < 0.6 * costs[0]
    with h5py.File("out.h5") as file:
        assert file["cost/loss"][-1] < 0.7 * file["cost/loss"][0]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_words(folder: Path, run: Run, kind: str) -> None:
    write_articles(folder)
    names = run("sequences/word_lstm.py", 8, "--rlayer_type", kind)
    words = len(names["train_set"].vocab)
    assert names["train_set"].shape == (6, 1)
    assert names["perplexity"](names["model"].total_cost[0, 0]) < 0.7 * words


def test_text_is_written(folder: Path, run: Run) -> None:
    write_play(folder)
    names = run("sequences/text_generation.py", 30)
    assert (folder / "text_generation_lstm.pickle").exists()
    assert len(names["generated"]) == 64
    bits = names["model"].total_cost.item() / 16
    assert bits < 0.4 * np.log2(len(names["train_set"].vocab))
    known = set((folder / "shakespeare_input.txt").read_text().split())
    found = names["generated"].split()[1:-1]
    assert sum(word in known for word in found) > len(found) / 3


@pytest.mark.parametrize("kind", ["lstm", "bilstm", "rnn", "birnn"])
def test_reviews(folder: Path, run: Run, kind: str) -> None:
    write_reviews(folder)
    names = run("sequences/sentiment.py", 6, "--rlayer_type", kind)
    assert names["steps"] == (128, 12)
    assert float(names["accuracy"]) > 0.8


def test_bits_are_repeated(folder: Path, run: Run) -> None:
    with pytest.warns(UserWarning, match=r"use Logistic\(shortcut=True\)"):  # as people wrote it
        names = run("sequences/copy_task.py", 2, "-o", "out.h5")
    assert names["train_set"].nbatches == 100
    costs = costs_of("out.h5")
    assert costs[-20:].mean() < 0.8 * costs[:20].mean()


def test_questions(folder: Path, run: Run) -> None:
    write_stories(folder)
    names = run("sequences/questions.py", 12)
    assert names["babi"].vocab_size == len(names["babi"].vocab) + 2
    assert float(names["accuracy"]) > 0.6  # a guess among three places is right in a third


def test_captions(folder: Path, run: Run) -> None:
    write_captions(folder)
    names = run("sequences/captions.py", 40)
    assert names["score"] > 50
    assert names["sents"][0].startswith("a ")
    assert names["targets"][1][0] == "a cat on the water"


def test_reversed_letters(folder: Path, run: Run) -> None:
    write_articles(folder)
    names = run("sequences/reverse.py", 10, "-o", "out.h5")
    costs = costs_of("out.h5")
    assert costs[-1] < 0.6 * costs[0]
    letters = len(names["train_set"].vocab)
    assert names["output"].shape[1:] == (4, letters)
    assert names["beam"].shape == (*names["output"].shape[:2], 1)
    assert float(names["error_rate"]) < 0.7
