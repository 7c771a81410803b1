"""In which pass over a row a reduction is done: where what it folds is read anyway."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff.autodiff import Autodiff
from neonport.compiler.reduction_phases import cone


def gradient(be, x, d, gamma, axis=1):
    """Gradients of a normalisation by its inputs, scale and shift."""
    centred = x - be.mean(x, axis=axis)
    y = centred / be.sqrt(be.var(x, axis=axis) + 1e-3) * gamma + gamma
    hat = centred / be.sqrt(be.var(x, axis=axis) + 1e-3)
    (dx,) = Autodiff(y, be, next_error=d).get_grad_op_tree([x])
    return dx, be.sum(d * hat, axis=axis), 0.5 * be.sum(d, axis=axis)


def passes(kernel):
    """For each pass the reductions that it does, and the buffers that it reads."""
    found = []
    for phase in range(kernel.phases):
        reductions = [r for r in kernel.reductions if r.phase == phase]
        wanted = [r.source for r in reductions]
        wanted += [s.source for s in kernel.stores if s.phase == phase and not s.row]
        loads = [kernel.nodes[i].attr for i in cone(kernel, wanted) if kernel.nodes[i].op == "load"]
        buffers = {kernel.accesses[i].buffer for i in loads}
        found.append((sorted(r.op for r in reductions), len(buffers)))
    return found


def test_errors_are_summed_where_they_are_read(cpu, fill, steps):
    x, d, gamma = fill(cpu, 8, 300), fill(cpu, 8, 300), fill(cpu, 8, 1)
    dx, dgamma, dbeta = gradient(cpu, x, d, gamma)
    targets = [cpu.empty((8, 300)), cpu.empty((8, 1)), cpu.empty((8, 1))]
    (step,) = steps(list(zip(targets, (dx, dgamma, dbeta), strict=True)))
    first, second, third = passes(step.kernel)
    assert first == (["sum", "var"], 1)
    assert second[0].count("sum") >= 3
    assert second[1] == 2
    assert third == ([], 2)


def test_two_reductions_of_one_array_move_together(cpu, fill, steps):
    x, d = fill(cpu, 8, 300), fill(cpu, 8, 300)
    rows = [cpu.empty((8, 1)) for _ in range(3)]
    product = cpu.sum((x - cpu.mean(x, axis=1)) * d, axis=1)
    pairs = zip(rows, (product, cpu.sum(d, axis=1), cpu.max(d, axis=1)), strict=True)
    (step,) = steps(list(pairs))
    assert passes(step.kernel) == [(["sum"], 1), (["max", "sum", "sum"], 2)]


def test_what_shortens_no_pass_stays(cpu, fill, steps):
    x, d = fill(cpu, 8, 300), fill(cpu, 8, 300)
    rows = [cpu.empty((8, 1)) for _ in range(2)]
    product = cpu.sum((x - cpu.mean(x, axis=1)) * d, axis=1)
    (step,) = steps(list(zip(rows, (product, cpu.max(x, axis=1)), strict=True)))
    assert passes(step.kernel) == [(["max", "sum"], 1), (["sum"], 2)]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        ("sum", [(["sum"], 1), (["sum", "sum"], 2)]),
        ("max", [(["sum"], 1), (["max", "sum"], 2)]),
        ("var", [(["sum", "var"], 2), (["sum"], 2)]),  # it would look at what is overwritten
    ],
)
def test_a_pass_that_stores_folds_as_well(cpu, fill, steps, fold, expected):
    x, d = fill(cpu, 8, 300), fill(cpu, 8, 300)
    rows = [cpu.empty((8, 1)) for _ in range(2)]
    product = cpu.sum((x - cpu.mean(x, axis=1)) * d, axis=1)
    pairs = [(d, 2 * d), (rows[0], product), (rows[1], getattr(cpu, fold)(d, axis=1))]
    (step,) = steps(pairs)
    assert passes(step.kernel) == expected
    before = d.get().astype(np.float64)
    cpu.assign_many(pairs)
    folded = getattr(before, fold)(axis=1)
    np.testing.assert_allclose(rows[1].get()[:, 0], folded, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(d.get(), 2 * before)


@pytest.mark.parametrize("shape", [(5, 7), (40, 300), (2, 70_000), (1, 1), (3, 5000)])
@pytest.mark.parametrize("axis", [0, 1])
def test_values(be, shape, axis):
    """Rows in one task, rows cut into chunks, and columns, in place."""
    rng = np.random.default_rng(2)
    shape = shape[::-1] if axis == 0 else shape
    small = tuple(1 if a == axis else n for a, n in enumerate(shape))
    x, d = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    gamma = rng.normal(size=small).astype(np.float32)
    tensors = be.array(x), be.array(d), be.array(gamma)
    dx, dgamma, dbeta = gradient(be, *tensors, axis=axis)
    targets = tensors[1], be.empty(small), be.empty(small)
    be.assign_many(list(zip(targets, (dx, dgamma, dbeta), strict=True)))

    x, d, gamma = (a.astype(np.float64) for a in (x, d, gamma))
    n = shape[axis]
    spread = np.sqrt(x.var(axis=axis, keepdims=True) + 1e-3)
    hat = (x - x.mean(axis=axis, keepdims=True)) / spread
    by_hat = d * gamma
    along, total = ((by_hat * a).sum(axis=axis, keepdims=True) / n for a in (hat, 1))
    scale = np.sqrt(n)
    np.testing.assert_allclose(
        targets[0].get(), (by_hat - total - hat * along) / spread, rtol=1e-3, atol=1e-4
    )
    for got, expected in ((targets[1], d * hat), (targets[2], 0.5 * d)):
        expected = expected.sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(got.get(), expected, rtol=1e-4, atol=1e-5 * scale)
