"""Images with sentences about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.errors import CheckpointError, ConfigurationError
from neonport.foundation.absent import absent_names
from neonport.io.pickle_reader import read_pickle
from neonport.transforms.bleu import BLEUScore

RAREST = 5  # sentences' words that occur less often are left out
END = "."  # ends each sentence; its number is 0


class ImageCaption(NervanaDataIterator):
    """Minibatches of image features and a sentence for each, in another order each pass.

    It yields ((image, words), (target, mask)): image (F, N), words one-hot (V, L * N), target and
    mask (V, (L + 1) * N). The image is step 0; the target of a step is the word of the next one,
    after the last word the end of the sentence. Samples that do not fill a minibatch at the end of
    a pass are left out of it.

    The file is a pickle, read as data: `sents`, part -> list of images with `imgid`, the column of
    the features, and `sentences`, each with `tokens`; and `feats`, (F, images).

    The vocabulary is the end of a sentence and the words that occur 5 times or more in the part for
    training, in the order in which they are first seen. Files that neon made with Python 2 may give
    other numbers there: weights do not carry over from one to the other.

    Args:
        path: the file, `features.pkl.gz`.
        max_images: images for training that are used, the first ones; -1 for all.

    Attributes:
        vocab_size: V; `index_to_token` and `token_to_index` are the words and their numbers.
        sent_length: L, words of the longest sentence.
        bias_init: float32 (V, 1), logarithms of how often words occur, the largest 0.
        shape: [F, (V, L)].
        ndata: samples of a pass, nbatches * N.

    Raises:
        CheckpointError: the file is damaged, or holds something else.
        ConfigurationError: no backend or batch size, or fewer samples than that.

    Example:
        import pickle
        image = {"imgid": 0, "sentences": [{"tokens": ["a", "dog"]}] * 8}
        with open("features.pkl.gz", "wb") as file:  # gzip may be left out
            features = {"sents": {"train": [image], "test": [image]}, "feats": np.ones((6, 1))}
            _ = file.write(pickle.dumps(features, 2))
        data = ImageCaption("features.pkl.gz")
        for (images, words), (target, mask) in data:
            assert (images.shape, words.shape, target.shape) == ((6, 4), (3, 2 * 4), (3, 3 * 4))
    """

    neon_module = "neon.data.imagecaption"
    shuffle = True

    def __init__(self, path: str, max_images: int = -1) -> None:
        super().__init__()
        checks.need_batch_size(self.classnm, self.be)
        self.path = path
        self.max_images = max_images
        with open(path, "rb") as file:
            found = read_pickle(file.read(), path)
        try:
            self.features = np.asarray(found["feats"], dtype=np.float32)
            self._read_parts(found["sents"])
            self._check_images()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path!r} does not hold images with sentences, a dict of 'sents' and 'feats' "
                f"({type(error).__name__}: {error})"
            ) from error
        self.shape = [len(self.features), (self.vocab_size, self.sent_length)]
        self._size: int | None = None

    def _read_parts(self, parts: Any) -> None:
        train = parts["train"][: self.max_images if self.max_images >= 0 else None]
        self.sentences = [
            (list(sentence["tokens"]), int(image["imgid"]))
            for image in train
            for sentence in image["sentences"]
        ]
        counts = Counter(word for words, _ in self.sentences for word in words)
        words = [word for word, times in counts.items() if times >= RAREST and word != END]
        self.index_to_token = dict(enumerate([END, *words]))
        self.token_to_index = {word: i for i, word in self.index_to_token.items()}
        self.vocab_size = len(self.index_to_token)
        often = np.array([max(1, len(self.sentences)), *(counts[word] for word in words)])
        logarithms = np.log(often / often.sum())
        self.bias_init = (logarithms - logarithms.max()).astype(np.float32).reshape(-1, 1)
        known = [[self.token_to_index.get(w, 0) for w in words] for words, _ in self.sentences]
        self._numbers = [[number for number in sentence if number] for sentence in known]
        self.sent_length = max(map(len, self._numbers))
        self._test = [
            (int(image["imgid"]), [" ".join(s["tokens"]) for s in image["sentences"]])
            for image in parts.get("test", [])
        ]

    def _check_images(self) -> None:
        images = self.features.shape[1]
        for number in (*(i for _, i in self.sentences), *(i for i, _ in self._test)):
            if not 0 <= number < images:
                raise ValueError(f"imgid {number}, but there are {images} images")

    @property
    def samples(self) -> int:
        """Sentences of all images."""
        return len(self.sentences)

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        return self.samples // self.be.bsz

    @property
    def ndata(self) -> int:
        """Samples of a pass."""
        return self.nbatches * self.be.bsz

    def reset(self) -> None:
        """Nothing: each pass begins at the first sample of its order."""

    def set_backend(self, be: Any) -> None:
        """Use another backend; its buffers are made by the next pass."""
        super().set_backend(be)
        self._size = None

    def _check_samples(self, size: int) -> None:
        if self.samples < size:
            raise ConfigurationError(
                f"{self.classnm}: {self.samples} samples are fewer than the {size} of a minibatch; "
                "take a smaller batch size"
            )

    def _allocate(self) -> None:
        size = self.be.bsz
        if self._size == size:
            return
        self._check_samples(size)
        self._size = size
        self.dev_image = self.be.empty((len(self.features), size))
        self.dev_words = self.be.zeros((self.vocab_size, self.sent_length * size))
        self.dev_target = self.be.empty((self.vocab_size, (self.sent_length + 1) * size))
        self.dev_mask = self.be.empty(self.dev_target.shape)

    def _pass(self, order: np.ndarray) -> Iterator[tuple[Any, Any]]:
        self._allocate()
        size, steps = self.be.bsz, self.sent_length + 1
        for begin in range(0, self.ndata, size):
            rows = order[begin : begin + size]
            target = np.zeros((self.vocab_size, steps, size), np.float32)
            mask = np.zeros_like(target)
            words = np.zeros_like(target)
            for column, row in enumerate(rows):
                numbers = self._numbers[row]
                count = len(numbers)
                target[[*numbers, 0], np.arange(count + 1), column] = 1
                words[numbers, np.arange(count), column] = 1
                mask[:, : count + 1, column] = 1
            self.dev_image.set(self.features[:, [self.sentences[row][1] for row in rows]])
            self.dev_words.set(words[:, :-1].reshape(self.dev_words.shape))
            self.dev_target.set(target.reshape(self.dev_target.shape))
            self.dev_mask.set(mask.reshape(self.dev_mask.shape))
            yield (self.dev_image, self.dev_words), (self.dev_target, self.dev_mask)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._pass(self.be.rng.permutation(self.samples))

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass in the order of the file; the generator stays as it is."""
        return self._pass(np.arange(self.samples))

    def prob_to_word(self, prob: np.ndarray) -> list[str]:
        """The most probable word of each column of (V, N)."""
        return [self.index_to_token[int(number)] for number in prob.argmax(axis=0)]


class ImageCaptionTest(ImageCaption):
    """Minibatches of the images for testing, for which a model is to find sentences.

    It yields ((image, words), (references, None)): image (F, N), words (V, L * N), which are 0, and
    for each sample the list of its sentences. The last minibatch is filled with the first images.

    Args:
        path: the file; see `ImageCaption`, whose vocabulary it has.

    Attributes:
        ndata: images.

    Example:
        import pickle
        image = {"imgid": 0, "sentences": [{"tokens": ["a", "dog"]}] * 8}
        with open("features.pkl.gz", "wb") as file:
            features = {"sents": {"train": [image], "test": [image] * 4}, "feats": np.ones((6, 1))}
            _ = file.write(pickle.dumps(features, 2))
        for (images, words), (references, _) in ImageCaptionTest("features.pkl.gz"):
            assert references[0][0] == "a dog"
    """

    shuffle = False

    def __init__(self, path: str) -> None:
        super().__init__(path)

    @property
    def samples(self) -> int:
        """Images."""
        return len(self._test)

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        return -(-self.samples // self.be.bsz)

    @property
    def ndata(self) -> int:
        """Images."""
        return self.samples

    def _check_samples(self, size: int) -> None:
        """Any number fills a minibatch."""

    def _pass(self, order: np.ndarray) -> Iterator[tuple[Any, Any]]:
        self._allocate()
        size = self.be.bsz
        for begin in range(0, self.samples, size):
            rows = [self._test[row % self.samples] for row in range(begin, begin + size)]
            self.dev_image.set(self.features[:, [number for number, _ in rows]])
            self.dev_words.fill(0)
            yield (self.dev_image, self.dev_words), ([found for _, found in rows], None)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._pass(np.arange(self.samples))

    def predict(self, model: Any) -> tuple[list[str], list[list[str]]]:
        """Sentences that a model finds, word by word, each time the most probable one.

        Args:
            model: trained on `ImageCaption` of the same file.

        Returns:
            A sentence for each image, and the list of sentences that people wrote.
        """
        found: list[str] = []
        references: list[list[str]] = []
        steps, size = self.sent_length + 1, self.be.bsz
        for (image, words), (known, _) in self:
            host = np.zeros((self.vocab_size, steps, size), np.float32)
            sentences: list[list[str]] = [[] for _ in range(size)]
            for step in range(steps):
                words.set(host[:, :-1].reshape(words.shape))
                y = model.fprop((image, words), inference=True).get()
                prob = y.reshape(self.vocab_size, steps, size)[:, step]
                host[prob.argmax(axis=0), step, np.arange(size)] = 1
                for sentence, word in zip(sentences, self.prob_to_word(prob), strict=True):
                    sentence.append(word)
            found += [" ".join(words[: [*words, END].index(END)]) for words in sentences]
            references += known
        return found[: self.ndata], references[: self.ndata]

    @staticmethod
    def bleu_score(sents: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
        """The BLEU score of sentences, 0 to 100; see `BLEUScore`."""
        return BLEUScore()(sents, targets, brevity_penalty=True)


if not TYPE_CHECKING:  # neon has its data sets of images with sentences in this module
    _SETS = ("Coco", "Flickr30k", "Flickr8k")
    __getattr__ = absent_names(__name__, dict.fromkeys(_SETS, "neonport.data.datasets"))
