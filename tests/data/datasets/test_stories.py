"""Stories with questions: the files' format, and the minibatches."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.data import BABI, QA
from neonport.errors import ConfigurationError, ShapeError

Make = Callable[..., Any]
STORY = """1 Ada moved to the attic.
2 Where is Ada? \tattic\t1
3 Bob went home.
4 Where is Bob? \thome\t3
1 Bob moved to the attic.
2 Where is Bob? \tattic\t1
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    with tarfile.open(tmp_path / "tasks_1-20_v1-2.tar.gz", "w:gz") as package:
        for subset, text in (("en", STORY), ("hn", STORY.replace("attic", "kothri"))):
            for part in ("train", "test"):
                (tmp_path / "file").write_text(text * (2 if part == "train" else 1))
                name = f"tasks_1-20_v1-2/{subset}/qa1_single-supporting-fact_{part}.txt"
                package.add(tmp_path / "file", name)
    return str(tmp_path)


def test_stories_as_arrays(folder: str) -> None:
    babi = BABI(path=folder)
    words = "Ada Bob moved to the attic . Where is ? went home"
    assert babi.vocab == sorted(words.split())
    assert babi.vocab_size == len(babi.vocab) + 2
    story, query, answer = babi.test
    assert (story.shape, query.shape, answer.shape) == ((3, 10), (3, 4), (3, 14))
    found = [babi.index_to_word.get(i, "-") for i in story[1]]
    assert " ".join(found) == "Ada moved to the attic . Bob went home ."
    assert story[0].tolist()[:4] == [0] * 4
    assert answer.argmax(1).tolist() == [babi.word_to_index[w] for w in ("attic", "home", "attic")]
    assert babi.words_to_vector(["Zoe"]) == [babi.vocab_size - 1]
    assert len(babi.train[0]) == 6
    (Path(folder) / babi.filename).unlink()
    assert "kothri" in BABI(path=folder, subset="hn").vocab


def test_what_is_not_there(folder: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no task 'qa2'.*there are qa1_single"):
        BABI(path=folder, task="qa2")
    with pytest.raises(ConfigurationError, match="subset='de'"):
        BABI(path=folder, subset="de")
    with pytest.raises(ConfigurationError, match="no number"):
        BABI.parse_babi(["Ada"])


def test_minibatches(make_backend: Make) -> None:
    make_backend(batch_size=2, rng_seed=1)
    story = np.arange(21).reshape(7, 3)
    data = QA(story, story[:, :1], np.eye(7))
    assert (data.shape, data.nbatches, data.ndata) == ([(3, 1), (1, 1)], 3, 6)
    orders = []
    for _ in range(2):
        seen = []
        for (s, q), a in data:
            rows = a.get().argmax(0)
            np.testing.assert_array_equal(s.get(), story[rows].T)
            np.testing.assert_array_equal(q.get(), story[rows, :1].T)
            seen += rows.tolist()
        assert len(set(seen)) == 6
        orders.append(seen)
    assert orders[0] != orders[1]
    assert [a.get().argmax(0).tolist() for _, a in data.in_order()] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ShapeError, match="need one row a sample each"):
        QA(story, story[:5], np.eye(7))
    with pytest.raises(ConfigurationError, match="fewer than the 2"):
        QA(story[:1], story[:1], np.eye(1))
