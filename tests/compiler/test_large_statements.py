"""Work and kernels of large statements grow with their size, not with the square of it.

Work is counted in function calls, which are the same on every machine.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from neonport import Autodiff
from neonport.compiler.lowering import Lowering
from neonport.compiler.schedule import MAX_BUFFERS, MAX_VALUES
from neonport.engine.checks import check_pair
from neonport.engine.executor import must_interpret

SHAPE = (4, 6)


def square_of_a_sum(be, n):
    xs = [be.ones(SHAPE) for _ in range(n)]
    s = xs[0]
    for x in xs[1:]:
        s = s + x
    return s * s, xs


def sum_of_functions(be, n):
    xs = [be.ones(SHAPE) for _ in range(n)]
    s = be.tanh(xs[0])
    for x in xs[1:]:
        s = s + be.tanh(x) * x
    return s * s, xs


def norm_of_all(be, n):
    xs = [be.ones(SHAPE) for _ in range(n)]
    s = be.sum(be.square(xs[0]))
    for x in xs[1:]:
        s = s + be.sum(be.square(x))
    return be.sqrt(s), xs


def products(be, n):
    ws, y = [be.ones((4, 4)) for _ in range(n)], be.ones(SHAPE)
    for w in ws:
        y = be.tanh(be.dot(w, y))
    return y, ws


def scaled_in_turn(be, n):
    xs, y = [be.ones(SHAPE) for _ in range(n)], be.ones(SHAPE)
    for x in xs:
        y = y * x
    return y, xs


def chain(be, n):
    x = y = be.ones(SHAPE)
    for _ in range(2 * n):
        y = be.tanh(y) + 0.5 * x
    return y, [x]


def shared(be, n):
    x = y = be.ones(SHAPE)
    for _ in range(2 * n):
        y = be.sin(y * y + y)
    return y, [x]


STATEMENTS = [
    square_of_a_sum,
    sum_of_functions,
    norm_of_all,
    products,
    scaled_in_turn,
    chain,
    shared,
]


def planned(be, make, n):
    """The plan of all gradients of a tree, and how many calls it took."""
    tree, xs = make(be, n)
    outs = [be.empty(x.shape) for x in xs]
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        gradients = Autodiff(tree, be).get_grad_op_tree(xs)
        pairs = list(zip(outs, gradients, strict=True))
        for target, value in pairs:
            check_pair(be, target, value)
        assert not must_interpret(pairs)
        graph = Lowering().build(pairs)
        plan = be.executor.plan(graph)
    finally:
        sys.setprofile(before)
    return plan, calls


@pytest.mark.parametrize("make", STATEMENTS, ids=lambda m: m.__name__)
def test_twice_the_size_is_twice_the_work(cpu, make):
    (_, _), (small, few), (large, many) = (planned(cpu, make, n) for n in (20, 100, 200))
    assert many < 2.4 * few
    nodes = [sum(len(k.kernel.nodes) for k in plan.kernels) for plan in (small, large)]
    assert nodes[1] < 2.4 * nodes[0]
    for step in large.kernels:
        assert step.kernel.buffers <= MAX_BUFFERS
        assert len(step.kernel.nodes) <= MAX_VALUES + 3 * MAX_BUFFERS  # loads and results as well


@pytest.mark.parametrize("make", STATEMENTS, ids=lambda m: m.__name__)
def test_the_right_numbers(cpu, make, monkeypatch):
    tree, xs = make(cpu, 60)
    rng = np.random.RandomState(0)
    for x in xs:
        x.set(rng.uniform(0.5, 1.3, x.shape) / np.sqrt(x.shape[0]))
    found = Autodiff(tree, cpu).get_grad_asnumpyarray(xs)
    monkeypatch.setattr(cpu.executor, "run", cpu.executor.interpret)
    wanted = Autodiff(tree, cpu).get_grad_asnumpyarray(xs)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-30)


def test_a_kernel_reads_no_more_places_than_a_device_has_room_for(cpu):
    xs = [cpu.array(np.full(SHAPE, float(i))) for i in range(150)]
    total = xs[0]
    for x in xs[1:]:
        total = total + cpu.exp(-x)
    out = cpu.empty(SHAPE)
    plan = cpu.executor.plan(Lowering().build([(out, total)]))
    assert len(plan.kernels) > 2
    assert max(k.kernel.buffers for k in plan.kernels) <= MAX_BUFFERS
    out[:] = total
    np.testing.assert_allclose(out.get()[0, 0], np.exp(-np.arange(1.0, 150)).sum(), rtol=1e-5)


def test_many_targets_of_shared_memory_are_told_apart(cpu):
    from neonport.errors import AliasError

    block = cpu.zeros((200, 4))
    targets = [block[i] for i in range(200)]
    cpu.assign_many([(t, float(i)) for i, t in enumerate(targets)])
    assert (block.get()[:, 0] == np.arange(200)).all()
    with pytest.raises(AliasError, match=r"\(2, 4\) and \(1, 4\)"):
        cpu.assign_many([(block[5:7], 1.0), *((t, 2.0) for t in targets)])
