"""Values kept between passes, stores past the cache, numbers drawn ahead: bits as without."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUBackend
from neonport.backends.host.jit import launcher as jit
from neonport.compiler.codegen.cpu.buffers import KEPT_LENGTH, HostVariant
from neonport.compiler.codegen.reuse import kept, streamable
from neonport.compiler.lowering import Lowering
from neonport.ops.philox import uniform

PLAIN = HostVariant()


@pytest.fixture
def run(monkeypatch):
    """Run a statement maker on a fresh backend in a forced variant; returns its targets' bytes."""
    shape = jit.task_shape.__wrapped__

    def runner(make, *, keep=False, stream=False):
        chosen: list[HostVariant] = []

        def forced(kernel, sizes, cache):
            own = shape(kernel, sizes, cache)
            variant = HostVariant(
                own.variant.split,
                keep and own.variant.keep,
                stream and bool(streamable(kernel, keep and own.variant.keep)),
            )
            chosen.append(variant)
            return dataclasses.replace(own, variant=variant)

        monkeypatch.setattr(jit, "task_shape", forced)
        be = CPUBackend(rng_seed=3)
        pairs = make(be)
        be.assign_many(pairs)
        return [t.get().tobytes() for t, _ in pairs], chosen[0]

    return runner


def _filled(be, *shape, dtype=np.float32):
    return be.array(np.random.RandomState(7).normal(size=shape) * 3, dtype=dtype)


def _softmax(axis):
    def make(be):
        x = _filled(be, 37, 131)
        e = be.exp(x - be.max(x, axis=axis))
        return [(be.empty(x.shape), e / be.sum(e, axis=axis))]

    return make


def _loss(be):
    x, t = _filled(be, 10, 300), _filled(be, 10, 300)
    shifted = x - be.max(x, axis=0)
    e = be.exp(shifted)
    total = be.sum(e, axis=0)
    loss = -be.sum(t * (shifted - be.log(total)), axis=0)
    return [(be.empty((1, 300)), loss), (be.empty(x.shape), e / total - t)]


def _variance_of_tanh(be):
    x = _filled(be, 6, 1500)
    y = be.tanh(x)
    return [(be.empty(x.shape), (y - be.mean(y, axis=1)) / be.sqrt(be.var(y, axis=1) + 1e-3))]


def _noise(be):
    x = _filled(be, 5, 700)
    noise = be.rand(shape=x.shape)
    return [(be.empty(x.shape), x * noise / be.sum(noise, axis=1))]


@pytest.mark.parametrize(
    "make", [_softmax(0), _softmax(1), _loss, _variance_of_tanh, _noise],
    ids=["softmax0", "softmax1", "loss", "variance", "noise"],
)  # fmt: skip
def test_kept_values_give_the_same_bits(run, make):
    without, plain = run(make)
    with_kept, variant = run(make, keep=True)
    assert (plain.keep, variant.keep) == (False, True)
    assert with_kept == without


def _map(offset, dtype):
    def make(be):
        x = _filled(be, 3, 1111)
        wide = be.zeros((3, 1200), dtype=dtype)
        return [(wide[:, offset : offset + 1111], x * 2.5 + 1.5)]

    return make


def _columns(be):
    x = _filled(be, 40, 333)
    return [(be.empty(x.shape), (x - be.mean(x, axis=0)) * be.max(x, axis=0))]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("offset", [0, 1, 16, 31])
def test_streamed_stores_give_the_same_bits(run, offset, dtype):
    without, _ = run(_map(offset, np.dtype(dtype)))
    streamed, variant = run(_map(offset, np.dtype(dtype)), stream=True)
    assert variant.stream
    assert streamed == without


@pytest.mark.parametrize("make", [_columns, _loss, _softmax(1)])
def test_streamed_results_of_reductions(run, make):
    without, _ = run(make)
    streamed, variant = run(make, keep=True, stream=True)
    assert variant.stream
    assert streamed == without


def _kernel(be, pairs):
    (spec,) = be.executor.plan(Lowering().build(pairs)).kernels
    return spec


def test_large_results_are_streamed_and_small_ones_not(cpu, monkeypatch):
    monkeypatch.setattr(jit, "last_level_cache", lambda: 1 << 20)
    x = cpu.zeros((1000, 1000))
    assert jit.shape_of(_kernel(cpu, [(cpu.empty(x.shape), x * 2)])).variant.stream
    small = cpu.zeros((100, 1000))
    assert not jit.shape_of(_kernel(cpu, [(cpu.empty(small.shape), small * 2)])).variant.stream


def test_what_is_read_is_not_streamed(cpu):
    x, y = cpu.zeros((64, 64)), cpu.zeros((64, 64))
    kernel = _kernel(cpu, [(x, x * 2), (y, x + 1)]).kernel
    written = {kernel.accesses[i].buffer for i in streamable(kernel, False)}
    read = {kernel.accesses[n.attr].buffer for n in kernel.nodes if n.op == "load"}
    assert len(written) == 1
    assert not written & read


def test_a_costly_function_before_the_store_is_not_streamed(cpu):
    x = cpu.zeros((64, 64))
    assert not streamable(_kernel(cpu, [(cpu.empty(x.shape), cpu.exp(x))]).kernel, False)


def test_long_rows_are_computed_again(cpu):
    x = cpu.zeros((40, KEPT_LENGTH + 1))
    spec = _kernel(cpu, [(cpu.empty(x.shape), cpu.fprop_softmax(x, 1))])
    assert kept(spec.kernel)
    assert not jit.shape_of(spec).variant.keep


@pytest.mark.parametrize("columns", [1, 3, 64, 255, 256, 257, 1025])
def test_numbers_drawn_ahead_are_those_of_the_generator(cpu, columns):
    out = cpu.empty((5, columns + 1))[:, :columns]  # rows begin anywhere in a block of four
    out[:] = cpu.rand()
    key, offset = CPUBackend(rng_seed=cpu.rng_seed).philox.reserve_with_key(5 * columns)
    assert out.get().tobytes() == uniform(key, offset, 5 * columns).tobytes()
