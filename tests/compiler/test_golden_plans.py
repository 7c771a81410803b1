"""A table of what representative statements become: kernels, calls, phases, temporaries.

The statements are planned on the `null` backend, so nothing runs. A row of `golden_plans.txt`
reads

    name | kernels | calls | temporaries | steps in order

where a kernel is `k` and its number of phases, as in `k3`, and a call is the name of its op. A
statement that several assignments make (an optimizer, a layer operation) shows them all, with `;`
between. A change of fusion names the tree and shows both rows. When the new row is the better one,
write the table anew:

    python -m tests.compiler.test_golden_plans

A new tree is one more function in `golden_trees.py` or `golden_calls.py` with `@tree("name")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.compiler.explain.explanation import explain
from neonport.engine.tracing import observing
from tests.compiler.golden_calls import TREES

GOLDEN = Path(__file__).with_name("golden_plans.txt")


@contextmanager
def null_backend() -> Iterator[Any]:
    try:
        yield gen_backend("null", batch_size=8, rng_seed=0)
    finally:
        cleanup_backend()


def row(name: str, be: Any) -> str:
    """What the tree of that name becomes."""
    found = []
    with observing(lambda backend, pairs: found.append(explain(pairs, backend))):
        statement = TREES[name](be)
    if statement is not None:
        found = [be.explain(statement)]
    steps = [
        " ".join(f"k{s.spec.kernel.phases}" if s.is_kernel else s.spec.value.op for s in e.steps)
        for e in found
    ]
    kernels, calls, temporaries = (
        sum(len(getattr(e, what)) for e in found) for what in ("kernels", "calls", "temporaries")
    )
    return f"{name:54} | {kernels} | {calls} | {temporaries} | {' ; '.join(steps)}"


def golden() -> dict[str, str]:
    return {line.partition("|")[0].strip(): line for line in GOLDEN.read_text().splitlines()}


@pytest.fixture(scope="module")
def null() -> Iterator[Any]:
    with null_backend() as be:
        yield be


@pytest.mark.parametrize("name", TREES)
def test_a_statement_becomes_the_steps_of_the_table(name, null):
    found, wanted = row(name, null), golden().get(name, "(no row)")
    assert found == wanted, f"{name!r} is planned in another way\nnow   {found}\ntable {wanted}"


def test_the_table_has_no_row_without_a_tree():
    assert list(golden()) == list(TREES)


if __name__ == "__main__":
    with null_backend() as backend:
        GOLDEN.write_text("".join(f"{row(name, backend)}\n" for name in TREES))
