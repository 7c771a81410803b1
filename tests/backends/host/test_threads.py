"""The pool of threads: each task runs once, whatever the number of tasks and of threads."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

from neonport.backends.host import threads
from neonport.backends.host.jit import launcher as jit
from neonport.backends.host.jit.launcher import make_program, shape_of, shared_jit

SOURCE = """
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* a[0]: a byte for each task; a[1]: the thread of each task */
void mark(const uint64_t *a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    __atomic_fetch_add((unsigned char *)a[0] + t, 1, __ATOMIC_RELAXED);
    ((int64_t *)a[1])[t] = syscall(SYS_gettid);
  }
}
/* a[0]: how many have begun; a[1]: the thread of each task. Each of two waits for the other. */
void meet(const uint64_t *a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    int64_t *begun = (int64_t *)a[0];
    ((int64_t *)a[1])[t] = syscall(SYS_gettid);
    __atomic_fetch_add(begun, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 200000 && __atomic_load_n(begun, __ATOMIC_SEQ_CST) < 2; ++i) usleep(1);
  }
}
/* a[0]: number of tasks; a[1]: the largest end */
void add(const uint64_t *a, int64_t begin, int64_t end) {
  __atomic_fetch_add((int64_t *)a[0], end - begin, __ATOMIC_RELAXED);
  int64_t *top = (int64_t *)a[1], seen = *top;
  while (seen < end && !__atomic_compare_exchange_n(top, &seen, end, 0, 5, 5)) {}
}
"""


@pytest.fixture
def pool():
    """Runs tasks of a function above on as many threads as asked for."""
    shared = shared_jit()
    if shared is None:
        pytest.skip("no C compiler: there is no pool")
    library = shared.compiler.load(SOURCE)
    before = threads.num_threads()

    def run(name, count, tasks, grain, *arrays, turns=False):
        threads.set_num_threads(count)
        words = np.array([a.ctypes.data for a in arrays], np.uint64)
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        program = make_program([(address, words, tasks, grain)], turns)
        shared.run(program.ctypes.data)

    yield run
    threads.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("grain", [0, 1, 3, 64])
@pytest.mark.parametrize("turns", [False, True])
def test_each_task_runs_once(pool, count, grain, turns):
    for tasks in [0, 1, 2, 3, 5, 16, 97, 1000]:
        for _ in range(20):
            marks, ids = np.zeros(tasks + 1, np.uint8), np.zeros(tasks + 1, np.int64)
            pool("mark", count, tasks, grain, marks, ids, turns=turns)
            np.testing.assert_array_equal(marks, [1] * tasks + [0])


def test_threads_that_are_not_wanted_any_more_take_nothing(pool):
    marks, ids = np.zeros(1000, np.uint8), np.zeros(1000, np.int64)
    for _ in range(50):
        pool("mark", 7, 1000, 1, marks, ids)
    for _ in range(200):
        pool("mark", 2, 1000, 1, marks, ids)
        assert len(set(ids)) <= 2


@pytest.mark.parametrize("turns", [False, True])
def test_a_thread_begins_with_tasks_of_its_own(pool, turns):
    for _ in range(20):
        begun, ids = np.zeros(1, np.int64), np.zeros(2, np.int64)
        pool("meet", 2, 2, 1, begun, ids, turns=turns)
        assert ids[0] == threading.get_native_id() != ids[1]


def test_only_launches_that_store_no_elements_turn(pool, cpu, monkeypatch):
    seen = []

    def noted(launches, turns=False):
        seen.append(turns)
        return make_program(launches, turns)

    monkeypatch.setattr(jit, "make_program", noted)
    x, total = cpu.zeros((100, 1000)), cpu.zeros((100, 1))
    for pairs in ([(total, cpu.sum(x, axis=1))], [(x, x + 1)], [(x, x - cpu.sum(x, axis=1))]):
        cpu.executor.bind(pairs)
    assert seen == [True, False, False]


@pytest.mark.parametrize("tasks", [2**31 - 1, 2**31, 2**33 + 5])
def test_more_tasks_than_32_bits_count(pool, tasks):
    total, top = np.zeros(1, np.int64), np.zeros(1, np.int64)
    pool("add", 3, tasks, 1, total, top)
    assert total[0] == top[0] == tasks


def test_chunks_are_as_many_for_each_thread(cpu):
    from neonport.compiler.lowering import Lowering

    x = cpu.zeros((1, 100_000))
    for pairs in ([(cpu.empty(x.shape), x * 2)], [(cpu.empty((1, 1)), cpu.sum(x))]):
        (spec,) = cpu.executor.plan(Lowering().build(pairs)).kernels
        shape = shape_of(spec)
        assert shape.tasks % 8 == 0
        assert shape.chunk * shape.chunks - 100_000 < shape.chunk


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statements_with_products_have_the_same_bits_on_any_number_of_threads(cpu, dtype):
    rng = np.random.default_rng(0)
    w, x, y = (
        cpu.array(rng.uniform(-1, 1, shape), dtype=dtype)
        for shape in ((333, 700), (700, 129), (700, 333))
    )
    trees = {
        "product": cpu.dot(w, x),
        "fused": cpu.maximum(cpu.dot(w, x) * 2 - 1, 0),
        "transposed": cpu.dot(y.T, x),
        "softmax": cpu.exp(cpu.dot(w, x)) / cpu.sum(cpu.exp(cpu.dot(w, x)), axis=0),
    }
    before, results = threads.num_threads(), {name: set() for name in trees}
    try:
        for count in (1, 2, 3, 4):
            threads.set_num_threads(count)
            for name, tree in trees.items():
                out = cpu.empty(tree.shape, dtype=dtype)
                out[:] = tree
                results[name].add(out.get().tobytes())
    finally:
        threads.set_num_threads(before)
    assert {name: len(found) for name, found in results.items()} == dict.fromkeys(trees, 1)
