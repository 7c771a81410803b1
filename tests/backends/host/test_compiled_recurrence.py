"""Compiled recurrences of the cpu backend: any number of threads, both types, and without."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.backends.host import threads
from neonport.backends.host.kernels import library as native
from neonport.backends.host.kernels import recurrence
from neonport.ops.op import OPS
from neonport.optree.node import apply
from tests.ops.test_recurrence import FAMILIES, operands, parameters

pytestmark = pytest.mark.skipif(
    native.library("recurrence.c", REAL="float32") is None, reason="there is no C compiler here"
)

GIVEN = 5  # place of `given` among the words of `sharing_t`


@pytest.fixture
def be():
    return gen_backend("cpu", batch_size=2)


def stored(be, tree, dtype):
    """A new tensor with the values of a tree."""
    out = be.empty(tree.shape, dtype=dtype)
    out[:] = tree
    return out


def results(be, family, arrays, params, dtype):
    """The recurrence and its adjoint, on new tensors."""
    tensors = [be.array(a, dtype=dtype) for a in arrays]
    s = stored(be, apply(family, *tensors, **params), dtype)
    last = {"rnn": [], "lstm": tensors[4:], "gru": tensors[3:]}[family]
    adjoint = apply(f"{family}_backward", s, s, tensors[1], *last, **params)
    return s.get(), stored(be, adjoint, dtype).get()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("samples", [1, 9, 65])
@pytest.mark.parametrize("family", FAMILIES)
def test_bits_do_not_depend_on_threads(be, monkeypatch, family, samples, dtype):
    monkeypatch.setattr(recurrence, "SERIAL_WORK", 0)
    arrays = operands(family, 7, 3, samples)
    params = parameters(family, 3)
    before = threads.num_threads()
    found = []
    try:
        for count in (1, 2, 5):
            threads.set_num_threads(count)
            found.append(results(be, family, arrays, params, dtype))
    finally:
        threads.set_num_threads(before)
    want = OPS[family].numpy(*arrays, **params)
    bound = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(found[0][0], want, rtol=bound, atol=bound)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("family", FAMILIES)
def test_who_has_no_columns_left_takes_over_those_of_another(be, monkeypatch, family, backward):
    """Three blocks of columns for two threads: the third one changes hands, bits are the same."""
    if threads.num_threads() < 2:
        pytest.skip("there is one processor: a thread would do all before another comes")
    shared = []
    bind_all = native.Library.bind_all
    monkeypatch.setattr(
        native.Library,
        "bind_all",
        lambda self, launches, keep: shared.append(keep[-1]) or bind_all(self, launches, keep),
    )
    steps, lanes = 40, native.library("recurrence.c", REAL="float32").constant("neo_lanes")
    arrays = operands(family, 48, steps, 3 * 2 * lanes)
    params = parameters(family, steps)
    tensors = [be.array(a, dtype="float32") for a in arrays]
    tree = apply(family, *tensors, **params)
    if backward:
        s = stored(be, tree, "float32")
        last = {"rnn": [], "lstm": tensors[4:], "gru": tensors[3:]}[family]
        tree = apply(f"{family}_backward", s, s, tensors[1], *last, **params)
    before, given = threads.num_threads(), 0
    try:
        threads.set_num_threads(1)
        want = stored(be, tree, "float32").get()
        monkeypatch.setattr(recurrence.threads, "num_threads", lambda: 2)
        threads.set_num_threads(2)
        out = be.empty(tree.shape)
        for _ in range(200):
            out[:] = tree
            given += shared[-1][GIVEN]
            np.testing.assert_array_equal(out.get(), want)
    finally:
        threads.set_num_threads(before)
    assert given


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_compiler_the_definition_runs(be, monkeypatch, family):
    arrays = operands(family, 3, 2, 4)
    params = parameters(family, 2, reverse=True)
    compiled = results(be, family, arrays, params, "float32")
    monkeypatch.setattr(native, "library", lambda *args, **types: None)
    for a, b in zip(compiled, results(be, family, arrays, params, "float32"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_operands_whose_rows_are_apart_are_not_copied(be, monkeypatch):
    """Views of some columns are read and written where they are."""
    copied = []
    monkeypatch.setattr(np, "copyto", lambda *args: copied.append(args))
    room = be.zeros((12, 20))
    w, out = be.ones((12, 3)), be.zeros((21, 11))
    out[:, 2:10] = be.lstm(room[:, 5:13], w, steps=2, all_blocks=True)
    assert not copied
    assert (out.get()[9:, 2:10] == 0.5).sum() == 72
