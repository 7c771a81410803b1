"""Entries of the cache are right or absent, and do not grow beyond all bounds."""

from __future__ import annotations

import os
import threading

import pytest

from neonport.io import cache_dir as cache
from neonport.io import private_folder as private
from tests.io.conftest import use

pytestmark = pytest.mark.usefixtures("fresh_cache")
posix = pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")


@pytest.fixture
def entry(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path / "cache")
    return tmp_path / "cache" / "some" / "entry"


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 1000])
def test_an_entry_comes_back(entry, payload):
    assert cache.write_checked("some", "entry", payload)
    assert cache.read_checked("some", "entry") == payload
    assert cache.write_checked("some", "entry", b"newer")
    assert cache.read_checked("some", "entry") == b"newer"
    assert [file.name for file in entry.parent.iterdir()] == ["entry"]


def test_an_absent_entry_is_none(entry):
    assert cache.read_checked("some", "entry") is None
    entry.mkdir()
    assert cache.read_checked("some", "entry") is None
    assert entry.is_dir()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"!",
        lambda content: content[:5],
        lambda content: content[:-3] + b"\0" + content[-2:],
        lambda content: b"X" + content[1:],
        lambda content: content[:20] + bytes([content[20] ^ 1]) + content[21:],
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    ],
)
def test_a_damaged_entry_is_none_and_removed(entry, damage):
    cache.write_checked("some", "entry", b"some payload")
    entry.write_bytes(damage(entry.read_bytes()))
    assert cache.read_checked("some", "entry") is None
    assert not entry.exists()


@posix
@pytest.mark.parametrize("trap", ["a link", "a pipe", "writable", "of another user"])
def test_an_entry_that_another_user_may_have_made(entry, trap):
    cache.write_checked("some", "entry", b"some payload")
    entry.parent.chmod(0o755)
    if trap == "a link":
        entry.rename(entry.with_name("other"))
        entry.symlink_to(entry.with_name("other"))
    elif trap == "a pipe":
        entry.unlink()
        os.mkfifo(entry)
    elif trap == "writable":
        entry.chmod(0o622)
    elif os.getuid() == 0:
        os.chown(entry, 4711, 4711)
    else:
        pytest.skip("only root can give a file to another user")
    assert cache.read_checked("some", "entry") is None
    assert not entry.is_symlink()
    assert not entry.exists()


def test_a_cache_that_cannot_be_written_is_no_error(entry, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    cache.cache_dir()
    monkeypatch.setattr(private.PrivateFolder, "create", refuse)
    assert not cache.write_checked("some", "entry", b"data")


def test_a_failed_write_leaves_the_old_entry(entry, monkeypatch):
    cache.write_checked("some", "entry", b"old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert not cache.write_checked("some", "entry", b"new")
    monkeypatch.undo()
    use(monkeypatch, entry.parent.parent)
    assert cache.read_checked("some", "entry") == b"old"
    assert [file.name for file in entry.parent.iterdir()] == ["entry"]


def test_many_writers_leave_one_whole_entry(entry):
    payloads = [bytes([number]) * 50_000 for number in range(4)]
    seen = set()

    def write(payload):
        for _ in range(20):
            assert cache.write_checked("some", "entry", payload)
            seen.add(cache.read_checked("some", "entry"))

    threads = [threading.Thread(target=write, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= set(payloads)


# ---- size --------------------------------------------------------------------------------------


def test_beyond_the_limit_what_was_used_longest_ago_goes(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path)
    for number in range(20):
        folder = ("jit", "opencl", "cuda")[number % 3]
        cache.write_checked(folder, f"entry{number}", bytes(1000))
        os.utime(tmp_path / folder / f"entry{number}", (10 * number, 10 * number))
    cache.write_checked("tuned", "measured", bytes(1000))
    os.utime(tmp_path / "tuned" / "measured", (0, 0))
    size = (tmp_path / "jit" / "entry0").stat().st_size
    cache.read_checked("jit", "entry0")  # now it is the newest
    cache.sweep(20 * size)
    assert len(list(tmp_path.rglob("entry*"))) == 20
    cache.sweep(16 * size)
    left = {file.name for file in tmp_path.rglob("entry*")}
    assert left == {"entry0", *(f"entry{number}" for number in range(9, 20))}
    cache.sweep(0)
    assert {file.name for file in tmp_path.rglob("entry*")} == left
    assert (tmp_path / "tuned" / "measured").exists(), "what was measured is no code"


def test_the_size_is_looked_at_while_entries_are_written(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("NEONPORT_CACHE_SIZE", "1")
    monkeypatch.setattr(cache, "SWEEP_BYTES", 1 << 19)
    for number in range(40):
        cache.write_checked("jit", f"entry{number}", bytes(100_000))
        os.utime(tmp_path / "jit" / f"entry{number}", (number, number))
    size = sum(file.stat().st_size for file in (tmp_path / "jit").iterdir())
    assert size < 2 << 20
    assert (tmp_path / "jit" / "entry39").exists()


def test_what_a_killed_writer_left_is_swept(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path)
    cache.write_checked("jit", "entry", b"data")
    old, new = tmp_path / "jit" / ".old.tmp", tmp_path / "jit" / ".new.tmp"
    old.write_bytes(b"")
    new.write_bytes(b"")
    os.utime(old, (0, 0))
    cache.sweep(0)
    assert {file.name for file in (tmp_path / "jit").iterdir()} == {"entry", ".new.tmp"}


@posix
def test_folders_of_killed_processes_are_swept(monkeypatch, tmp_path):
    monkeypatch.setattr(private.tempfile, "tempdir", str(tmp_path))
    kept, abandoned, young = (private.PrivateFolder.temporary() for _ in range(3))
    for folder in (kept, abandoned):
        (folder.path / "kernel.c").write_text("")
        os.utime(folder.path, (0, 0))
    abandoned.close()
    young.close()
    foreign = tmp_path / f"{private.PREFIX}link"
    foreign.symlink_to(tmp_path)
    os.utime(foreign, (0, 0), follow_symlinks=False)
    private.sweep_temporary()
    assert kept.path.is_dir()
    assert young.path.is_dir()
    assert foreign.is_symlink()
    assert not abandoned.path.exists()
    kept.discard()
    assert not kept.path.exists()
