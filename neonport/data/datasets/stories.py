"""Short stories with questions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

import numpy as np

from neonport.data.datasets.dataset import Dataset
from neonport.data.text_preprocessing import pad_sentences
from neonport.errors import ConfigurationError
from neonport.io.downloads import unpack

Example = tuple[list[str], list[str], str]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


class BABI(Dataset):
    r"""The bAbI tasks: stories of simple sentences, and questions with answers of one word.

    File: `tasks_1-20_v1-2.tar.gz`, 11745123 bytes, unpacked to the folder `tasks_1-20_v1-2`.

    Args:
        path: folder of the file.
        task: which of the twenty, by the name of its files.
        subset: `"en"`, `"en-10k"`, `"hn"`, `"hn-10k"`, `"shuffled"` or `"shuffled-10k"`.

    Attributes:
        train, test: (story, query, answer): int32 (n, story_maxlen), (n, query_maxlen), padded at
            the left with 0, and one-hot float32 (n, vocab_size).
        vocab: the words, sorted; their numbers begin at 1.
        vocab_size: numbers of words, with 0 for padding and the last for unknown ones.
        word_to_index, index_to_word: dicts between words and numbers.

    Raises:
        MissingData: the file is not there and cannot be downloaded.
        ConfigurationError: there is no such task or subset, or a file is none of stories.

    Example:
        import os
        os.makedirs("tasks_1-20_v1-2/en")  # as if it had been downloaded and unpacked
        for part in "train", "test":
            with open(f"tasks_1-20_v1-2/en/qa1_single-supporting-fact_{part}.txt", "w") as file:
                _ = file.write("1 Ada is at home.\n2 Where is Ada?\thome\t1\n" * 4)
        babi = BABI()
        assert QA(*babi.train).shape == [(5, 1), (4, 1)]
    """

    neon_module = "neon.data.questionanswer"
    FOLDER = "tasks_1-20_v1-2"
    SUBSETS = ("en", "en-10k", "hn", "hn-10k", "shuffled", "shuffled-10k")

    def __init__(
        self, path: str = ".", task: str = "qa1_single-supporting-fact", subset: str = "en"
    ) -> None:
        super().__init__(
            "tasks_1-20_v1-2.tar.gz", "http://www.thespermwhale.com/jaseweston/babi", 11745123, path
        )
        if subset not in self.SUBSETS:
            raise ConfigurationError(
                f"BABI: subset={subset!r} is none of {', '.join(self.SUBSETS)}"
            )
        self.task = task
        self.subset = subset
        train, test = self.load_data()
        both = [*train, *test]
        self.vocab = sorted({word for story, query, _ in both for word in (*story, *query)}
                            | {answer for *_, answer in both})  # fmt: skip
        self.vocab_size = len(self.vocab) + 2
        self.word_to_index = {word: i for i, word in enumerate(self.vocab, start=1)}
        self.index_to_word = {i: word for word, i in self.word_to_index.items()}
        self.story_maxlen = max((len(story) for story, *_ in both), default=0)
        self.query_maxlen = max((len(query) for _, query, _ in both), default=0)
        self.train, self.test = self.vectorize(train), self.vectorize(test)

    def load_data(self) -> tuple[list[Example], list[Example]]:
        """Return (story, query, answer) of each question, as words: for training and for testing.

        Raises:
            MissingData: the file is not there and cannot be downloaded.
            ConfigurationError: there is no such task.
        """
        folder = self._find(self.FOLDER)
        if not os.path.isdir(folder):
            archive = self.load_zip(self.filename, self.size)
            unpack(archive, os.path.dirname(archive))
            folder = os.path.join(os.path.dirname(archive), self.FOLDER)
        found = []
        for part in ("train", "test"):
            path = os.path.join(folder, self.subset, f"{self.task}_{part}.txt")
            if not os.path.exists(path):
                ending = f"_{part}.txt"
                beside = os.path.dirname(path)
                names = sorted(os.listdir(beside)) if os.path.isdir(beside) else []
                known = [name[: -len(ending)] for name in names if name.endswith(ending)]
                raise ConfigurationError(
                    f"BABI: there is no task {self.task!r} in {beside!r}; there are "
                    f"{', '.join(known) or 'none: delete the folder, and it is unpacked again'}"
                )
            with open(path, encoding="utf-8") as file:
                found.append(self.parse_babi(file))
        return found[0], found[1]

    @staticmethod
    def tokenize(sentence: str) -> list[str]:
        """Cut a sentence into words and punctuation marks."""
        return re.findall(r"\w+|[^\w\s]", sentence)

    @classmethod
    def parse_babi(cls, lines: Iterable[str]) -> list[Example]:
        """Read the lines of a file: numbered sentences, and questions with answers after tabs.

        Raises:
            ConfigurationError: a line has no number.
        """
        found: list[Example] = []
        story: list[str] = []
        for line in filter(None, map(str.strip, lines)):
            number, _, text = line.partition(" ")
            if not number.isdigit():
                raise ConfigurationError(f"BABI: a line has no number: {line[:80]!r}")
            if int(number) == 1:
                story = []
            query, tab, rest = text.partition("\t")
            if tab:
                found.append((list(story), cls.tokenize(query), rest.partition("\t")[0].strip()))
            else:
                story += cls.tokenize(text)
        return found

    def words_to_vector(self, words: Sequence[str]) -> list[int]:
        """Numbers of words; those of no vocabulary have the last one."""
        return [self.word_to_index.get(word, self.vocab_size - 1) for word in words]

    def one_hot_vector(self, answer: str) -> np.ndarray:
        """An answer as float32 (vocab_size,)."""
        vector = np.zeros(self.vocab_size, np.float32)
        vector[self.words_to_vector([answer])] = 1
        return vector

    def vectorize(self, examples: Sequence[Example]) -> Arrays:
        """Stories, questions and answers as arrays, of the lengths of the longest ones."""
        stories = [self.words_to_vector(story) for story, *_ in examples]
        queries = [self.words_to_vector(query) for _, query, _ in examples]
        answers = [self.one_hot_vector(answer) for *_, answer in examples]
        return (
            pad_sentences(stories, self.story_maxlen),
            pad_sentences(queries, self.query_maxlen),
            np.array(answers, np.float32).reshape(-1, self.vocab_size),
        )
