"""Sentences as arrays, and the reviews that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.data import IMDB
from neonport.data.text_preprocessing import (
    clean_string,
    get_google_word2vec_W,
    get_paddedXY,
    pad_data,
    pad_sentences,
)
from neonport.errors import CheckpointError, ConfigurationError
from tests.fixtures.old_pickles import python2


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("We've (almost) won!", "we 've ( almost ) won !"),
        ("  Don't\n ask;  he'll, I'd: they're ", "do n't ask he 'll , i 'd they 're"),
        ("", ""),
    ],
)
def test_clean_strings(text: str, clean: str) -> None:
    assert clean_string(text) == clean


def test_padding() -> None:
    found = pad_sentences([[], [1], [1, 2, 3]], 2, pad_val=9)
    assert found.tolist() == [[9, 9], [9, 1], [2, 3]]
    assert found.dtype == np.int32
    assert pad_sentences([[1, 2], [3]]).tolist() == [[1, 2], [0, 3]]
    assert pad_sentences([[], []]).shape == (2, 0)


def test_sentences_with_labels() -> None:
    X = [[i] for i in range(10)]
    found, y = get_paddedXY(X, list(range(10)), vocab_size=8, sentence_length=3)
    order = y[:, 0].tolist()
    assert sorted(order) == list(range(10)) != order
    assert found.tolist() == [[0, 1, i + 3 if i < 5 else 2] for i in order]
    plain, _ = get_paddedXY(X, y, 8, 3, oov=None, start=None, index_from=0, shuffle=False)
    assert plain[-3:].tolist() == [[0, 0, 7], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ConfigurationError, match="10 sentences but 9 labels"):
        get_paddedXY(X, y[:9])


def test_reviews(make_backend: Callable[..., Any], tmp_path: Path) -> None:
    make_backend(batch_size=4)
    (tmp_path / "imdb.pkl").write_bytes(python2(([[5, 900, 7]] * 20, [0, 1] * 10)))
    data = IMDB(vocab_size=20, sentence_length=5, path=str(tmp_path))
    assert (data.train_iter.ndata, data.test_iter.ndata, data.data_dict["nclass"]) == (16, 4, 2)
    x, t = next(iter(data.train_iter))
    assert x.get()[:, 0].tolist() == [0, 1, 8, 2, 10]
    assert t.shape == (2, 4)
    (tmp_path / "imdb.pkl").write_bytes(python2([1, 2, 3]))
    with pytest.raises(CheckpointError, match="pair"):
        pad_data(str(tmp_path / "imdb.pkl"))


def test_word_vectors(tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    vectors = np.arange(6, dtype="<f4").reshape(2, 3)
    data = b"2 3\nto " + vectors[0].tobytes() + b"\nbe " + vectors[1].tobytes() + b"\n"
    path.write_bytes(data)
    W, dim, rows = get_google_word2vec_W(str(path), {"be": 0, "or": 1})
    assert (dim, rows, W.shape) == (3, 5, (5, 3))
    np.testing.assert_array_equal(W[3], vectors[1])
    assert abs(W[4]).max() <= 0.25
    for broken in (data[:-8], b"PK", b"9999999999999 3\n"):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError):
            get_google_word2vec_W(str(path), {})
