"""Which compiler is used, how long it may take, what it says, and who interrupts it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from neonport import settings
from neonport.backends.host.jit import compiler as compilers
from neonport.backends.host.jit.choice import find_compiler, program_identity
from neonport.backends.host.jit.processes import EndedError, Processes, TimeLimitError
from neonport.errors import CompileError, ConfigurationError
from tests.backends.host.jit_process import STATEMENTS, run, warnings_in

REAL = next(path for path in map(shutil.which, ("cc", "gcc", "clang")) if path)
posix = pytest.mark.skipif(os.name != "posix", reason="the compilers here are shell scripts")


def script(path: Path, text: str) -> Path:
    path.write_bytes(b"#!/bin/sh\n" + text.encode("utf-8", "surrogateescape") + b"\n")
    path.chmod(0o755)
    return path


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waited for has, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@posix
@pytest.mark.parametrize("words", ["{real} -m64", "{wrapper} {real}", "'{blank}' -O1", "{blank}"])
def test_a_compiler_with_words_before_and_after_it(tmp_path, words):
    folder = tmp_path / "a folder"
    folder.mkdir()
    wrapper = script(tmp_path / "wrap", f'echo used >> {tmp_path}/log\nexec "$@"')
    blank = script(folder / "cc", f'exec {REAL} "$@"')
    chosen = words.format(real=REAL, wrapper=wrapper, blank=blank)
    _, how, said = run(tmp_path, NEONPORT_CC=chosen)
    assert int(how) >= 2
    assert said == ""
    assert (tmp_path / "log").exists() == ("wrap" in words)


@posix
def test_of_a_wrapper_and_its_compiler_both_are_part_of_the_key(tmp_path):
    wrapper, inner = script(tmp_path / "wrap", "exit"), script(tmp_path / "inner", "exit")
    before = program_identity((str(wrapper), str(inner), "-m64"))
    script(inner, "exit 1")
    assert program_identity((str(wrapper), str(inner), "-m64")) != before


@posix
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("{0}/absent", "there is no file"),
        ("{0}", "is a folder"),
        ("{0}/plain", "is not executable"),
        ("no-such-compiler -O2", "is on the PATH"),
    ],
)
def test_a_choice_that_cannot_be_used_is_said_once(tmp_path, name, reason):
    (tmp_path / "plain").write_text("")
    (tmp_path / "plain").chmod(0o600)
    values, how, said = run(tmp_path, NEONPORT_CC=name.format(tmp_path))
    assert how == "interpreted"
    assert warnings_in(said) == 1
    assert "NEONPORT_CC" in said
    assert reason in said
    assert values == pytest.approx(run(tmp_path, NEONPORT_CC="none")[0], rel=1e-6)


def test_no_compiler_at_all_is_said_once(tmp_path):
    twice = STATEMENTS + "    again = gen_backend('cpu'); t = again.empty((3, 3)); t[:] = t + 1\n"
    _, how, said = run(tmp_path, twice, PATH=str(tmp_path))
    assert how == "interpreted"
    assert warnings_in(said) == 1
    assert "there is no C compiler" in said


def test_a_quotation_that_is_not_closed():
    with pytest.raises(ConfigurationError, match="NEONPORT_CC"):
        settings.CC.get({"NEONPORT_CC": "'gcc -m64"})


def test_no_other_compiler_takes_the_place_of_the_one_that_was_named(monkeypatch):
    monkeypatch.setenv("NEONPORT_CC", "/nowhere/cc")
    assert find_compiler().command == ()


@posix
@pytest.mark.parametrize("ends", ["fails", "works"])
def test_words_of_a_compiler_that_are_no_utf8(tmp_path, ends):
    last = 'printf "caf\\351" >&2; exit 3' if ends == "fails" else f'exec {REAL} "$@"'
    broken = script(tmp_path / "cc", f'printf "\\377\\376 caf\\351\\n" >&2\n{last}')
    _, how, said = run(tmp_path, NEONPORT_CC=str(broken))
    assert (how == "interpreted") == (ends == "fails")
    assert warnings_in(said) == (ends == "fails")
    assert ends == "works" or "caf\ufffd" in said


# ---- time ------------------------------------------------------------------------------------


@posix
# the runtime itself must be compiled within the second one, also where the machine is busy
@pytest.mark.parametrize(("hangs_at", "limit"), [("the runtime", "0.5"), ("a kernel", "4")])
def test_a_compiler_that_hangs_is_ended_with_its_children(tmp_path, hangs_at, limit):
    guard = "" if hangs_at == "the runtime" else f'case "$*" in *-pthread*) exec {REAL} "$@";; esac'
    hanging = script(tmp_path / "cc", f"{guard}\nsleep 300 &\necho $$ $! >> {tmp_path}/pids\nwait")
    again = STATEMENTS + "    again = gen_backend('cpu'); t = again.empty((3, 3)); t[:] = t + 1\n"
    expected = run(tmp_path, NEONPORT_CC="none")[0]
    values, how, said = run(
        tmp_path, again, NEONPORT_CC=str(hanging), NEONPORT_COMPILE_TIMEOUT=limit
    )
    assert how == "interpreted"
    assert values == pytest.approx(expected, rel=1e-6)
    assert warnings_in(said) == 1
    assert "did not finish" in said
    assert f"{limit} s" in said
    assert "NEONPORT_COMPILE_TIMEOUT" in said
    calls = (tmp_path / "pids").read_text().splitlines()
    assert len(calls) == 1, "a second backend waits for it again"
    assert all(gone(int(pid)) for pid in calls[0].split())


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_limit_that_is_none(text):
    with pytest.raises(ConfigurationError, match="NEONPORT_COMPILE_TIMEOUT"):
        settings.COMPILE_TIMEOUT.get({"NEONPORT_COMPILE_TIMEOUT": text})


@posix
def test_processes_end_together(tmp_path):
    processes = Processes()
    with pytest.raises(TimeLimitError):
        processes.run(["sleep", "300"], 0.1)
    assert processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10) == (3, "out\nerr\n")
    processes.end()
    with pytest.raises(EndedError):
        processes.run(["true"], 10)


# ---- interrupts and threads ------------------------------------------------------------------

INTERRUPTED = """
    import os, sys, warnings
    warnings.simplefilter("error")
    from neonport.backends import gen_backend
    be = gen_backend("cpu")
    def statement():
        x = be.ones((20, 30))
        y = be.empty((20, 30))
        y[:] = be.tanh(x * 2.0 + 1.0)
        be.assign_many([(y, x + 1), (x, be.exp(x) * 0 + be.sum(y, axis=0))])
        return y
    while True:
        try:
            y = statement()
            break
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
    print(float(y.get()[0, 0]))
    print(be.device._jit.compiler.compiled)
"""


@posix
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_an_interrupt_while_compiling_changes_nothing(tmp_path, turn):
    """Whichever compilation it meets: of the runtime, of one kernel, of several at once."""
    interrupting = script(
        tmp_path / "cc",
        f'echo turn >> {tmp_path}/turns\nif [ "$(wc -l < {tmp_path}/turns)" = {turn} ]; then\n'
        f'  echo $$ > {tmp_path}/pid; kill -INT {"$PPID"}; exec sleep 300\nfi\nexec {REAL} "$@"',
    )
    values, how, said = run(tmp_path, INTERRUPTED, NEONPORT_CC=str(interrupting))
    assert values == [2.0]
    assert said.splitlines() == ["interrupted"], said
    assert int(how) >= 3
    assert gone(int((tmp_path / "pid").read_text()))


@posix
def test_an_interrupt_from_the_keyboard_does_not_reach_the_compiler(tmp_path):
    """It goes to all processes of a terminal's group; a compiler has a group of its own."""
    noting = script(tmp_path / "cc", f'ps -o pgid= -p $$ >> {tmp_path}/groups\nexec {REAL} "$@"')
    if shutil.which("ps") is None:
        noting = script(
            noting, f'cut -d" " -f5 /proc/$$/stat >> {tmp_path}/groups\nexec {REAL} "$@"'
        )
    code = STATEMENTS + "    print(os.getpgid(0), file=sys.stderr)\n"
    _, _, said = run(
        tmp_path, code.replace("import sys", "import os, sys"), NEONPORT_CC=str(noting)
    )
    groups = (tmp_path / "groups").read_text().split()
    assert len(groups) >= 2
    assert said.split()[-1] not in groups


@posix
def test_threads_that_come_first_together_compile_once(tmp_path):
    slow = script(tmp_path / "cc", f'echo turn >> {tmp_path}/turns\nsleep 0.1\nexec {REAL} "$@"')
    code = """
        import threading, warnings
        warnings.simplefilter("error")
        from neonport.backends.cpu.device import CPUBackend
        backends = [CPUBackend(), CPUBackend()]
        start = threading.Barrier(4)
        failed = []
        def work(be):
            start.wait()
            try:
                x, y = be.ones((6, 7)), be.empty((6, 7))
                for _ in range(3):
                    y[:] = be.exp(x) * 2 + 1
                    y[:] = y - be.sum(x, axis=0)
            except BaseException as error:
                failed.append(error)
        threads = [threading.Thread(target=work, args=(be,)) for be in 2 * backends]
        [t.start() for t in threads]
        [t.join() for t in threads]
        print(len(failed))
        jits = {be.device._jit for be in backends}
        print(len(jits), *(jit.compiler.compiled for jit in jits))
    """
    values, how, said = run(tmp_path, code, NEONPORT_CC=str(slow))
    assert values == [0.0], said
    assert how == "1 4"
    assert len((tmp_path / "turns").read_text().splitlines()) == 4


@posix
def test_a_child_that_was_forked_while_another_thread_compiled(tmp_path):
    code = """
        import os, signal, threading
        import numpy as np
        from neonport.backends import gen_backend
        be = gen_backend("cpu")
        x, y = be.ones((6, 7)), be.empty((6, 7))
        y[:] = x + 1
        compiler = be.device._jit.compiler
        compiling, make = threading.Event(), compiler._make
        def slowly(*arguments):
            compiling.set()
            gate.wait()
            return make(*arguments)
        gate = threading.Event()
        compiler._make = slowly
        def work():
            y[:] = be.exp(x)
        thread = threading.Thread(target=work)
        thread.start()
        compiling.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            compiler._make = make
            y[:] = be.exp(x)
            os._exit(0 if abs(y.get()[0, 0] - np.e) < 1e-5 else 1)
        _, status = os.waitpid(child, 0)
        gate.set()
        thread.join()
        print(float(y.get()[0, 0]))
        print(os.waitstatus_to_exitcode(status))
    """
    values, status, _ = run(tmp_path, code, PYTHONWARNINGS="ignore")
    assert status == "0"
    assert values == pytest.approx([2.7182817])


@posix
def test_a_locale_that_knows_no_utf8(tmp_path):
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    _, how, said = run(tmp_path, **environment)
    assert int(how) >= 2
    assert said == ""


# ---- loading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [0, 1, 2, 3])
def test_ways_to_load_code_where_one_is_refused(tmp_path, monkeypatch, refused):
    """No files in memory; a cache from which no program may run; not even the last way."""
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    real, tried = compilers.load_shared_library, []

    def load(path):
        tried.append(path)
        if len(tried) <= refused:
            raise OSError(f"{path}: failed to map segment from shared object")
        return real(path)

    monkeypatch.setattr(compilers, "load_shared_library", load)
    compiler = compilers.Compiler((REAL,))
    text = "int answer(void) { return 42; }\n"
    if refused < 3:
        assert compiler.load(text).answer() == 42
    else:
        with pytest.raises(CompileError, match=r"cannot be loaded: .*failed to map"):
            compiler.load(text)
    assert len(tried) == min(refused + 1, 3)
    assert not list(tmp_path.rglob("*.so"))


def test_libraries_loaded_one_after_the_other_are_different_ones(tmp_path, monkeypatch):
    """Numbers of open files come back, and the loader knows libraries by their paths."""
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    compiler = compilers.Compiler((REAL,))
    texts = [f"int answer(void) {{ return {number}; }}\n" for number in range(6)]
    libraries = [compiler.load(text) for text in texts]
    assert [library.answer() for library in libraries] == list(range(6))
