"""Sentences as arrays of word numbers, of one length."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neonport.errors import CheckpointError, ConfigurationError
from neonport.io.pickle_reader import read_pickle

_UNUSED = re.compile(r"[^A-Za-z0-9(),!?'`]")
_SPLIT = re.compile(r"(n't|'(?:s|ve|re|d|ll))|([,!?()])")


def clean_string(string: str) -> str:
    """A sentence in small letters, its words, contractions and marks separated by one blank each.

    What is no letter, digit or one of ``(),!?'` `` becomes a blank.

    Example:
        from neonport.data.text_preprocessing import clean_string

        assert clean_string("It's *good*, isn't it?") == "it 's good , is n't it ?"
    """

    def apart(found: re.Match[str]) -> str:
        return f" {found[1]}" if found[1] else f" {found[2]} "

    return " ".join(_SPLIT.sub(apart, _UNUSED.sub(" ", string)).split()).lower()


def pad_sentences(
    sentences: Sequence[Sequence[int]],
    sentence_length: int | None = None,
    dtype: Any = np.int32,
    pad_val: float = 0.0,
) -> np.ndarray:
    """Sentences of one length: short ones are filled up at the left, long ones lose their start.

    Args:
        sentences: lists of word numbers; empty ones become padding.
        sentence_length: default that of the longest.
        dtype: without effect, as in neon: the result is int32.
        pad_val: what they are filled with.

    Returns:
        int32 (sentences, sentence_length).

    Example:
        from neonport.data.text_preprocessing import pad_sentences

        assert pad_sentences([[1], [2, 3, 4]], 2).tolist() == [[0, 1], [3, 4]]
    """
    length = sentence_length
    if length is None:
        length = max(map(len, sentences), default=0)
    padded = np.full((len(sentences), length), pad_val).astype(np.int32)
    for row, sentence in zip(padded, sentences, strict=True):
        kept = sentence[-length:] if length else []
        row[length - len(kept) :] = kept
    return padded


def get_paddedXY(
    X: Sequence[Sequence[int]],
    y: Sequence[int],
    vocab_size: int = 20000,
    sentence_length: int = 100,
    oov: int | None = 2,
    start: int | None = 1,
    index_from: int = 3,
    seed: int = 113,
    shuffle: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Sentences and labels as arrays.

    Args:
        X: lists of word numbers from 0.
        y: a label for each.
        vocab_size: numbers from this one on, after the shift, become `oov`.
        sentence_length: of the result; see `pad_sentences`.
        oov: number of words that are not in the vocabulary; None leaves them out.
        start: number that is put before each sentence, or None.
        index_from: what is added to word numbers, to make room for those of padding, start, `oov`.
        seed: of the order.
        shuffle: put sentences and labels into another order.

    Returns:
        X int32 (sentences, sentence_length), y int32 (sentences, 1).

    Raises:
        ConfigurationError: not one label a sentence.

    Example:
        from neonport.data.text_preprocessing import get_paddedXY

        X, y = get_paddedXY([[0, 1]], [1], vocab_size=4, sentence_length=4)
        assert X.tolist() == [[0, 1, 3, 2]] and y.tolist() == [[1]]
    """
    if len(X) != len(y):
        raise ConfigurationError(f"{len(X)} sentences but {len(y)} labels; give one each")
    order = np.arange(len(X))
    if shuffle:
        np.random.RandomState(seed).shuffle(order)
    first = [] if start is None else [start]
    sentences = []
    for number in order:
        shifted = [word + index_from for word in X[int(number)]]
        if oov is None:
            shifted = [word for word in shifted if word < vocab_size]
        else:
            shifted = [word if word < vocab_size else oov for word in shifted]
        sentences.append(first + shifted)
    labels = np.asarray(y, dtype=np.int32).reshape(-1, 1)[order]
    return pad_sentences(sentences, sentence_length), labels


def pad_data(
    path: str,
    vocab_size: int = 20000,
    sentence_length: int = 100,
    oov: int | None = 2,
    start: int | None = 1,
    index_from: int = 3,
    seed: int = 113,
    test_split: float = 0.2,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], int]:
    """Sentences and labels of a file as arrays, for training and for testing.

    Args:
        path: a pickle (X, y), read as data.
        vocab_size, sentence_length, oov, start, index_from, seed: see `get_paddedXY`.
        test_split: share for testing, the last ones of the shuffled.

    Returns:
        ((X, y) for training, (X, y) for testing, number of classes).

    Raises:
        CheckpointError: it is damaged or holds something else.

    Example:
        from neonport.data.text_preprocessing import pad_data

        train, test, nclass = pad_data("imdb.pkl", vocab_size=5000)  # doctest: +SKIP
    """
    with open(path, "rb") as file:
        found = read_pickle(file.read(), path)
    if not isinstance(found, (tuple, list)) or len(found) != 2 or len(found[0]) != len(found[1]):
        raise CheckpointError(
            f"{path!r} does not hold a pair (X, y), lists of word numbers and a label for each"
        )
    words, labels = found
    X, y = get_paddedXY(words, labels, vocab_size, sentence_length, oov, start, index_from, seed)
    cut = int(len(X) * (1 - test_split))
    return (X[:cut], y[:cut]), (X[cut:], y[cut:]), int(y.max(initial=0)) + 1


def get_google_word2vec_W(
    fname: str, vocab: Mapping[str, int], vocab_size: int = 1000000, index_from: int = 3
) -> tuple[np.ndarray, int, int]:
    """Word vectors of a binary file of word2vec, as the rows of an embedding.

    Args:
        fname: the file: a line with the number of words and of dimensions, then each word, a blank
            and its float32 numbers.
        vocab: word -> number.
        vocab_size: rows at most.
        index_from: what is added to the numbers of `vocab`.

    Returns:
        (W float32 (rows, dimensions), dimensions, rows). Rows of words that are not in the file
        are uniform in (-0.25, 0.25).

    Raises:
        CheckpointError: the file is cut off, or none of word2vec.

    Example:
        from neonport.data.text_preprocessing import get_google_word2vec_W

        W, dim, rows = get_google_word2vec_W("vectors.bin", {"to": 0})  # doctest: +SKIP
    """
    rows = min(len(vocab) + index_from, vocab_size)
    with open(fname, "rb") as file:
        try:
            count, dim = map(int, file.readline(100).split())
        except ValueError:
            raise CheckpointError(f"{fname!r} is no binary file of word2vec") from None
        if count < 0 or not 0 < dim <= 100_000:
            raise CheckpointError(f"{fname!r} says {count} words of {dim} numbers, which is wrong")
        W = np.random.uniform(-0.25, 0.25, (rows, dim)).astype(np.float32)
        for _ in range(count):
            word = bytearray()
            while (letter := file.read(1)) != b" ":
                if not letter or len(word) > 10_000:
                    raise CheckpointError(f"{fname!r} is cut off or damaged at byte {file.tell()}")
                word += letter
            numbers = file.read(4 * dim)
            if len(numbers) < 4 * dim:
                raise CheckpointError(f"{fname!r} is cut off at byte {file.tell()}")
            place = vocab.get(word.decode("utf-8", "replace").lstrip("\n"), rows) + index_from
            if place < rows:
                W[place] = np.frombuffer(numbers, "<f4")
    return W, dim, rows
