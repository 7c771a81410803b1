"""Names that are not there: importing one says which may be meant."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from neonport import data


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from neonport.data import ArrayIterator, TextNMTs", "did you mean 'TextNMT'"),
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
    assert not hasattr(data, "TextNMTs")
    assert getattr(data, "TextNMTs", None) is None
    with pytest.raises(AttributeError, match=r"no attribute 'TextNMTs'; did you mean 'TextNMT'"):
        _ = data.TextNMTs  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute '__nothing__'"):
        _ = data.__nothing__  # type: ignore[attr-defined]


def test_importing_submodules_still_works() -> None:
    code = "from neonport.layers import shapes, linear; import neonport.data.hdf5iterator as d"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
