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
from neonport.callbacks.records.store import open_store
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
from neonport.callbacks.records.store import open_store
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
from neonport.callbacks.records.store import open_store
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


@pytest.mark.skipif(os.name == "nt", reason="no modes of that kind on Windows")
def test_a_file_that_is_read_only_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    open_store(path).close()
    path.chmod(0o444)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"exists and is read-only; name another"):
        open_store(path)
    assert path.read_bytes() == before


def test_the_earlier_file_stays_where_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.h5"
    open_store(path).close()
    before = path.read_bytes()

    def fail(file: Any) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(h5py.File, "flush", fail)
    with pytest.raises(ConfigurationError, match=r"cannot be made: No space left"):
        open_store(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["f.h5"]


FULL = """
import resource, signal, sys
import numpy as np
from neonport import gen_backend
from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.records.store import create_late
from neonport.data import ArrayIterator
from neonport.initializers import Gaussian
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import CrossEntropyMulti, Softmax

class Late(Callback):
    def on_epoch_end(self, callback_data, model, epoch):
        if epoch == 1:
            create_late(callback_data, "big/late", np.ones(1_000_000))

gen_backend("cpu", batch_size=8, rng_seed=0)
rng = np.random.RandomState(0)
train = ArrayIterator(rng.rand(16, 4), rng.randint(2, size=16), nclass=2)
model = Model([Affine(2, Gaussian(), activation=Softmax())])
callbacks = Callbacks(model, output_file=sys.argv[1], progress_bar=False)
callbacks.add_callback(Late())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    model.fit(train, GeneralizedCost(CrossEntropyMulti()), GradientDescentMomentum(0.1, 0.9),
              num_epochs=int(sys.argv[3]), callbacks=callbacks)
except Exception as error:
    print(type(error).__name__, " ".join(str(error).split()), model.epoch_index)
"""


def run_on_a_full_disk(path: Path, room: int, epochs: int) -> str:
    command = [sys.executable, "-c", FULL, str(path), str(room), str(epochs)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(os.name == "nt", reason="no limits of that kind on Windows")
def test_a_full_disk_is_found_before_training(tmp_path: Path) -> None:
    out = run_on_a_full_disk(tmp_path / "f.h5", room=50_000, epochs=100_000)
    assert "has no room for what this training records" in out
    assert out.endswith(" 0\n")


@pytest.mark.skipif(os.name == "nt", reason="no limits of that kind on Windows")
def test_a_disk_that_is_full_later_harms_no_records(tmp_path: Path) -> None:
    out = run_on_a_full_disk(tmp_path / "f.h5", room=100_000, epochs=2)
    assert out.startswith("ConfigurationError output_file=")
    assert out.endswith(" 2\n")  # the epoch is trained
    with h5py.File(tmp_path / "f.h5", "r") as file:
        assert "big/late" not in file
        assert (file["cost/train"][:] > 0).all()


def test_a_log_that_cannot_be_written_ends_no_training(
    make_problem: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, output_file=tmp_path / "f.h5", progress_bar=False)
    flush = h5py.File.flush

    def fail(file: Any) -> None:
        if p.model.epoch_index == 1:
            raise RuntimeError("the disk is gone")
        flush(file)

    monkeypatch.setattr(h5py.File, "flush", fail)
    history = p.model.fit(p.data, p.cost, p.optimizer, 3, callbacks)
    assert len(history["cost"]) == 3
    assert "f.h5 is not up to date: the disk is gone" in caplog.text
