"""Names of neon that are not there: importing one says what to use instead."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

from neonport import data
from neonport.foundation.absent import _WAYS


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from neonport.data import TextNMT", "neon's TextNMT is not in neonport.data: its reader"),
        ("from neonport.data import TextNMT", "ArrayIterator"),
        ("from neonport.data import ArrayIterator, TextNMT", "neon's TextNMT is not"),
        ("from neonport.layers import Afine", "did you mean 'Affine'"),
        ("from neonport.transforms import SoftMax", "did you mean 'Softmax'"),
        ("from neonport.optimizers import SGD", "no attribute 'SGD'"),
        ("from neonport.initializers import HeNormall", "did you mean 'HeNormal'"),
    ],
)
def test_import(statement: str, words: str) -> None:
    in_function = f"def f():\n    {statement}\nf()"
    for code in (statement, in_function):
        with pytest.raises(ImportError, match=re.escape(words)):
            exec(code, {})


def test_attribute() -> None:
    assert not hasattr(data, "TextNMT")
    assert getattr(data, "TextNMT", None) is None
    with pytest.raises(AttributeError, match=r"neon's TextNMT is not in neonport.data"):
        _ = data.TextNMT  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute '__nothing__'"):
        _ = data.__nothing__  # type: ignore[attr-defined]


def test_importing_submodules_still_works() -> None:
    code = "from neonport.layers import shapes, linear; import neonport.data.digits as d; print(d)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_no_name_is_called_absent_that_is_there() -> None:
    for room, rows in _WAYS.items():
        module = importlib.import_module(f"neonport.{room}")
        for names in rows:
            assert not [name for name in names.split() if hasattr(module, name)]
