"""Pairs of sentences and how much they mean the same."""

from __future__ import annotations

import os

import numpy as np

from neonport.data.datasets.dataset import Dataset
from neonport.errors import ConfigurationError

Sentences = tuple[list[str], list[str]]


class SICK(Dataset):
    r"""Pairs of sentences, with scores from 1 to 5 of how much they mean the same.

    Files: `sick_train.zip`, 87341 bytes, `sick_test_annotated.zip`, 93443, `sick_trial.zip`, 16446,
    and the tables in them, `SICK_train.txt`, `SICK_test_annotated.txt`, `SICK_trial.txt`.

    Args:
        path: folder of the files.

    Example:
        for part in "train", "trial", "test_annotated":  # as if they had been downloaded
            with open(f"SICK_{part}.txt", "w") as file:
                _ = file.write("pair_ID\tsentence_A\tsentence_B\trelatedness_score\n")
                _ = file.write("1\tA dog runs\tA dog is running\t4.9\n")
        train, dev, test, scores = SICK(path=".").load_eval_data()
        assert train == (["A dog runs"], ["A dog is running"]) and scores[0][0] == 4.9
    """

    neon_module = "neon.data.text"
    SIZES = {"train": 87341, "trial": 16446, "test_annotated": 93443}  # noqa: RUF012  # bytes

    def __init__(self, path: str = "SICK_data/") -> None:
        super().__init__(
            "sick_train.zip",
            "http://alt.qcri.org/semeval2014/task1/data/uploads",
            self.SIZES["train"],
            path,
        )

    def load_data(self) -> dict[str, str]:
        """Return the paths of the tables: 'train', 'trial', 'test_annotated'.

        Raises:
            MissingData: one is not there and cannot be downloaded.
        """
        found = {}
        for part, size in self.SIZES.items():
            table = f"SICK_{part}.txt"
            path = self._find(table)
            if not os.path.exists(path):  # the archive holds it under another name than its own
                unpacked = self.load_zip(f"sick_{part}.zip", size)
                path = os.path.join(os.path.dirname(unpacked), table)
            found[part] = path
        return found

    def load_eval_data(self) -> tuple[Sentences, Sentences, Sentences, list[np.ndarray]]:
        """Return ((A, B) for training, for development, for testing, [scores of the three]).

        A and B are lists of sentences, scores float64 arrays.

        Raises:
            MissingData: a file is not there and cannot be downloaded.
            ConfigurationError: a table has other columns.
        """
        paths = self.load_data()
        parts = [_table(paths[part]) for part in ("train", "trial", "test_annotated")]
        train, dev, test = ((first, second) for first, second, _ in parts)
        return train, dev, test, [scores for *_, scores in parts]


def _table(path: str) -> tuple[list[str], list[str], np.ndarray]:
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    try:
        columns = [rows[0].index(name) for name in
                   ("sentence_A", "sentence_B", "relatedness_score")]  # fmt: skip
        first, second, scores = ([row[column] for row in rows[1:]] for column in columns)
        return first, second, np.array(scores, np.float64)
    except (IndexError, ValueError) as error:
        raise ConfigurationError(
            f"{path!r} is no table of sentence_A, sentence_B and relatedness_score ({error}); "
            "delete it, and it is fetched again"
        ) from error
