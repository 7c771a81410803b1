"""How many kernels a statement is cut into: the point of the scheduler."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.autodiff.autodiff import Autodiff
from neonport.compiler.execution_plan import LibraryCall


class Recorder:
    """Stands in for `assign_many` and keeps the pairs."""

    def __init__(self, be, monkeypatch):
        self.statements = []
        monkeypatch.setattr(be, "assign_many", lambda pairs: self.statements.append(list(pairs)))
        monkeypatch.setattr(be, "assign", lambda t, v: self.statements.append([(t, v)]))


def test_elementwise_chain_is_one_kernel(cpu, fill, steps):
    x, w, y = fill(cpu, 40, 30), fill(cpu, 40, 1), cpu.empty((40, 30))
    tree = cpu.tanh(x * w + 1.5) / (cpu.exp(-x) + cpu.sqrt(abs(w)))
    assert len(steps([(y, tree)])) == 1


def test_contiguous_space_is_one_loop(cpu, fill, steps):
    x, y = fill(cpu, 4, 5, 6), cpu.empty((4, 5, 6))
    (kernel,) = steps([(y, x * 2)])
    assert kernel.sizes == (120,)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_is_one_kernel(cpu, fill, steps, axis):
    x = fill(cpu, 10, 64)
    found = steps([(x, cpu.fprop_softmax(x, axis))])
    assert len(found) == 1
    assert found[0].kernel.phases == 3


def test_softmax_cross_entropy_gradient(cpu, fill, steps):
    x, t, d = fill(cpu, 10, 64), fill(cpu, 10, 64), cpu.empty((10, 64))
    loss = cpu.sum(-t * cpu.safelog(cpu.fprop_softmax(x, 0)), axis=0)
    (gradient,) = Autodiff(loss, cpu).get_grad_op_tree([x])
    assert len(steps([(d, gradient)])) == 1


def test_batch_norm_forward_is_one_kernel(cpu, fill, steps, monkeypatch):
    x, y = fill(cpu, 16, 256), cpu.empty((16, 256))
    s = [cpu.empty((16, 1)) for _ in range(6)]
    recorder = Recorder(cpu, monkeypatch)
    cpu.compound_fprop_bn(x, *s, y, 1e-3, 0.9, True)
    (pairs,) = recorder.statements
    found = steps(pairs)
    assert len(found) == 1
    assert found[0].kernel.phases == 2
    assert len(found[0].kernel.stores) == 5


def test_batch_norm_backward_is_one_kernel(cpu, fill, steps, monkeypatch):
    x, d = fill(cpu, 16, 256), fill(cpu, 16, 256)
    s = [fill(cpu, 16, 1) for _ in range(5)]
    recorder = Recorder(cpu, monkeypatch)
    cpu.compound_bprop_bn(d, s[0], s[1], d, x, s[2], s[3], s[4], 1e-3)
    (pairs,) = recorder.statements
    assert len(steps(pairs)) == 1


def test_batch_norm_backward_by_autodiff(cpu, fill, steps, monkeypatch):
    x, gamma, beta, d = (fill(cpu, 16, n) for n in (256, 1, 1, 256))
    tree = (x - cpu.mean(x, axis=1)) / cpu.sqrt(cpu.var(x, axis=1) + 1e-3) * gamma + beta
    buffers = [cpu.empty(t.shape) for t in (x, gamma, beta)]
    recorder = Recorder(cpu, monkeypatch)
    Autodiff(tree, cpu, next_error=d).back_prop_grad([x, gamma, beta], buffers)
    assert sum(len(steps(pairs)) for pairs in recorder.statements) <= 2


def test_adam_is_one_kernel_with_four_inputs_and_three_outputs(cpu, fill, steps):
    p, g, m, v = (fill(cpu, 100, 20) for _ in range(4))
    grad = g * (1 / 128)
    m_new, v_new = m * 0.9 + grad * 0.1, v * 0.999 + grad * grad * 0.001
    pairs = [(m, m_new), (v, v_new), (p, p - 0.01 * m_new / (cpu.sqrt(v_new) + 1e-8))]
    (kernel,) = steps(pairs)
    assert kernel.kernel.buffers == 4
    assert len(kernel.kernel.stores) == 3
    assert kernel.bytes_moved == 7 * 2000 * 4


def test_sum_of_products_and_full_variance(cpu, fill, steps):
    x, z, s = fill(cpu, 30, 40), fill(cpu, 30, 40), cpu.empty((1, 1))
    assert len(steps([(s, cpu.sum(x * z))])) == 1
    assert len(steps([(s, cpu.var(x))])) == 1


def test_common_subexpressions_are_computed_once(cpu, fill, steps):
    x, y, z = fill(cpu, 30, 40), cpu.empty((30, 40)), cpu.empty((30, 40))
    pairs = [(y, cpu.exp(x * 2.0) + 1.0), (z, cpu.exp(x * 2.0) - 1.0)]
    (kernel,) = steps(pairs)
    assert [n.op for n in kernel.kernel.nodes].count("exp") == 1


def test_dot_is_a_call_and_what_follows_one_kernel(cpu, fill, steps):
    w, x, b, y = fill(cpu, 7, 5), fill(cpu, 5, 9), fill(cpu, 7, 1), cpu.empty((7, 9))
    found = steps([(y, cpu.maximum(cpu.dot(w, x) + b, 0))])
    assert [isinstance(s, LibraryCall) for s in found] == [True, False]


def test_dot_writes_its_target_directly(cpu, fill, steps):
    w, x, y = fill(cpu, 7, 5), fill(cpu, 5, 9), cpu.empty((7, 9))
    (call,) = steps([(y, cpu.dot(w, x))])
    assert call.target.layout[0] == (7, 9)
    assert call.target.slot >= 0


def test_a_moved_selection_is_written_where_it_belongs(cpu, fill, steps):
    x, rows = fill(cpu, 30, 40), cpu.array(np.arange(8).reshape(-1, 1), dtype=np.int32)
    moved, y = cpu.take(x, rows, axis=0).T, cpu.empty((40, 8))
    assert len(steps([(y, moved)])) == 2, "select, then move into the target: no third copy"
    y[:] = moved
    np.testing.assert_array_equal(y.get(), x.get()[:8].T)
    wide = cpu.zeros((y.shape[0], 2 * y.shape[1]))
    wide[:, ::2] = moved
    np.testing.assert_array_equal(wide.get()[:, ::2], x.get()[:8].T)
    assert not wide.get()[:, 1::2].any()


def test_transposes_become_strides(cpu, fill, steps):
    x, z, y = fill(cpu, 30, 40), fill(cpu, 40, 30), cpu.empty((30, 40))
    assert len(steps([(y, cpu.exp(x.T + z).T)])) == 1


def test_a_changed_number_is_the_same_kernel(cpu, fill, steps):
    x = fill(cpu, 30, 40)
    (a,), (b,) = (steps([(x, x * rate + 1.0)]) for rate in (0.1, 0.05))
    assert a.kernel == b.kernel
    assert a.kernel.key == b.kernel.key


def test_aliased_target_in_place_or_through_a_temporary(cpu, fill, steps):
    x = fill(cpu, 6, 6)
    assert len(steps([(x, x * 2)])) == 1
    found = steps([(x, x.T * 2)])
    assert len(found) == 2, "the transpose of the target is read elsewhere: compute, then copy"
    assert found[0].buffers[-1].slot < 0


def test_long_chains_are_cut(cpu, fill, steps):
    x, y = fill(cpu, 3, 3), cpu.empty((3, 3))
    tree = x
    for _ in range(400):
        tree = cpu.sqrt(tree + 1.0)
    assert 2 <= len(steps([(y, tree)])) <= 10
