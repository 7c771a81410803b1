"""The cache folder is private and its entries are right or absent."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from neonport.io import cache_dir as cache
from neonport.io import private_folder as private
from tests.io.conftest import use

posix = pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
not_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() == 0, reason="root can write everywhere"
)


root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away"
)


pytestmark = pytest.mark.usefixtures("fresh_cache")


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
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
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
    assert cache.write_checked("some", "x", b"data")
    assert cache.read_checked("some", "x") == b"data"
    assert (folder / "some" / "x").is_file()


@posix
def test_a_folder_others_can_write_is_not_used(monkeypatch, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    use(monkeypatch, shared)
    assert_temporary_with_one_warning("other users can write")
    assert not list(shared.iterdir())


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


@posix
@pytest.mark.parametrize("way", ["the number", "the name", "an unknown name"])
def test_a_user_without_a_home(monkeypatch, way):
    """Neither HOME nor a row in the list of users: as in containers with a number for a user."""
    use(monkeypatch, "")

    def user_cache_dir(name):
        if way == "the number":
            raise RuntimeError("Could not determine home directory.")
        if way == "the name":
            raise KeyError("getpwuid(): uid not found: 4711")
        return "~/.cache/neonport"

    monkeypatch.setattr("platformdirs.user_cache_dir", user_cache_dir)
    assert_temporary_with_one_warning("no home")


@posix
def test_a_process_of_a_user_without_a_home():
    code = """
import os, pwd, warnings
def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
from neonport.backends import gen_backend
be = gen_backend("cpu")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    x = be.ones((3, 4))
    x[:] = x * 2 + 1
print(x.get().sum(), len(caught), be.device._jit is not None)
"""
    hidden = ("HOME", "XDG_CACHE_HOME", "NEONPORT_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["36.0", "1", "True"], done.stderr


# ---- other users -------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o775])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_level_above_that_others_can_write(monkeypatch, tmp_path, mode, depth):
    shared = tmp_path / "shared"
    folder = shared / ("a/b" if depth == 2 else "b")
    folder.mkdir(parents=True, mode=0o700)
    shared.chmod(mode)
    monkeypatch.setattr(private, "_is_private", lambda group: False)
    use(monkeypatch, folder)
    assert_temporary_with_one_warning(f"other users can write to {shared}")
    assert not list(folder.iterdir())


@posix
def test_a_group_of_ones_own_is_no_other_user(monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o775)
    monkeypatch.setattr(private, "_is_private", lambda group: True)
    use(monkeypatch, tmp_path / "mine" / "cache")
    assert cache.cache_dir() == tmp_path / "mine" / "cache"


@posix
def test_a_folder_in_one_like_tmp_is_fine(monkeypatch, tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    use(monkeypatch, tmp_path / "tmp" / "cache")
    assert cache.cache_dir() == tmp_path / "tmp" / "cache"


@root
@pytest.mark.parametrize("level", ["shared/mine/cache", "shared/mine", "shared"])
def test_a_level_of_somebody_else(monkeypatch, tmp_path, level):
    """In /tmp too: whoever was there first owns the name."""
    (tmp_path / "shared" / "mine" / "cache").mkdir(parents=True, mode=0o700)
    (tmp_path / "shared").chmod(0o1777)
    os.chown(tmp_path / level, 4711, 4711)
    use(monkeypatch, tmp_path / "shared" / "mine" / "cache")
    assert_temporary_with_one_warning(f"{level} belongs to another user")


def status(mode, uid, gid=0):
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@posix
@pytest.mark.parametrize(
    ("mode", "uid", "last", "fine"),
    [
        (stat.S_IFDIR | 0o755, 1000, True, True),
        (stat.S_IFDIR | 0o700, 1000, False, True),
        (stat.S_IFDIR | 0o755, 0, False, True),
        (stat.S_IFDIR | 0o1777, 0, False, True),
        (stat.S_IFDIR | 0o755, 0, True, False),
        (stat.S_IFDIR | 0o755, 2000, True, False),
        (stat.S_IFDIR | 0o755, 2000, False, False),
        (stat.S_IFDIR | 0o1777, 2000, False, False),
        (stat.S_IFDIR | 0o777, 1000, False, False),
        (stat.S_IFDIR | 0o1777, 1000, True, False),
        (stat.S_IFDIR | 0o770, 1000, True, False),
        (stat.S_IFDIR | 0o770, 1000, False, False),
        (stat.S_IFLNK | 0o777, 1000, False, False),
        (stat.S_IFREG | 0o600, 1000, True, False),
    ],
)
def test_what_makes_a_level_safe(monkeypatch, tmp_path, mode, uid, last, fine):
    monkeypatch.setattr(private.os, "getuid", lambda: 1000)
    monkeypatch.setattr(private, "_roots", lambda: {0})
    monkeypatch.setattr(private, "_is_private", lambda group: group == 1000)
    assert (not private._objection(status(mode, uid), tmp_path, last=last)) == fine
    if mode == stat.S_IFDIR | 0o770:  # where each user has a group of his own
        assert not private._objection(status(mode, uid, 1000), tmp_path, last=last)


@posix
def test_a_link_to_a_safe_folder_is_followed_once(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    use(monkeypatch, tmp_path / "link")
    assert cache.cache_dir() == tmp_path / "real"


@posix
@pytest.mark.parametrize("trap", ["a link", "mode 0777", "a file"])
def test_a_folder_within_that_is_not_ours(monkeypatch, tmp_path, trap):
    inner, foreign = tmp_path / "cache" / "jit", tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    use(monkeypatch, tmp_path / "cache")
    cache.cache_dir()
    if trap == "a link":
        inner.symlink_to(foreign)
    elif trap == "a file":
        inner.write_text("")
    else:
        inner.mkdir()
        inner.chmod(0o777)
        (inner / "entry").write_bytes(cache._header(b"theirs") + b"theirs")
    with pytest.warns(RuntimeWarning, match="cache/jit is not used") as caught:
        found = cache.read_checked("jit", "entry")
    assert found is None
    assert cache.write_checked("jit", "entry", b"ours")  # and no second warning
    assert cache.read_checked("jit", "entry") == b"ours"
    assert len(caught) == 1
    assert not list(foreign.iterdir())
    assert cache.cache_dir() == tmp_path / "cache"
    assert cache.write_checked("opencl", "entry", b"fine")
    assert (tmp_path / "cache" / "opencl" / "entry").is_file()


def exchange(folder):
    """Put another folder in its place, with an entry that is right."""
    folder.rename(folder.with_name("away"))
    (folder / "jit").mkdir(parents=True)
    (folder / "jit" / "entry").write_bytes(cache._header(b"theirs") + b"theirs")


@posix
@pytest.mark.parametrize("above", [False, True])
def test_a_folder_exchanged_while_running_is_not_the_one_that_is_held(monkeypatch, tmp_path, above):
    use(monkeypatch, tmp_path / "level" / "cache")
    assert cache.write_checked("jit", "entry", b"ours")
    if above:
        (tmp_path / "level").rename(tmp_path / "away")
        (tmp_path / "level").mkdir()
        (tmp_path / "level" / "cache").mkdir()
    exchange(tmp_path / "level" / "cache")
    assert cache.read_checked("jit", "entry") == b"ours"
    with cache.cache_folder("jit") as folder:
        assert Path(folder.location("entry")).read_bytes().endswith(b"ours")


@posix
def test_a_folder_removed_while_running_is_made_again(monkeypatch, tmp_path):
    use(monkeypatch, tmp_path / "cache")
    assert cache.write_checked("jit", "entry", b"ours")
    shutil.rmtree(tmp_path / "cache")
    assert cache.read_checked("jit", "entry") is None
    assert cache.write_checked("jit", "entry", b"ours")
    assert (tmp_path / "cache" / "jit" / "entry").is_file()


@posix
@pytest.mark.parametrize("again", [0o777, 0o700])
def test_a_temporary_folder_that_a_cleaner_removed_and_somebody_made_again(
    monkeypatch, tmp_path, again
):
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").write_text("")
    use(monkeypatch, tmp_path / "file")
    assert_temporary_with_one_warning("not a folder")
    folder = cache.cache_dir()
    exchange(folder)
    shutil.rmtree(tmp_path / "away")
    folder.chmod(again)
    assert cache.read_checked("jit", "entry") is None
    assert cache.write_checked("jit", "entry", b"ours")
    assert cache.cache_dir() != folder
    assert cache.read_checked("jit", "entry") == b"ours"
    assert not cache.is_lasting()


@posix
def test_descriptors_that_somebody_closed(monkeypatch, tmp_path):
    """As daemons do when they start; the numbers are then given to other files."""
    use(monkeypatch, tmp_path / "cache")
    assert cache.write_checked("jit", "entry", b"ours")
    held = cache._root()._held
    other = os.open(tmp_path, os.O_RDONLY)
    os.dup2(other, held)
    assert cache.read_checked("jit", "entry") == b"ours"
    os.fstat(held)  # whoever has the number now keeps it
    os.close(other)
    os.close(held)
