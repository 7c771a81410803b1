"""Statements of the cpu backend in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

STATEMENTS = """
    import sys, warnings
    import numpy as np
    warnings.simplefilter("always")
    from neonport.backends import gen_backend
    be = gen_backend("cpu", rng_seed=3, batch_size=4)
    x = be.array(np.random.RandomState(0).normal(size=(20, 30)))
    y = be.empty((20, 30))
    y[:] = be.tanh(x * 2.0 + 1.0)
    y[:] = be.fprop_softmax(y, 0)
    jit = be.device._jit
    print(float(y.get().astype(np.float64).sum()), float(y.get()[3, 7]))
    print(jit.compiler.compiled if jit else "interpreted")
"""


def environment_of(tmp_path):
    """Ours without settings, with a cache of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NEONPORT_")}
    env["NEONPORT_CACHE_DIR"] = str(tmp_path / "cache")
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return env


def run(tmp_path, code=STATEMENTS, **environment):
    env = environment_of(tmp_path) | environment
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values, how = done.stdout.strip().splitlines()
    return [float(v) for v in values.split()], how, done.stderr


def warnings_in(text):
    return text.count("RuntimeWarning")
