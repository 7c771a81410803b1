"""The private OpenBLAS inside a process: loading, threads, forks, foreign thread pools."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from neonport.backends.host.blas import gemm as blas
from neonport.backends.host.blas.openblas import find_library, load_openblas
from neonport.backends.host.cpu_info import cpu_flags

pytestmark = pytest.mark.skipif(find_library() is None, reason="scipy-openblas32 is not installed")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def run_python(code, tmp_path, **environment):
    """Run code in a process of its own; a hang is a failure."""
    variables = {**os.environ, "NEONPORT_CACHE_DIR": str(tmp_path), **environment}
    variables.pop("OPENBLAS_CORETYPE", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@linux
def test_the_library_comes_with_the_first_product_only(tmp_path):
    code = """
        import pathlib, sys
        import numpy as np
        from neonport.backends.host.blas import gemm as blas

        def loaded():
            return "libscipy_openblas.so" in pathlib.Path("/proc/self/maps").read_text()

        a = np.ones((4, 4), np.float32)
        print(loaded())
        before = set(sys.modules)  # NumPy 2.2 imports subprocess itself
        blas.gemm(a, a, a.copy())
        new = set(sys.modules) - before
        print(loaded(), "scipy_openblas32" in new, "subprocess" in new)
    """
    assert run_python(code, tmp_path) == ["False", "True", "False", "False"]


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "PRESCOTT")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with pytest.raises(OSError, match="missing"):
        load_openblas(find_library().with_name("missing.so"), "HASWELL")
    assert dict(os.environ) == before


@linux
@pytest.mark.skipif("avx2" not in cpu_flags(), reason="the CPU has no AVX2")
def test_a_second_openblas_of_the_process_stays_as_it_is(tmp_path):
    code = """
        import ctypes, os
        import numpy as np
        os.environ["OPENBLAS_NUM_THREADS"] = "3"
        os.environ["OPENBLAS_CORETYPE"] = "NEHALEM"
        import scipy_openblas32  # loads its library for the whole process
        public = scipy_openblas32.dll
        public.scipy_openblas_get_corename.restype = ctypes.c_char_p
        os.environ["OPENBLAS_CORETYPE"] = "PRESCOTT"
        from neonport.backends.host.blas import gemm as blas
        from neonport.backends.host.blas.state import current_engine
        from neonport.backends.host.threads import set_num_threads
        a = np.ones((4, 4), np.float32)
        c = np.empty_like(a)
        blas.gemm(a, a, c)
        assert (c == 4).all()
        threads = public.scipy_openblas_get_num_threads()
        set_num_threads(2)
        assert public.scipy_openblas_get_num_threads() == threads
        private = current_engine(0).library
        get = private._handle.scipy_openblas_get_num_threads
        print(public.scipy_openblas_get_corename().decode(), blas.blas_info()["core"])
        print(threads, get(), os.environ["OPENBLAS_CORETYPE"])
    """
    out = run_python(code, tmp_path, NEONPORT_BLAS="openblas:HASWELL", NEONPORT_NUM_THREADS="1")
    assert out[:2] + out[3:] == ["Nehalem", "Haswell", "2", "PRESCOTT"]
    copies = list((tmp_path / "blas").glob("*.so"))
    assert len(copies) == 1


def test_the_number_of_threads_is_applied(tmp_path):
    code = """
        import numpy as np
        from neonport.backends.host import threads
        from neonport.backends.host.blas import gemm as blas
        from neonport.backends.host.blas.state import current_engine
        a = np.ones((300, 300), np.float32)
        get = current_engine(0).library._handle.scipy_openblas_get_num_threads
        for count in (1, 2, 3, 1):
            threads.set_num_threads(count)
            c = np.empty_like(a)
            blas.gemm(a, a, c)
            assert (c == 300).all()
            print(get(), blas.blas_info()["threads"])
    """
    out = run_python(code, tmp_path, NEONPORT_BLAS="openblas", NEONPORT_NUM_THREADS="2")
    assert out == ["1", "1", "2", "2", "3", "3", "1", "1"]


FORK = """
    import os, threading, warnings
    import numpy as np
    from neonport.backends.host.blas import gemm as blas

    warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
    rng = np.random.default_rng(0)
    a, b = (rng.random((300, 300), dtype=np.float32) for _ in range(2))
    c = np.empty_like(a)
    run = blas.bind_gemm(a, b, c)
    run()
    expected = a @ b
    stop = threading.Event()

    def work():
        mine = np.empty_like(a)
        while not stop.is_set():
            blas.gemm(a, b, mine)

    threads = [threading.Thread(target=work) for _ in range(BESIDE)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        child = os.fork()
        if not child:
            c[...] = 0
            run()
            good = np.allclose(c, expected, rtol=1e-4)
            d = np.empty_like(a)
            blas.gemm(a.T, b, d)
            os._exit(0 if good and np.allclose(d, a.T @ b, rtol=1e-4) else 1)
        assert os.waitpid(child, 0)[1] == 0
        c[...] = 0
        run()
        assert np.allclose(c, expected, rtol=1e-4)
    stop.set()
    for thread in threads:
        thread.join()
"""


@can_fork
@pytest.mark.parametrize("engine", ["openblas", "numpy"])
def test_a_forked_child_computes_and_so_does_its_parent(tmp_path, engine):
    run_python(
        FORK.replace("BESIDE", "0"), tmp_path, NEONPORT_BLAS=engine, NEONPORT_NUM_THREADS="2"
    )


@can_fork
@pytest.mark.parametrize("kind", ["call", "bound"])
def test_a_fork_beside_threads_that_compute(tmp_path, kind):
    code = FORK.replace("BESIDE", "2")
    if kind == "bound":
        code = code.replace("blas.gemm(a, b, mine)", "blas.bind_gemm(a, b, mine)()")
    run_python(code, tmp_path, NEONPORT_BLAS="openblas", NEONPORT_NUM_THREADS="2")


@can_fork
def test_a_child_may_compute_the_first_product(tmp_path):
    code = """
        import multiprocessing
        import numpy as np
        from neonport.backends.host.blas import gemm as blas

        def work(seed):
            a = np.random.default_rng(seed).random((300, 300), dtype=np.float32)
            c = np.empty_like(a)
            blas.gemm(a, a, c)
            return bool(np.allclose(c, a @ a, rtol=1e-4))

        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(*pool.map(work, range(4)))
    """
    assert run_python(code, tmp_path, NEONPORT_BLAS="openblas") == ["True"] * 4


POOL = r"""
#include <pthread.h>
#include <stddef.h>
typedef void (*job_t)(int, void *, int);
struct task { job_t job; int number; void *data; int extra; };
static int calls = 0;
int pool_calls(void) { return calls; }
static void *start(void *p) {
  struct task *t = p;
  t->job(t->number, t->data, t->extra);
  return NULL;
}
void pool_run(int sync, job_t job, int jobs, size_t size, void *data, int extra) {
  pthread_t threads[64];
  struct task tasks[64];
  __sync_fetch_and_add(&calls, 1);
  for (int i = 0; i < jobs; i++) {
    tasks[i] = (struct task){job, i, (char *)data + i * size, extra};
    if (i) pthread_create(&threads[i], NULL, start, &tasks[i]);
  }
  start(&tasks[0]);
  for (int i = 1; i < jobs; i++) pthread_join(threads[i], NULL);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build a pool with")
def test_products_run_on_a_foreign_thread_pool(tmp_path, fresh, monkeypatch, openblas):
    (tmp_path / "pool.c").write_text(POOL)
    shared = tmp_path / "pool.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-pthread", "-o", shared, tmp_path / "pool.c"], check=True
    )
    pool = ctypes.CDLL(str(shared))
    engine = blas.current_engine(0)
    engine.library._set_num_threads(2)
    rng = np.random.default_rng(0)
    a, b = (rng.random((300, 300), dtype=np.float32) for _ in range(2))
    own, foreign = np.empty_like(a), np.empty_like(a)
    blas.gemm(a, b, own)
    blas.use_thread_pool(ctypes.cast(pool.pool_run, ctypes.c_void_p).value)
    try:
        blas.gemm(a, b, foreign)
        assert pool.pool_calls() == 1
        stack = np.empty((20, 300, 300), np.float32)
        blas.batched_gemm(a, np.broadcast_to(b, stack.shape), stack)
        np.testing.assert_allclose(stack[7], foreign, rtol=1e-5)
        assert pool.pool_calls() > 1
    finally:
        calls = pool.pool_calls()
        blas.use_thread_pool(0)
    np.testing.assert_array_equal(own, foreign)
    blas.gemm(a, b, foreign)
    assert pool.pool_calls() == calls


def test_the_address_of_a_function_for_compiled_code(openblas):
    number, pointer = ctypes.c_int, ctypes.c_void_p
    kind = ctypes.CFUNCTYPE(
        None, number, number, number, number, ctypes.c_double, pointer, number, pointer, number,
        ctypes.c_double, pointer, number,
    )  # fmt: skip
    product = kind(openblas.function_address("cblas_dgemv"))
    a, x, y = np.arange(6.0).reshape(2, 3), np.ones(3), np.empty(2)
    product(101, 111, 2, 3, 1.0, a.ctypes.data, 3, x.ctypes.data, 1, 0.0, y.ctypes.data, 1)
    assert y.tolist() == [3.0, 12.0]
    assert openblas.function_address("cblas_nothing") == 0
