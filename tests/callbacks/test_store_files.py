"""The HDF5 file of callbacks takes the place of an earlier one, and of nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.store import open_store
from neonport.errors import ConfigurationError

Make = Callable[..., Any]
h5py = pytest.importorskip("h5py")


def text(path: Path) -> None:
    path.write_text("precious")


def empty(path: Path) -> None:
    path.touch()


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = [1, 2, 3]


def foreign_empty(path: Path) -> None:
    h5py.File(path, "w").close()


def truncated(path: Path) -> None:
    open_store(path).close()
    with h5py.File(path, "a") as file:
        file["cost"] = list(range(1000))
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text, "no file of a training"),
        (empty, "no file of a training"),
        (foreign, "none of a training"),
        (foreign_empty, "none of a training"),
        (truncated, "truncated"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_other_files_are_left_alone(
    make_problem: Make, tmp_path: Path, make: Any, words: str, linked: bool
) -> None:
    path = name = tmp_path / "data.h5"
    make(path)
    if linked:
        if os.name == "nt":
            pytest.skip("links need a privilege on Windows")
        name = tmp_path / "link.h5"
        name.symlink_to(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"data\.h5' exists and .*{words}.*remove it"):
        Callbacks(make_problem().model, output_file=name)
    assert path.read_bytes() == before
    assert name.is_symlink() == linked


def test_folders_pipes_and_missing_folders_are_refused(tmp_path: Path) -> None:
    cases = [(tmp_path, "a folder"), (tmp_path / "no" / "f.h5", "cannot be made")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        cases.append((tmp_path / "pipe", "a named pipe"))
    for path, words in cases:
        with pytest.raises(ConfigurationError, match=words):
            open_store(path)


BUSY = """
import sys
from neonport.callbacks.store import open_store
store = open_store(sys.argv[1])
store.create_group("config")
store.flush()
print("open", flush=True)
sys.stdin.read()
store.close()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files from being deleted")
def test_the_file_of_a_training_at_work_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    command = [sys.executable, "-c", BUSY, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(ConfigurationError, match=r"cannot be replaced.*lock"):
            open_store(path)
        process.communicate()
    with h5py.File(path, "r") as file:
        assert "config" in file


def test_files_of_earlier_releases_are_replaced(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name in ("config", "cost", "time_markers"):
            file.create_group(name)
    store = open_store(tmp_path / "f.h5")
    assert len(store) == 0
    store.close()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    open_store(tmp_path / "f.h5").close()
    (tmp_path / "link.h5").symlink_to("f.h5")
    open_store(tmp_path / "link.h5").close()
    assert (tmp_path / "link.h5").is_symlink()
    assert h5py.is_hdf5(tmp_path / "f.h5")


KILLED = """
import os, sys
from neonport.callbacks.store import open_store
store = open_store(sys.argv[1])
data = store.create_dataset("cost/train", (100_000,), dtype="float32")
for step in range(int(sys.argv[2])):
    data[step] = step
    if step % 10 == 0: store.flush()
os._exit(9)
"""


@pytest.mark.parametrize("steps", [0, 1, 35])
def test_the_file_of_a_killed_training_is_replaced(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "f.h5"
    out = subprocess.run([sys.executable, "-c", KILLED, str(path), str(steps)], check=False)
    assert out.returncode == 9
    open_store(path).close()
