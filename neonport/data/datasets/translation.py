"""Sentences in two languages, for networks that translate."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.data.text import Text, Tokenizer
from neonport.errors import ConfigurationError, ShapeError
from neonport.io.downloads import MissingData

SETS = ("europarl7", "un2000")


class TextNMT(Text):
    """Minibatches of sentences and their translations, from a file that was prepared. Needs `hdf5`.

    The file `<path>/<dataset>-<split>.h5` has `X` and `y`, numbers of words, one sentence of
    `time_steps` words a row, and the vocabularies of both, `s_vocab` and `t_vocab`. Each sentence
    is one sample; targets are translations in reversed order of their words. The sentences that do
    not fill a last minibatch are left out.

    Args:
        time_steps: T, words of a sentence.
        path: folder of the file.
        tokenizer: kept for those who ask; the file is cut into words already.
        onehot_input: inputs are (words, T * N); else numbers, int32 (T, N), for a `LookupTable`.
        get_prev_target: inputs are pairs (sentence, translation one step earlier).
        split: part of the data in the name of the file, `"train"`, `"valid"` or `"test"`; None for
            a file without one.
        dataset: `"europarl7"` or `"un2000"`.
        subset_pct: share of the sentences that is used, the first ones.
        name: name.

    Attributes:
        s_vocab, t_vocab: lists of the words of both languages.
        nclass: words of the vocabulary of the translations.
        X, y: the numbers of inputs and targets, int32 (N, nbatches, T).

    Raises:
        MissingData: there is no such file.
        ConfigurationError: another data set, a share that is none, h5py is not installed, the file
            lacks something, or too few sentences.
        ShapeError: sentences of another length.

    Example:
        import h5py
        with h5py.File("un2000-train.h5", "w") as file:
            file["X"], file["y"] = np.arange(40).reshape(8, 5) % 3, np.arange(40).reshape(8, 5) % 2
            file["s_vocab"], file["t_vocab"] = ["a", "dog", "is"], ["chien", "un"]
        data = TextNMT(time_steps=5, path=".", split="train", get_prev_target=True)
        for (sentence, before), t in data:
            assert sentence.shape == before.shape == (5, 4) and t.shape == (2, 5 * 4)
    """

    neon_module = "neon.data.text"

    def __init__(
        self,
        time_steps: int,
        path: str,
        tokenizer: Tokenizer | None = None,
        onehot_input: bool = False,
        get_prev_target: bool = False,
        split: str | None = None,
        dataset: str = "un2000",
        subset_pct: float = 100,
        name: str | None = None,
    ) -> None:
        NervanaDataIterator.__init__(self, name=name)
        self._label = f"{self.classnm} {self.name}"
        checks.need_batch_size(self._label, self.be)
        if dataset not in SETS:
            raise ConfigurationError(f"{self._label}: dataset={dataset!r} is none of {SETS}")
        if not 0 < subset_pct <= 100:
            raise ConfigurationError(
                f"{self._label}: subset_pct={subset_pct!r} must be above 0, to 100"
            )
        self.time_steps = self.seq_length = time_steps
        self.path, self.tokenizer = path, tokenizer
        self.onehot_input, self.get_prev_target = onehot_input, get_prev_target
        self.reverse_target = True
        self.split, self.dataset, self.subset_pct = split, dataset, subset_pct
        self.batch_index = 0
        file = f"{dataset}-{split}.h5" if split else f"{dataset}.h5"
        self._sentences = self._read(os.path.join(os.path.expanduser(path), file))
        self.nclass = self.nout = len(self.t_vocab)
        self.vocab = self.t_vocab
        self.token_to_index = {token: i for i, token in enumerate(self.vocab)}
        self.index_to_token = dict(enumerate(self.vocab))
        if onehot_input:
            self.shape = (len(self.s_vocab), time_steps)
            self.decoder_shape = (self.nclass, time_steps)
        else:
            self.shape = self.decoder_shape = (time_steps, 1)
        self._lay_out()

    def _read(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """Sentences and translations, int32 (sentences, T)."""
        try:
            import h5py
        except ImportError as error:
            raise ConfigurationError(
                f"{self._label}: HDF5 files need h5py; install it with `pip install neonport[hdf5]`"
            ) from error
        if not os.path.exists(path):
            raise MissingData(
                f"{self._label}: there is no file {path!r}; it is not on the network: prepare it "
                "with the datasets X, y, s_vocab and t_vocab, and put it there"
            )
        try:
            with h5py.File(path, "r") as file:
                missing = [name for name in ("X", "y", "s_vocab", "t_vocab") if name not in file]
                if missing:
                    raise ConfigurationError(
                        f"{self._label}: {path!r} has no dataset {', '.join(missing)}"
                    )
                count = max(1, int(len(file["X"]) * self.subset_pct / 100))
                found = [np.asarray(file[name][:count]) for name in ("X", "y")]
                self.s_vocab, self.t_vocab = (_words(file[n][:]) for n in ("s_vocab", "t_vocab"))
        except OSError as error:
            raise MissingData(
                f"{self._label}: {path!r} cannot be opened as an HDF5 file: {error}"
            ) from error
        for name, ids, words in zip("Xy", found, (self.s_vocab, self.t_vocab), strict=True):
            if ids.shape != (len(found[0]), self.time_steps):
                raise ShapeError(
                    f"{self._label}: dataset {name!r} has shape {ids.shape}; there must be one row "
                    f"of time_steps={self.time_steps} words for each of {len(found[0])} sentences"
                )
            if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= len(words):
                raise ConfigurationError(
                    f"{self._label}: dataset {name!r} must hold numbers of words, 0 to "
                    f"{len(words) - 1}"
                )
        return found[0].astype(np.int32), found[1].astype(np.int32)

    def _lay_out(self) -> None:
        """Cut the sentences for the batch size of now, and make the buffers."""
        size, steps = self.be.bsz, self.time_steps
        sources, translations = self._sentences
        self._size = size
        self._batches = len(sources) // size
        if not self._batches:
            raise ConfigurationError(
                f"{self._label}: {len(sources)} sentences do not fill one minibatch of {size}; "
                "take a smaller batch size or more of them"
            )
        used = self._batches * size
        self.X = sources[:used].reshape(size, self._batches, steps)
        self.y = translations[:used].reshape(size, self._batches, steps)[:, :, ::-1]
        self._Xdev, self._ydev = (self._on_device(ids) for ids in (self.X, self.y))
        columns = size * steps
        self._target = self.be.empty((self.nclass, columns))
        ids = {"dtype": np.int32}
        source, previous = (((len(self.s_vocab), columns), (self.nclass, columns))
                            if self.onehot_input else ((steps, size),) * 2)  # fmt: skip
        kind: dict[str, Any] = {} if self.onehot_input else ids
        self._input = self.be.empty(source, **kind)
        self._previous = self.be.zeros(previous, **kind) if self.get_prev_target else None


def _words(found: np.ndarray) -> list[str]:
    return [
        w.decode("utf-8", "replace") if isinstance(w, bytes) else str(w) for w in found.tolist()
    ]
