"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from neonport.io import atomic_write as atomic
from neonport.io import checkpoint

OLD = {"version": "old", "x": np.arange(5)}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


class FullDisk:
    """A binary file on a disk with room for `room` bytes."""

    def __init__(self, file: IO[bytes], room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: Any) -> int:
        data = bytes(data)
        self.file.write(data[: max(0, self.room)])
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.mark.parametrize("room", [0, 1, 7, 8, 9, 100, 600, 1000, 4000])
def test_full_disk_keeps_the_old_file(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.prm"
    checkpoint.save(OLD, path)
    write_file = checkpoint.write_file
    monkeypatch.setattr(
        checkpoint,
        "write_file",
        lambda target, write: write_file(target, lambda file: write(FullDisk(file, room))),
    )
    with pytest.raises(OSError, match=r"No space left.*c\.prm") as caught:
        checkpoint.save({"x": np.ones(2000)}, path)
    assert caught.value.errno == errno.ENOSPC
    assert checkpoint.load(path)["version"] == "old"
    assert names(tmp_path) == ["c.prm"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_failing_system_calls_keep_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.prm"
    checkpoint.save(OLD, path)

    def fail(*args: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    if step == "fchmod":  # permissions are a courtesy
        checkpoint.save("new", path)
        assert checkpoint.load(path) == "new"
        return
    with pytest.raises(OSError, match="Input/output"):
        checkpoint.save("new", path)
    assert checkpoint.load(path)["version"] == "old"
    assert names(tmp_path) == ["c.prm"]


def test_a_real_write_limit(tmp_path: Path) -> None:
    """The system refuses to let the file grow: no monkeypatching of ours involved."""
    resource = pytest.importorskip("resource")
    assert resource
    path = tmp_path / "c.prm"
    checkpoint.save(OLD, path)
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from neonport.io import checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: checkpoint.save(np.ones(100_000), sys.argv[1])\n"
        "except OSError as error: print(type(error).__name__, error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "File too large" in out.stdout, out
    assert checkpoint.load(path)["version"] == "old"
    assert names(tmp_path) == ["c.prm"]


def test_interrupt_while_writing_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    checkpoint.save(OLD, path)

    def interrupted(file: IO[bytes]) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_file(path, interrupted)
    assert checkpoint.load(path)["version"] == "old"
    assert names(tmp_path) == ["c.prm"]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.*c\.prm"):
        checkpoint.save(1, tmp_path / "nowhere" / "c.prm")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "c.prm").mkdir()
    with pytest.raises(OSError, match=r"c\.prm"):
        checkpoint.save(1, tmp_path / "c.prm")
    assert names(tmp_path) == ["c.prm"]


KILLED = """
import sys, numpy as np
from neonport.io import checkpoint
count = 0
print("ready", flush=True)
while True:
    count += 1
    checkpoint.save({"count": count, "x": np.full(200_000, count)}, sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_writers_leave_a_complete_file(tmp_path: Path, campaign: int) -> None:
    path = tmp_path / "c.prm"
    checkpoint.save({"count": 0, "x": np.full(3, 0)}, path)
    rng = np.random.RandomState(0)
    for _ in range(12 * campaign):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.wait()
        process.stdout.close()
        value = checkpoint.load(path)
        assert (value["x"] == value["count"]).all()
        assert len(names(tmp_path)) <= 2  # the next writer removed the leftovers of the last
    checkpoint.save(OLD, path)
    assert names(tmp_path) == ["c.prm"]


def test_leftovers_go_but_writers_at_work_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    (tmp_path / ".c.prm.0123456789abcdef.tmp").write_bytes(b"dead")
    (tmp_path / ".d.prm.0123456789abcdef.tmp").write_bytes(b"of another file")
    (tmp_path / ".c.prm.mine.tmp").write_bytes(b"of somebody else")
    inside = threading.Event()
    done = threading.Event()

    def slow(file: IO[bytes]) -> None:
        inside.set()
        done.wait(10)
        file.write(b"slow")

    worker = threading.Thread(target=atomic.write_file, args=(path, slow))
    worker.start()
    assert inside.wait(10)
    checkpoint.save(OLD, path)
    left = names(tmp_path)
    done.set()
    worker.join()
    assert ".c.prm.0123456789abcdef.tmp" not in left
    assert len([name for name in left if name.startswith(".c.prm.")]) == 2
    assert ".d.prm.0123456789abcdef.tmp" in left
    assert path.read_bytes() == b"slow"


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                checkpoint.save(np.full(1000, number), path)
                value = checkpoint.load(path)
                assert (value == value[0]).all()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert names(tmp_path) == ["c.prm"]


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="no POSIX permissions")
def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    mask = os.umask(0o027)
    try:
        checkpoint.save(1, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        checkpoint.save(2, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(mask)


def test_links_are_followed_and_long_names_work(tmp_path: Path) -> None:
    target = tmp_path / "disk"
    target.mkdir()
    link = tmp_path / "link.prm"
    try:
        link.symlink_to(target / "real.prm")
    except OSError:
        pytest.skip("no symbolic links here")
    checkpoint.save(1, link)
    assert link.is_symlink()
    assert checkpoint.load(target / "real.prm") == 1
    long = tmp_path / ("n" * 250)
    checkpoint.save(2, long)
    assert checkpoint.load(long) == 2


@pytest.mark.parametrize("bytes_", [201, 233, 255])
@pytest.mark.parametrize("letter", ["n", "\u00fc", "\u7f51", "\U0001f9e0"])
def test_names_up_to_the_limit_work(tmp_path: Path, letter: str, bytes_: int) -> None:
    size = len(letter.encode())
    path = tmp_path / (letter * (bytes_ // size) + "x" * (bytes_ % size))
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system has shorter names")
    checkpoint.save(3, path)
    assert checkpoint.load(path) == 3
    assert names(tmp_path) == [path.name]
    atomic.point_link(path, "elsewhere")
    assert os.readlink(path) == "elsewhere"


def test_long_names_of_equal_starts_do_not_share_leftovers(tmp_path: Path) -> None:
    one, other = tmp_path / ("n" * 240 + "1"), tmp_path / ("n" * 240 + "2")
    prefixes = {atomic._temporary_prefix(str(path)) for path in (one, other)}
    assert len(prefixes) == 2
    assert all(len(os.fsencode(prefix)) < 220 for prefix in prefixes)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/m\xff\xfe.prm"
    checkpoint.save(1, path)
    assert os.listdir(os.fsencode(tmp_path)) == [b"m\xff\xfe.prm"]
    for name in (path, os.fsdecode(path), Path(os.fsdecode(path))):
        assert checkpoint.load(name) == 1
        assert checkpoint.is_checkpoint(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, linked: bool) -> None:
    pipe, socket_path, link = tmp_path / "pipe", tmp_path / "socket", tmp_path / "link"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        for path, words in (
            (pipe, "a named pipe"),
            (socket_path, "a socket"),
            (Path(os.devnull), "a character device"),
            (tmp_path, "a folder"),
        ):
            before = os.stat(path)
            name = path
            if linked:
                link.unlink(missing_ok=True)
                link.symlink_to(path)
                name = link
            with pytest.raises(OSError, match=f"it is {words}, which is not replaced"):
                checkpoint.save(1, name)
            with pytest.raises(OSError, match=f"it is {words}"):
                atomic.point_link(name, "target")
            after = os.stat(path)
            assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_point_link_replaces_link_and_file(tmp_path: Path) -> None:
    link = tmp_path / "newest"
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        atomic.point_link(link, name)
        assert link.read_text() == name
    assert names(tmp_path) == ["a", "b", "newest"]
