"""The private OpenBLAS inside a process: loading, threads, forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

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
    run_python(code, tmp_path)  # which may compile
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
        from neonport.backends.host.blas.choice import current_engine
        from neonport.backends.host.threads import set_num_threads
        a = np.ones((4, 4), np.float32)
        c = np.empty_like(a)
        blas.gemm(a, a, c)
        assert (c == 4).all()
        threads = public.scipy_openblas_get_num_threads()
        set_num_threads(2)
        assert public.scipy_openblas_get_num_threads() == threads
        private = current_engine().library
        get = private._handle.scipy_openblas_get_num_threads
        print(public.scipy_openblas_get_corename().decode(), blas.blas_info()["core"])
        print(threads, get(), os.environ["OPENBLAS_CORETYPE"])
    """
    out = run_python(code, tmp_path, NEONPORT_BLAS="openblas:HASWELL", NEONPORT_NUM_THREADS="1")
    assert out[:2] + out[3:] == ["Nehalem", "Haswell", "1", "PRESCOTT"]
    copies = list((tmp_path / "blas").glob("*.so"))
    assert len(copies) == 1


@linux
def test_the_library_starts_no_threads(tmp_path):
    code = """
        import os
        import numpy as np
        from neonport.backends.host.blas import gemm as blas
        from neonport.backends.host.blas.choice import current_engine
        a = np.ones((600, 600), np.float32)
        c = np.empty_like(a)
        before = len(os.listdir("/proc/self/task"))
        blas.gemm(a, a, c)
        assert (c == 600).all()
        print(len(os.listdir("/proc/self/task")) - before)  # those of the pool
        print(current_engine().library._handle.scipy_openblas_get_num_threads())
    """
    variables = {"NEONPORT_BLAS": "openblas", "OPENBLAS_NUM_THREADS": "2"}
    for compiler, pool in (("", "2"), ("none", "2")):
        out = run_python(
            code, tmp_path, NEONPORT_NUM_THREADS="3", NEONPORT_CC=compiler, **variables
        )
        assert out == [pool, "1"]


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
@pytest.mark.parametrize("compiler", ["", "none"])
@pytest.mark.parametrize("kind", ["call", "bound"])
def test_a_fork_beside_threads_that_compute(tmp_path, kind, compiler):
    code = FORK.replace("BESIDE", "2")
    if kind == "bound":
        code = code.replace("blas.gemm(a, b, mine)", "blas.bind_gemm(a, b, mine)()")
    variables = {"NEONPORT_CC": compiler, "NEONPORT_NUM_THREADS": "2"}
    run_python(code, tmp_path, NEONPORT_BLAS="openblas", **variables)


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


BEGIN = """
import os, resource
import numpy as np
from neonport.backends.host.blas import gemm as blas

def limit(more):
    used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + more if more else -1, -1))

a = np.ones((700, 700), np.float32)
c = np.empty_like(a)
"""
END = """
blas.gemm(a, a, c)
assert (c == 700).all()
"""


@linux
@pytest.mark.parametrize("engine", ["openblas", "numpy"])
def test_no_memory_for_the_first_product_is_an_error_and_not_the_end(tmp_path, engine):
    code = """
for more in (1 << 20, 40 << 20, 100 << 20):
    limit(more)
    try:
        blas.gemm(a, a, c)
    except MemoryError as error:
        assert "ulimit" in str(error)
        print("refused")
limit(0)
"""
    assert run_python(BEGIN + code + END, tmp_path, NEONPORT_BLAS=engine) == ["refused"] * 3


@linux
@pytest.mark.parametrize("compiler", ["", "none"])
def test_without_memory_for_more_calls_they_take_turns(tmp_path, compiler):
    code = """
blas.gemm(a[:9, :9], a[:9, :9], c[:9, :9])
limit(50 << 20)
"""
    variables = {"NEONPORT_CC": compiler, "NEONPORT_NUM_THREADS": "4"}
    run_python(BEGIN + code + END, tmp_path, NEONPORT_BLAS="openblas", **variables)
