"""Text as minibatches of characters or words, each to be predicted from those before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import NervanaDataIterator
from neonport.data.text_preprocessing import pad_data, pad_sentences
from neonport.errors import ConfigurationError
from neonport.foundation.absent import absent_names
from neonport.io.atomic_write import write_file

Tokenizer = Callable[[str], Sequence[str]]


class Text(NervanaDataIterator):
    """Minibatches of a text file: inputs are tokens, targets the tokens after them.

    A text of L tokens is cut to a multiple of batch size * time steps and laid in as many rows as
    a batch has samples. Sample n of consecutive batches reads on in row n, so a recurrent network
    that keeps its state sees one long text. Inputs and targets are (nclass, T * N), one-hot; with
    `onehot_input=False` inputs are ids, int32 (T, N).

    Args:
        time_steps: T, tokens of a sample.
        path: the file, UTF-8.
        vocab: the tokens to be numbered, those of the training text for instance; default those of
            this text. They are sorted.
        tokenizer: function that cuts text into a list of tokens; default characters.
        onehot_input: False gives ids as inputs, for a `LookupTable`.
        reverse_target: targets are the tokens of the inputs in reversed order.
        get_prev_target: inputs are pairs (tokens, targets one step earlier); the first step of the
            latter is 0.
        name: name.

    Attributes:
        vocab: list of the tokens.
        token_to_index, index_to_token: dicts between tokens and their numbers.
        nclass: number of tokens of the vocabulary; `nout` is the same.
        nbatches: minibatches of a pass.
        ndata: samples, nbatches * N.
        seq_length: T.
        X, y: the numbers of inputs and targets, int32 (N, nbatches, T).
        shape: (nclass, T), or (T, 1) of ids; `decoder_shape` is the same.

    Raises:
        ConfigurationError: no backend or batch size, a text that is too short for a minibatch, or
            tokens that are not in `vocab`.
        FileNotFoundError: there is no such file.

    Example:
        with open("words.txt", "w") as file:
            _ = file.write("to be or not to be " * 4)
        text = Text(time_steps=3, path="words.txt")
        for x, t in text:
            assert x.shape == (text.nclass, 3 * 4)
    """

    neon_module = "neon.data.text"

    def __init__(
        self,
        time_steps: int,
        path: str,
        vocab: Iterable[str] | None = None,
        tokenizer: Tokenizer | None = None,
        onehot_input: bool = True,
        reverse_target: bool = False,
        get_prev_target: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._label = f"{self.classnm} {self.name}"
        checks.need_batch_size(self._label, self.be)
        if isinstance(time_steps, bool) or not isinstance(time_steps, int) or time_steps < 1:
            raise ConfigurationError(
                f"{self._label}: time_steps={time_steps!r} must be a whole number, 1 or more"
            )
        self.time_steps = self.seq_length = time_steps
        self.path = path
        self.tokenizer = tokenizer
        self.onehot_input = onehot_input
        self.reverse_target = reverse_target
        self.get_prev_target = get_prev_target
        self.batch_index = 0

        tokens = self.get_tokens(_read_text(self._label, path), tokenizer)
        self.vocab = self.get_vocab(tokens, vocab)
        self.nclass = self.nout = len(self.vocab)
        self.token_to_index = {token: i for i, token in enumerate(self.vocab)}
        self.index_to_token = dict(enumerate(self.vocab))
        self._ids = np.fromiter((self.token_to_index[t] for t in tokens), np.int32, len(tokens))
        self.shape = (self.nclass, time_steps) if onehot_input else (time_steps, 1)
        self.decoder_shape = self.shape
        self._lay_out()

    pad_sentences = staticmethod(pad_sentences)  # where neon had them first
    pad_data = staticmethod(pad_data)

    @staticmethod
    def get_tokens(text: str, tokenizer: Tokenizer | None = None) -> list[str]:
        """Cut a text by a tokenizer, or into characters."""
        return list(text if tokenizer is None else tokenizer(text))

    @staticmethod
    def get_vocab(tokens: Sequence[str], vocab: Iterable[str] | None = None) -> list[str]:
        """The sorted vocabulary: the one given, or that of the tokens.

        Raises:
            ConfigurationError: some tokens are not in the one given.
        """
        found = set(tokens)
        if vocab is None:
            return sorted(found)
        known = set(vocab)
        missing = sorted(found - known)
        if missing:
            raise ConfigurationError(
                f"{len(missing)} tokens of the text are not in the vocabulary: "
                f"{', '.join(map(repr, missing[:5]))}{', ...' if missing[5:] else ''}; give one of "
                "all the texts, or let the tokenizer replace rare tokens by one of it"
            )
        return sorted(known)

    @staticmethod
    def create_valid_file(path: str, valid_split: float = 0.1) -> tuple[str, str]:
        """Write the first part of a text for training and the rest for validation.

        Args:
            path: the text, UTF-8.
            valid_split: share of the characters for validation.

        Returns:
            The paths of both, `<name>_train<ending>` and `<name>_valid<ending>`.

        Raises:
            ConfigurationError: a share that is not between 0 and 1.

        Example:
            with open("words.txt", "w") as file:
                _ = file.write("to be or not to be " * 4)
            train, valid = Text.create_valid_file("words.txt")
        """
        if not 0 < valid_split < 1:
            raise ConfigurationError(
                f"Text.create_valid_file: valid_split={valid_split!r} must be between 0 and 1"
            )
        text = _read_text("Text.create_valid_file", path)
        cut = int(len(text) * (1 - valid_split))
        stem, ending = os.path.splitext(path)
        paths = f"{stem}_train{ending}", f"{stem}_valid{ending}"
        for part, content in zip(paths, (text[:cut], text[cut:]), strict=True):
            data = content.encode()
            write_file(part, lambda file, data=data: file.write(data))  # type: ignore[misc]
        return paths

    def _lay_out(self) -> None:
        """Cut the text for the batch size of now, and make the buffers."""
        size, steps = self.be.bsz, self.time_steps
        self._size = size
        self._batches = len(self._ids) // (size * steps)
        if not self._batches:
            raise ConfigurationError(
                f"{self._label}: {self.path!r} has {len(self._ids)} tokens, fewer than the "
                f"{size * steps} of one minibatch ({size} samples of {steps} steps); take a "
                "smaller batch size, fewer time steps or more text"
            )
        used = self._ids[: self._batches * size * steps]
        self.X = used.reshape(size, self._batches, steps)
        following = np.roll(used, -1).reshape(self.X.shape)
        self.y = self.X[:, :, ::-1] if self.reverse_target else following
        # batch b is row b: ids in the order of columns, time steps first
        self._Xdev, self._ydev = (self._on_device(ids) for ids in (self.X, self.y))
        columns = size * steps
        self._target = self.be.empty((self.nclass, columns))
        self._previous = None
        if self.onehot_input:
            self._input = self.be.empty((self.nclass, columns))
            if self.get_prev_target:
                self._previous = self.be.zeros((self.nclass, columns))
        else:
            self._input = self.be.empty((steps, size), dtype=np.int32)
            if self.get_prev_target:
                self._previous = self.be.zeros((steps, size), dtype=np.int32)

    def _on_device(self, ids: np.ndarray) -> Any:
        rows = np.ascontiguousarray(ids.transpose(1, 2, 0)).reshape(self._batches, -1)
        return self.be.array(rows, dtype=np.int32)

    def _fit(self) -> None:
        if self.be.bsz != self._size:  # somebody assigned be.bsz
            self._lay_out()

    def set_backend(self, be: Any) -> None:
        """Move the data to another backend."""
        super().set_backend(be)
        self._lay_out()

    @property
    def nbatches(self) -> int:
        """Minibatches of a pass."""
        self._fit()
        return self._batches

    @property
    def ndata(self) -> int:
        """Samples of a pass, of `time_steps` tokens each."""
        return self.nbatches * self.be.bsz

    def reset(self) -> None:
        """Begin again at the start of the text, as each pass does."""
        self.batch_index = 0

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        self._fit()
        self.batch_index = 0
        size = self._size
        while self.batch_index < self._batches:
            row = slice(self.batch_index, self.batch_index + 1)
            ids, following = self._Xdev[row], self._ydev[row]
            self._target[:] = self.be.onehot(following, axis=0)
            if self.onehot_input:
                self._input[:] = self.be.onehot(ids, axis=0)
            else:
                self._input[:] = ids.reshape(self._input.shape)
            if self._previous is not None and self.time_steps > 1:
                if self.onehot_input:
                    self._previous[:, size:] = self._target[:, :-size]
                else:
                    self._previous[1:] = following.reshape(self._input.shape)[:-1]
            self.batch_index += 1
            pair = self._input if self._previous is None else (self._input, self._previous)
            yield pair, self._target


def _read_text(label: str, path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{label}: {path!r} is not in UTF-8 ({error.reason} at byte {error.start}); write it "
            "anew: open(path, encoding='latin-1').read() if it is Latin-1"
        ) from error


if not TYPE_CHECKING:  # neon has its data sets of texts in this module
    _SETS = ("HutterPrize", "IMDB", "PTB", "SICK", "Shakespeare", "TextNMT")
    __getattr__ = absent_names(__name__, dict.fromkeys(_SETS, "neonport.data.datasets"))
