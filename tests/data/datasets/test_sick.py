"""Pairs of sentences, from the archives that are on the network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from neonport.data import SICK
from neonport.errors import ConfigurationError

HEAD = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"


def test_pairs(tmp_path: Path) -> None:
    for number, part in enumerate(SICK.SIZES):
        with zipfile.ZipFile(tmp_path / f"sick_{part}.zip", "w") as package:
            rows = f"1\ta {part}\tb\t{number}.5\tNEUTRAL\n2\tc\td\t1\tNEUTRAL\n"
            package.writestr(f"SICK_{part}.txt", HEAD + rows)
            package.writestr("readme.txt", "")
    train, dev, test, scores = SICK(path=str(tmp_path)).load_eval_data()
    assert train == (["a train", "c"], ["b", "d"])
    assert (dev[0][0], test[0][0]) == ("a trial", "a test_annotated")
    assert [part.tolist() for part in scores] == [[0.5, 1], [1.5, 1], [2.5, 1]]
    (tmp_path / "SICK_trial.txt").write_text("other\n")
    with pytest.raises(ConfigurationError, match="is no table"):
        SICK(path=str(tmp_path)).load_eval_data()
