"""The cache folder is private and its entries are right or absent."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import pytest

from neonport.io import cache_dir as cache

posix = pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
not_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() == 0, reason="root can write everywhere"
)


@pytest.fixture(autouse=True)
def _forget():
    cache._prepared.cache_clear()
    yield
    cache._prepared.cache_clear()


def use(monkeypatch, folder):
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(folder))


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_the_folder_is_made_private_whatever_the_umask(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path / "a" / "b")
    before = os.umask(0)
    try:
        folder = cache.cache_dir()
    finally:
        os.umask(before)
    assert folder == tmp_path / "a" / "b"
    assert mode(folder) == 0o700


def test_without_the_variable_it_is_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NEONPORT_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    assert cache.cache_dir() == tmp_path / "neonport"


@posix
def test_an_existing_folder_is_used_and_its_mode_left_alone(monkeypatch, tmp_path):
    tmp_path.chmod(0o755)
    use(monkeypatch, tmp_path)
    assert cache.cache_dir() == tmp_path
    assert cache.is_lasting()
    assert mode(tmp_path) == 0o755


def assert_temporary_with_one_warning(reason):
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        folder = cache.cache_dir()
    assert cache.cache_dir() == folder  # and no second warning, which would be an error here
    assert len(caught) == 1
    assert not cache.is_lasting()
    assert "NEONPORT_CACHE_DIR" in str(caught[0].message)
    if os.name == "posix":
        assert mode(folder) == 0o700
    assert cache.write_checked(folder / "x", b"data")
    assert cache.read_checked(folder / "x") == b"data"


@posix
def test_a_folder_others_can_write_is_not_used(monkeypatch, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    use(monkeypatch, shared)
    assert_temporary_with_one_warning("other users can write")
    assert not list(shared.iterdir())


@posix
def test_a_folder_of_somebody_else_is_not_used(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path)
    me = os.getuid()
    monkeypatch.setattr(cache.os, "getuid", lambda: me + 1)
    assert_temporary_with_one_warning("belongs to another user")


def test_a_file_in_its_place(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    use(monkeypatch, tmp_path / "file")
    assert_temporary_with_one_warning("exists|not a folder")


def test_a_folder_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    use(monkeypatch, tmp_path / "file" / "below")
    assert_temporary_with_one_warning("directory|folder")


def test_a_folder_on_a_read_only_file_system(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path)

    def refuse(dir):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(cache.tempfile, "TemporaryFile", refuse)
    assert_temporary_with_one_warning("Read-only file system")


@not_root
def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    use(monkeypatch, closed)
    assert_temporary_with_one_warning("denied")


@posix
def test_the_temporary_folder_goes_with_its_process_not_with_a_child(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    code = """
import os, sys, warnings
warnings.simplefilter("ignore")
from neonport.io.cache_dir import cache_dir
folder = cache_dir()
child = os.fork()
if not child:
    sys.exit(0)  # runs the exit handlers it inherited
os.waitpid(child, 0)
print(folder, folder.is_dir())
"""
    environment = {**os.environ, "NEONPORT_CACHE_DIR": str(shared)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    folder, after_child = done.stdout.split()
    assert after_child == "True"
    assert not os.path.exists(folder)


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 1000])
def test_an_entry_comes_back(tmp_path, payload):
    path = tmp_path / "new" / "folder" / "entry"
    assert cache.write_checked(path, payload)
    assert cache.read_checked(path) == payload
    assert cache.write_checked(path, b"newer")
    assert cache.read_checked(path) == b"newer"
    assert [file.name for file in path.parent.iterdir()] == ["entry"]


def test_an_absent_entry_is_none(tmp_path):
    assert cache.read_checked(tmp_path / "nothing") is None
    assert cache.read_checked(tmp_path) is None
    assert tmp_path.is_dir()


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
def test_a_damaged_entry_is_none_and_removed(tmp_path, damage):
    path = tmp_path / "entry"
    cache.write_checked(path, b"some payload")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read_checked(path) is None
    assert not path.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert not cache.write_checked(tmp_path / "file" / "entry", b"data")
    with pytest.raises(OSError, match="file"):
        cache.atomic_write_bytes(tmp_path / "file" / "entry", b"data")


def test_a_failed_write_leaves_the_old_entry(tmp_path, monkeypatch):
    path = tmp_path / "entry"
    cache.write_checked(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert not cache.write_checked(path, b"new")
    monkeypatch.undo()
    assert cache.read_checked(path) == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["entry"]


def test_many_writers_leave_one_whole_entry(tmp_path):
    path = tmp_path / "entry"
    payloads = [bytes([number]) * 50_000 for number in range(4)]
    seen = set()

    def write(payload):
        for _ in range(20):
            assert cache.write_checked(path, payload)
            seen.add(cache.read_checked(path))

    threads = [threading.Thread(target=write, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= set(payloads)
