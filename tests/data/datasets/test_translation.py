"""TextNMT: sentences and translations as minibatches, and files that do not do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from neonport.data.text import TextNMT
from neonport.errors import ConfigurationError, ShapeError

Make = Callable[..., Any]
X = np.arange(44).reshape(11, 4) % 7
Y = np.arange(44).reshape(11, 4) % 5
WORDS = {"s_vocab": list("abcdefg"), "t_vocab": ["v", "w", "x", "y", "z"]}


def write(folder: Path, name: str = "un2000-train.h5", **changes: Any) -> str:
    with h5py.File(folder / name, "w") as file:
        for key, value in {"X": X, "y": Y, **WORDS, **changes}.items():
            if value is not None:
                file[key] = value
    return str(folder)


def test_sentences(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=2)
    data = TextNMT(4, write(tmp_path), split="train")
    assert (data.nbatches, data.ndata, data.nclass, data.shape) == (5, 10, 5, (4, 1))
    assert (data.s_vocab, data.vocab) == (WORDS["s_vocab"], WORDS["t_vocab"])
    assert data.seq_length == 4
    assert data.reverse_target
    for n, (x, t) in enumerate(data):
        rows = [n, 5 + n]  # sample 1 reads on in the second half
        np.testing.assert_array_equal(x.get(), X[rows].T)
        np.testing.assert_array_equal(t.get().argmax(0).reshape(4, 2), Y[rows, ::-1].T)


def test_onehot_and_previous_targets(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=2)
    path = write(tmp_path, "europarl7.h5")
    data = TextNMT(
        4, path, onehot_input=True, get_prev_target=True, dataset="europarl7", subset_pct=60
    )
    assert (data.shape, data.decoder_shape, data.nbatches) == ((7, 4), (5, 4), 3)
    (x, before), t = next(iter(data))
    np.testing.assert_array_equal(x.get().argmax(0).reshape(4, 2), X[[0, 3]].T)
    np.testing.assert_array_equal(before.get()[:, 2:], t.get()[:, :-2])
    assert not before.get()[:, :2].any()
    ids = TextNMT(4, path, get_prev_target=True, dataset="europarl7")
    (_, before), t = next(iter(ids))
    np.testing.assert_array_equal(before.get()[1:].ravel(), t.get().argmax(0)[:-2])


def test_files_that_do_not_do(make_backend: Make, tmp_path: Path) -> None:
    make_backend(batch_size=2)
    with pytest.raises(OSError, match=r"un2000-test\.h5.*prepare it"):
        TextNMT(4, str(tmp_path), split="test")
    (tmp_path / "un2000-bad.h5").write_text("text")
    with pytest.raises(OSError, match="cannot be opened"):
        TextNMT(4, str(tmp_path), split="bad")
    for changes, words in (
        ({"y": None, "t_vocab": None}, "no dataset y, t_vocab"),
        ({"X": X + 1}, "'X' must hold numbers of words, 0 to 6"),
        ({"y": Y / 2}, "'y' must hold numbers of words"),
        ({"X": X[:1], "y": Y[:1]}, "1 sentences do not fill"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            TextNMT(4, write(tmp_path, **changes), split="train")
    for changes in ({"y": Y[:10]}, {"X": X[:, :3]}):
        with pytest.raises(ShapeError, match="time_steps=4"):
            TextNMT(4, write(tmp_path, **changes), split="train")
    for wrong in ({"dataset": "mine"}, {"subset_pct": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            TextNMT(4, str(tmp_path), **wrong)
