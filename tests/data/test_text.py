"""Text: what each minibatch holds, continuity of rows, vocabularies, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.data import Text
from neonport.errors import ConfigurationError

Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Fifty tokens: 'a' to 'j' again and again."""
    (tmp_path / "text.txt").write_text("abcdefghij" * 5)
    return str(tmp_path / "text.txt")


def collected(text: Text) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ids (T, N) of inputs and targets of each batch."""
    return [
        (x.get().argmax(0).reshape(text.seq_length, -1), t.get().argmax(0).reshape(3, -1))
        for x, t in text
    ]


def test_rows_continue_and_targets_are_the_next_tokens(make_backend: Make, path: str) -> None:
    make_backend(batch_size=4)
    text = Text(3, path)
    assert (text.nbatches, text.ndata, text.nclass, text.shape) == (4, 16, 10, (10, 3))
    assert text.X.shape == text.y.shape == (4, 4, 3)
    used = np.arange(48) % 10
    for _ in range(2):
        batches = collected(text)
        rows = np.concatenate([x for x, _ in batches]).T
        np.testing.assert_array_equal(rows, used.reshape(4, 12))
        targets = np.concatenate([t for _, t in batches]).T
        np.testing.assert_array_equal(targets, np.append(used[1:], 0).reshape(4, 12))
    assert all((x.get().sum(0) == 1).all() for x, _ in text)


def test_ids_and_reversed_targets_and_those_before(make_backend: Make, path: str) -> None:
    make_backend(batch_size=4)
    text = Text(3, path, onehot_input=False, reverse_target=True, get_prev_target=True)
    assert text.shape == text.decoder_shape == (3, 1)
    for number, ((x, before), t) in enumerate(text):
        ids, target = x.get(), t.get().argmax(0).reshape(3, 4)
        np.testing.assert_array_equal(ids, text.X[:, number].T)
        np.testing.assert_array_equal(target, ids[::-1])
        np.testing.assert_array_equal(before.get(), [[0] * 4, *target[:-1]])
    onehot = Text(3, path, get_prev_target=True)
    for (_, before), t in onehot:
        assert not before.get()[:, :4].any()
        np.testing.assert_array_equal(before.get()[:, 4:], t.get()[:, :-4])


def test_another_batch_size_later(make_backend: Make, path: str) -> None:
    be = make_backend(batch_size=4)
    text = Text(3, path)
    be.bsz = 1
    assert text.nbatches == text.ndata == 16
    assert next(iter(text))[0].shape == (10, 3)


def test_vocabularies(make_backend: Make, path: str) -> None:
    make_backend(batch_size=2)
    text = Text(2, path, vocab=set("zyjihgfedcba"))
    assert text.vocab[-2:] == ["y", "z"]
    assert text.index_to_token[text.token_to_index["y"]] == "y"
    with pytest.raises(ConfigurationError, match=r"2 tokens of the text are not.*'i', 'j'"):
        Text(2, path, vocab="abcdefgh")
    with pytest.raises(ConfigurationError, match="50 tokens, fewer than the 60 of one minibatch"):
        Text(30, path)
    with pytest.raises(ConfigurationError, match="time_steps=0"):
        Text(0, path)
    with pytest.raises(FileNotFoundError):
        Text(3, path + "x")


def test_validation_file_and_other_encodings(tmp_path: Path) -> None:
    source = tmp_path / "text.txt"
    source.write_text("ä" * 90 + "b" * 10, encoding="utf-8")
    train, valid = Text.create_valid_file(str(source))
    assert Path(train).read_text(encoding="utf-8") == "ä" * 90
    assert Path(valid).name == "text_valid.txt"
    assert Path(valid).read_text() == "b" * 10
    source.write_bytes(b"\xe4")
    with pytest.raises(ConfigurationError, match="not in UTF-8"):
        Text.create_valid_file(str(source))
