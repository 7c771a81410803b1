"""Folds: every reduction of the op table has one, and the generators know none by name."""

from __future__ import annotations

import re
from pathlib import Path

import neonport.compiler.codegen as codegen
from neonport.compiler.codegen.reductions import FOLDS
from neonport.ops.op import Kind, of_kind

FOLDER = Path(codegen.__path__[0])


def test_every_reduction_has_a_fold():
    assert set(FOLDS) == set(of_kind(Kind.REDUCTION))


def test_generators_know_no_reduction_by_name():
    names = "|".join(FOLDS)
    compared = re.compile(rf'\.op (==|!=|in) [(\[{{]?"({names})"|\.op\.startswith')
    for path in [*FOLDER.glob("cpu/*.py"), *FOLDER.glob("gpu/*.py"), FOLDER / "reuse.py"]:
        assert not compared.search(path.read_text()), path
