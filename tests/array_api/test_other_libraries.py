"""SciPy, scikit-learn, array-api-compat, PyTorch and JAX take our arrays: `tox -e interop`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = {
    "SciPy": [
        *("special.expit", "special.logsumexp", "special.softmax", "stats.skew", "stats.zscore"),
        *("stats.ttest_ind", "stats.pearsonr", "cluster.vq.whiten", "cluster.vq.kmeans"),
        *("signal.detrend", "integrate.trapezoid"),
    ],
    "scikit-learn": [
        *("StandardScaler", "MinMaxScaler", "PCA", "LinearDiscriminantAnalysis", "Ridge"),
        *("accuracy_score", "r2_score", "cosine_similarity", "train_test_split"),
    ],
    "array-api-compat": ["array_namespace", "to_device", "size"],
    "DLPack": ["torch", "jax"],
}

pytestmark = pytest.mark.interop
_found: dict[str, dict[str, str | None]] = {}


@pytest.fixture
def outcomes(backend_name):
    """What went wrong, by call; all calls run once, in one process."""
    if backend_name not in _found:
        done = subprocess.run(
            [sys.executable, "-m", "tests.array_api.foreign_calls", backend_name],
            cwd=ROOT,
            env={**os.environ, "SCIPY_ARRAY_API": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        _found[backend_name] = json.loads(done.stdout.splitlines()[-1])
    return _found[backend_name]


@pytest.mark.parametrize("name", [name for names in CALLS.values() for name in names])
def test_a_call_gives_what_it_gives_on_numpys_arrays(outcomes, name):
    assert outcomes[name] is None, outcomes[name]


def test_every_call_is_looked_at(outcomes):
    assert set(outcomes) == {name for names in CALLS.values() for name in names}
