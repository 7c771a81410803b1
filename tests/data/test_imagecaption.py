"""Images with sentences: vocabulary, the steps of each minibatch, and sentences that are found."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.data import Flickr8k, ImageCaption, ImageCaptionTest
from neonport.errors import CheckpointError, ConfigurationError
from tests.fixtures.old_pickles import python2

Make = Callable[..., Any]
FEATURES = np.arange(12.0).reshape(4, 3)


def images(*sentences: str) -> list[dict[str, Any]]:
    return [
        {"imgid": i, "sentences": [{"tokens": text.split()}] * 5}
        for i, text in enumerate(sentences)
    ]


@pytest.fixture
def path(tmp_path: Path) -> str:
    parts = {"train": images("a dog", "a cat sat"), "test": images("a dog", "cats", "b")}
    parts["train"][0]["sentences"] = [*parts["train"][0]["sentences"], {"tokens": ["rare", "dog"]}]
    data = python2({"sents": parts, "feats": FEATURES})
    (tmp_path / "features.pkl.gz").write_bytes(gzip.compress(data))
    return str(tmp_path / "features.pkl.gz")


def test_minibatches(make_backend: Make, path: str) -> None:
    make_backend(batch_size=2, rng_seed=0)
    data = ImageCaption(path)
    assert list(data.index_to_token.values()) == [".", "a", "dog", "cat", "sat"]
    assert (data.shape, data.nbatches, data.ndata) == ([4, (5, 3)], 5, 10)
    often = np.array([11, 10, 6, 5, 5])
    np.testing.assert_allclose(data.bias_init[:, 0], np.log(often / 11), rtol=1e-6)
    for column in (0, 1):
        for (x, words), (t, mask) in [next(iter(data.in_order()))]:
            np.testing.assert_array_equal(x.get()[:, column], FEATURES[:, 0])
            step = t.get().reshape(5, 4, 2)[:, :, column]
            assert step.argmax(0)[:3].tolist() == [1, 2, 0]
            assert step.sum(0).tolist() == [1, 1, 1, 0]
            assert mask.get().reshape(5, 4, 2)[0, :, column].tolist() == [1, 1, 1, 0]
            host = words.get().reshape(5, 3, 2)[:, :, column]
            np.testing.assert_array_equal(host[:, :2], step[:, :2])
            assert not host[:, 2].any()
    first, second = ([t.get() for _, (t, _) in data] for _ in range(2))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))
    assert ImageCaption(path, max_images=1).vocab_size == 3


def test_sentences_that_a_model_finds(make_backend: Make, path: str) -> None:
    be = make_backend(batch_size=2)
    data = ImageCaptionTest(path)
    assert (data.ndata, data.nbatches) == (3, 2)
    answer = be.zeros((5, 4 * 2))

    def fprop(x: Any, inference: bool) -> Any:
        """After "a" comes "dog", then the end, wherever the image is."""
        words = x[1].get().reshape(5, 3, 2)
        prob = np.zeros((5, 4, 2), np.float32)
        prob[1, 0] = 1
        for step in range(3):
            prob[[{1: 2, 2: 0}.get(i, 0) for i in words[:, step].argmax(0)], step + 1, [0, 1]] = 1
        answer.set(prob.reshape(5, 8))
        return answer

    found, references = data.predict(SimpleNamespace(fprop=fprop))
    assert found == ["a dog"] * 3
    assert references == [["a dog"] * 5, ["cats"] * 5, ["b"] * 5]
    assert data.bleu_score(["a cat sat on a mat"], [["a cat sat on a mat"]]) > 99
    assert data.prob_to_word(np.eye(5)[:, [3]]) == ["cat"]


def test_data_sets_and_refusals(make_backend: Make, path: str, tmp_path: Path) -> None:
    be = make_backend(batch_size=2)
    with zipfile.ZipFile(tmp_path / "flickr8k.zip", "w") as package:
        package.write(path, "flickr8k/features.pkl.gz")
    data = Flickr8k(path=str(tmp_path), max_images=1)
    assert (data.train_iter.vocab_size, data.test_iter.vocab_size) == (3, 5)
    be.bsz = 20
    with pytest.raises(ConfigurationError, match="11 samples are fewer than the 20"):
        next(iter(ImageCaption(path)))
    (image, _), (sentences, _) = next(iter(ImageCaptionTest(path)))  # 3 images, again and again
    assert (image.shape[1], len(sentences)) == (20, 20)
    assert sentences[0] == sentences[3] == sentences[18]
    for wrong in (
        [1],
        {"feats": FEATURES},
        {"feats": FEATURES[:, :1], "sents": {"train": images("a", "b")}},
    ):
        (tmp_path / "wrong").write_bytes(python2(wrong))
        with pytest.raises(CheckpointError, match="does not hold images with sentences"):
            ImageCaption(str(tmp_path / "wrong"))
