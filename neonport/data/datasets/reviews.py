"""Reviews of films, as numbers of words."""

from __future__ import annotations

from typing import Any

from neonport.data.dataiterator import ArrayIterator
from neonport.data.datasets.dataset import Dataset
from neonport.data.text_preprocessing import pad_data


class IMDB(Dataset):
    """25,000 reviews of films, half of them good; a fifth is for testing.

    File: `imdb.pkl`, 33213513 bytes, a pickle (X, y), read as data. Word numbers begin at 3: 0 is
    padding at the left, 1 the start of a review, 2 a word that is not in the vocabulary.

    Args:
        vocab_size: numbers of words, with those three.
        sentence_length: words of a review; of longer ones the last.
        path: folder of the file.

    Example:
        import pickle
        with open("imdb.pkl", "wb") as file:  # as if it had been downloaded
            _ = file.write(pickle.dumps(([[5, 9, 7]] * 20, [0, 1] * 10), 2))
        imdb = IMDB(vocab_size=10, sentence_length=4)
        assert imdb.train_iter.shape == 4 and imdb.test_iter.ndata == 4
    """

    neon_module = "neon.data.text"

    def __init__(self, vocab_size: int, sentence_length: int, path: str = ".") -> None:
        super().__init__("imdb.pkl", "https://s3.amazonaws.com/text-datasets", 33213513, path)
        self.vocab_size = vocab_size
        self.sentence_length = sentence_length

    def load_data(self) -> str:
        """Return the path of the file.

        Raises:
            MissingData: it is not there and cannot be downloaded.
        """
        return self.load_zip(self.filename, self.size)

    def gen_iterators(self) -> dict[str, Any]:
        """Make the iterators 'train' and 'test', and 'nclass', the number of classes."""
        train, test, nclass = pad_data(
            self.load_data(), vocab_size=self.vocab_size, sentence_length=self.sentence_length
        )
        found: dict[str, Any] = {
            part: ArrayIterator(X, y, nclass=2, name=part, be=self.be)
            for part, (X, y) in (("train", train), ("test", test))
        }
        return {**found, "nclass": nclass}
