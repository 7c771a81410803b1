"""A child that is forked while another thread of its parent computes, can compute the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

KINDS = [
    "map", "reduction", "temporaries", "product", "product of a vector", "stacks", "convolution",
    "winograd", "gradient for filters", "pooling", "random", "compile", "recorded", "recording",
    "evaluated", "plugins",
]  # fmt: skip

CODE = """
import itertools, os, signal, sys, threading, time, warnings
import numpy as np
from neonport import gen_backend
from neonport.optree.node import apply
from neonport.plugins import registry

warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
be = gen_backend("cpu", batch_size=64, rng_seed=1)


def tensor(*shape):
    return be.array(np.random.default_rng(len(shape)).uniform(-1, 1, shape))


x, y, z, column = tensor(300, 900), tensor(300, 900), be.empty((300, 900)), be.empty((300, 1))
w, v = tensor(300, 300), tensor(300, 1)
stack, other, products = tensor(8, 60, 70), tensor(8, 70, 80), be.empty((8, 60, 80))
few, many = tensor(4, 1, 16, 16, 64), tensor(16, 1, 16, 16, 64)
five, three = tensor(4, 1, 5, 5, 8), tensor(16, 1, 3, 3, 32)
of_five, of_three = be.empty((8, 1, 12, 12, 64)), be.empty((32, 1, 16, 16, 64))
pooled = be.empty((4, 1, 8, 8, 64))
errors, gradient = tensor(8, 1, 12, 12, 64), be.empty((4, 1, 5, 5, 8))
FIVE = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
THREE = {**FIVE, "padding": (0, 1, 1)}
POOL = {"how": "max", "window": (1, 1, 2, 2), "padding": (0, 0, 0, 0), "stride": (1, 1, 2, 2)}
POOL["size"] = (4, 1, 8, 8)
numbers = itertools.count(1)


def store(target, tree):
    target[:] = tree
    return target.get().tobytes()


def compiled():
    tree = x
    for _ in range(next(numbers)):
        tree = be.exp(-abs(tree)) + y
    return len(store(z, tree))


def step():
    z[:] = be.exp(be.dot(w, x)) * y
    column[:] = be.sum(z, axis=1)


def recording():
    be.record(step)()
    return column.get().tobytes()


def evaluated():
    be.executor.interpret([(z, be.exp(x) - y)])
    return z.get().tobytes()


recorded = be.record(step)
statements = {
    "map": lambda: store(z, be.exp(x) * y),
    "reduction": lambda: store(column, be.sum(x * y, axis=1)),
    "temporaries": lambda: store(z, be.exp(be.dot(w, x)) - be.dot(w, y)),
    "product": lambda: store(z, be.dot(w, x)),
    "product of a vector": lambda: store(column, be.dot(w, v)),
    "stacks": lambda: store(products, apply("batched_dot", stack, other, reduce=False)),
    "convolution": lambda: store(of_five, apply("conv", few, five, **FIVE)),
    "winograd": lambda: store(of_three, apply("conv", many, three, **THREE)),
    "gradient for filters": lambda: store(
        gradient, apply("conv_backward_filter", few, errors, size=(1, 5, 5), **FIVE)
    ),
    "pooling": lambda: store(pooled, apply("pool", few, **POOL)),
    "random": lambda: len(store(z, be.rand())),
    "compile": compiled,
    "recorded": lambda: (recorded(), column.get().tobytes())[1],
    "recording": recording,
    "evaluated": evaluated,
    "plugins": lambda: (registry.reset(), registry.backend_choices())[1],
}
kind, forks = sys.argv[1], 2 if sys.argv[1] == "compile" else 8
run = statements[kind]
expected = run()
stop = threading.Event()


def work():
    while not stop.is_set():
        run()


beside = threading.Thread(target=work, daemon=True)
beside.start()
for number in range(forks):
    time.sleep(0.003 * number)
    child = os.fork()
    if not child:
        signal.alarm(30)
        os._exit(0 if run() == expected and run() == expected else 1)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0, (kind, number, status)
stop.set()
beside.join()
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_computes_what_a_thread_of_the_parent_computes(kind, tmp_path):
    variables = {**os.environ, "NEONPORT_NUM_THREADS": "2"}
    if kind == "compile":
        variables["NEONPORT_CACHE_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CODE, kind],
        env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
