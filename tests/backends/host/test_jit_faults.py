"""The compiler, the cache folder and the processor's threads may fail; training goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.backends.host.jit_process import STATEMENTS, environment_of, run, warnings_in


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with a cache in it, and the values of the run that filled it."""
    folder = tmp_path_factory.mktemp("good")
    return folder, run(folder)[0]


@pytest.fixture(scope="module")
def expected(filled):
    return filled[1]


def test_second_run_compiles_nothing(tmp_path, expected):
    first, how, _ = run(tmp_path)
    assert int(how) >= 2
    second, again, _ = run(tmp_path)
    assert first == second == expected
    assert again == "0"


def test_no_compiler(tmp_path, expected):
    values, how, said = run(tmp_path, PATH=str(tmp_path), NEONPORT_CC="none")
    assert how == "interpreted"
    assert values == pytest.approx(expected, rel=1e-6)
    assert warnings_in(said) == 0, "having no compiler is a supported way of running"


def test_compiler_disappears_between_runs(tmp_path, expected):
    run(tmp_path)
    values, _, said = run(tmp_path, PATH=str(tmp_path))
    assert values == pytest.approx(expected, rel=1e-6)
    assert "Traceback" not in said


def test_compiler_fails(tmp_path, expected):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'internal compiler error: out of luck' >&2\nexit 4\n")
    broken.chmod(0o755)
    values, how, said = run(tmp_path, NEONPORT_CC=str(broken))
    assert how == "interpreted"
    assert values == pytest.approx(expected, rel=1e-6)
    assert warnings_in(said) == 1
    assert "out of luck" in said
    assert "exit code 4" in said


def test_compiler_writes_rubbish(tmp_path, expected):
    liar = tmp_path / "cc"
    liar.write_text(
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo nonsense > "$2"; shift; done\n'
    )
    liar.chmod(0o755)
    values, how, said = run(tmp_path, NEONPORT_CC=str(liar))
    assert how == "interpreted"
    assert values == pytest.approx(expected, rel=1e-6)
    assert warnings_in(said) == 1


@pytest.mark.parametrize(
    "damage",
    ["truncate", "flip", "empty", "no-checksum", "foreign", "a link", "a folder", "of anybody"],
)
def test_damaged_entries_are_made_again(tmp_path, filled, damage):
    folder, expected = filled
    shutil.copytree(folder / "cache", tmp_path / "cache")
    libraries = sorted((tmp_path / "cache" / "jit").glob("*.bin"))
    assert libraries
    for library in libraries:
        code = library.read_bytes()
        if damage == "truncate":
            library.write_bytes(code[: len(code) // 2])
        elif damage == "flip":
            library.write_bytes(code[:2000] + bytes([code[2000] ^ 255]) + code[2001:])
        elif damage == "empty":
            library.write_bytes(b"")
        elif damage == "foreign":
            library.write_bytes(b"\x7fELF" + os.urandom(5000))
        elif damage == "a link":
            library.rename(tmp_path / library.name)
            library.symlink_to(tmp_path / library.name)
        elif damage == "a folder":
            library.unlink()
            library.mkdir()
        elif damage == "of anybody":
            library.parent.chmod(0o755)
            library.chmod(0o666)
        else:
            library.write_bytes(code[code.index(b"\x7fELF") :])
    values, how, said = run(tmp_path)
    assert values == expected
    assert int(how) >= 2
    assert "Traceback" not in said


def test_cache_cannot_be_written(tmp_path, expected):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    values, _, said = run(tmp_path, NEONPORT_CACHE_DIR=str(blocker / "cache"))
    assert values == expected
    assert warnings_in(said) == 1


def test_disk_full_while_caching(tmp_path, expected):
    everywhere = """import errno, neonport.io.private_folder as p
    real = p.PrivateFolder.create
    def full(self, name, data):
        if EVERYWHERE or "cache" in str(self.path):
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(self, name, data)
    p.PrivateFolder.create = full
    be = gen_backend"""
    code = STATEMENTS.replace("be = gen_backend", everywhere.replace("EVERYWHERE", "False"))
    values, how, said = run(tmp_path, code)
    assert values == expected, "code is loaded from the folder of temporary files"
    assert int(how) >= 2
    assert said == ""
    code = STATEMENTS.replace("be = gen_backend", everywhere.replace("EVERYWHERE", "True"))
    values, how, said = run(tmp_path, code)
    assert values == pytest.approx(expected, rel=1e-6)
    assert how == "interpreted"
    assert warnings_in(said) == 1
    assert "No space left" in said


def test_two_processes_fill_the_cache_at_once(tmp_path, expected):
    env = environment_of(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(STATEMENTS)]
    both = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert [float(v) for v in out.splitlines()[0].split()] == expected
    assert run(tmp_path)[1] == "0"


def test_a_forked_child_does_not_hang(tmp_path):
    code = """
        import os, signal
        import numpy as np
        from neonport.backends import gen_backend
        be = gen_backend("cpu")
        x = be.array(np.ones((400, 1000)))
        y = be.empty((400, 1000))
        y[:] = x * 2.0 + 1.0
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            y[:] = x * 3.0 + 1.0
            y[:] = be.exp(x)
            os._exit(0 if abs(y.get()[0, 0] - np.e) < 1e-5 else 1)
        _, status = os.waitpid(child, 0)
        y[:] = x * 3.0 + 1.0
        print(float(y.get().mean()))
        print(os.waitstatus_to_exitcode(status))
    """
    values, status, _ = run(tmp_path, code, NEONPORT_NUM_THREADS="2", PYTHONWARNINGS="ignore")
    assert values == [4.0]
    assert status == "0"


def test_several_python_threads_on_one_backend(tmp_path):
    code = """
        import threading
        import numpy as np
        from neonport.backends import gen_backend
        be = gen_backend("cpu")
        wrong = []
        def work(k):
            x = be.array(np.full((300, 500), float(k)))
            y = be.empty((300, 500)); z = be.empty((500, 300)); s = be.empty((1, 500))
            for _ in range(40):
                y[:] = x * 2.0 + k
                s[:] = be.sum(y, axis=0)
                z[:] = y.T * 1.0
                y[:] = be.dot(y, z)[:, :500] if False else y - be.mean(y, axis=1)
                if not (s.get() == 900.0 * k).all() or abs(y.get()).max() > 1e-3:
                    wrong.append(k)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        print(len(wrong))
        print("done")
    """
    values, _, _ = run(tmp_path, code, NEONPORT_NUM_THREADS="2")
    assert values == [0.0]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two processors",
)
def test_the_pool_keeps_off_the_processor_of_the_caller(tmp_path):
    code = """
        import os, time
        import numpy as np
        from neonport.backends import gen_backend
        be = gen_backend("cpu")
        usable = sorted(os.sched_getaffinity(0))
        x = be.array(np.ones((400, 1000)))
        y = be.empty((400, 1000))
        before = set(os.listdir("/proc/self/task"))
        for cpu in usable[:2]:
            os.sched_setaffinity(0, {cpu, usable[-1]})
            time.sleep(0.01)
            y[:] = x * 2.0 + 1.0
        pool = set(os.listdir("/proc/self/task")) - before
        print(float(y.get().mean()), float(len(pool)))
        free = [os.sched_getaffinity(int(thread)) for thread in pool]
        print(all(len(allowed) == 1 and allowed < set(usable) for allowed in free))
        os.sched_setaffinity(0, {usable[0]})
        time.sleep(0.01)
        y[:] = x * 3.0 + 1.0
        assert (y.get() == 4.0).all()
    """
    values, kept, _ = run(tmp_path, code, NEONPORT_NUM_THREADS="2")
    assert values == [3.0, 1.0]
    assert kept == "True"


def test_entries_cut_short_while_they_are_loaded(tmp_path):
    """What is mapped is no file of the cache: its pages cannot vanish (SIGBUS)."""
    code = """
        import os, pathlib
        import numpy as np
        from neonport.backends import gen_backend
        be = gen_backend("cpu")
        x = be.array(np.ones((400, 1000)))
        y = be.empty((400, 1000))
        y[:] = be.tanh(x * 2.0) + be.sum(x, axis=0)
        for entry in pathlib.Path(os.environ["NEONPORT_CACHE_DIR"], "jit").iterdir():
            os.truncate(entry, 0)
        y[:] = be.tanh(x * 2.0) + be.sum(x, axis=0)
        print(float(y.get().mean()))
        maps = pathlib.Path("/proc/self/maps")
        held = maps.read_text().splitlines() if maps.exists() else []
        print(sum("/jit/" in line and not line.endswith("(deleted)") for line in held))
    """
    values, mapped, said = run(tmp_path, code)
    assert values == pytest.approx([400.9640276], rel=1e-6)
    assert mapped == "0"
    assert said == ""
    again, _, _ = run(tmp_path, code)
    assert again == values
