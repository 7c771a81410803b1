"""Each script under examples/ runs as its reader would run it, and says something true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import neonport

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGE = Path(neonport.__file__).parent

# script -> (last line it prints, smallest number that may stand there)
ANSWERS = {
    "autoencoder.py": (r"variance kept: (\S+)", 0.82),
    "conv_autoencoder.py": (r"share of the variance that is kept: (\S+)", 0.85),
    "conv_net.py": (r"test accuracy: (\S+)", 0.975),
    "bidirectional_tagging.py": (r"right tags, bidirectional: (\S+)", 0.98),
    "char_lstm.py": (r"letters foreseen: (\S+)", 0.95),
    "custom_layer.py": (r"largest gap .*: (\S+)", None),
    "dlpack_with_torch.py": (r"largest gap .*: (\S+)", None),
    "gru_time_series.py": (r"variance explained: (\S+)", 0.97),
    "gan.py": (r"points near the circle: (\S+)", 0.9),
    "logistic_gradient.py": (r"largest gap .*: (\S+)", None),
    "mnist_like_mlp.py": (r"test accuracy: (\S+)", 0.95),
    "multi_task_tree.py": (r"right in both tasks: (\S+)", 0.95),
    "reverse_strings.py": (r"strings reversed: (\S+)", 0.99),
    "transformer.py": (r"letters foreseen: (\S+)", 0.94),
}


NEED_TORCH = {"dlpack_with_torch.py"}


def _marked(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.interop) if name in NEED_TORCH else name


def test_every_example_has_an_answer_to_check() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(ANSWERS)


@pytest.mark.parametrize("name", [_marked(name) for name in sorted(ANSWERS)])
def test_example_runs_and_its_answer_is_good(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    # the neonport that is being tested; tests run side by side, and more threads than cores would
    # spend a third of their time on waiting for each other
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "NEONPORT_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    pattern, least = ANSWERS[name]
    last = done.stdout.strip().splitlines()[-1]
    match = re.fullmatch(pattern, last)
    assert match is not None, done.stdout
    value = float(match[1])
    assert value < 1e-3 if least is None else value >= least
