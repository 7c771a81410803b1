"""atomic_shelve and update_dataset_cache: files of plain data, one process at a time."""

from __future__ import annotations

import pickle
import shelve
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.util.persist import load_obj, save_obj
from neonport.util.shelver import atomic_shelve
from neonport.util.update_dataset_cache import main, update_dataset_cache


def test_what_is_stored_is_there_again(tmp_path: Path) -> None:
    path = str(tmp_path / "shelf")
    with atomic_shelve(path) as shelf:
        assert len(shelf) == 0
    assert not (tmp_path / "shelf").exists()  # nothing was stored
    with atomic_shelve(path) as shelf:
        shelf["a"] = {"cost": 0.5, "weights": np.arange(3)}
        shelf["b"] = [1, "two"]
    with atomic_shelve(path) as shelf:
        assert sorted(shelf) == ["a", "b"]
        assert shelf["a"]["weights"].tolist() == [0, 1, 2]
        del shelf["b"]
    with atomic_shelve(path) as shelf:
        assert list(shelf) == ["a"]
        assert shelf.get("b", 3) == 3


def test_nothing_is_written_if_the_block_raises(tmp_path: Path) -> None:
    path = str(tmp_path / "shelf")
    with atomic_shelve(path) as shelf:
        shelf["a"] = 1
    for wrong in ({"a": 2, "b": object()}, {3: 4}):
        with pytest.raises(ConfigurationError), atomic_shelve(path) as shelf:
            shelf.update(wrong)
    with pytest.raises(ZeroDivisionError), atomic_shelve(path) as shelf:
        shelf["a"] = 1 / 0
    with atomic_shelve(path) as shelf:
        assert dict(shelf) == {"a": 1}


def test_files_of_pythons_shelve_are_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "shelf"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    path.write_bytes(pickle.dumps({"a": Evil()}, 2))
    with pytest.raises(CheckpointError, match="Python's shelve"), atomic_shelve(str(path)):
        pass
    path.unlink()
    with shelve.open(str(path)) as theirs:
        theirs["a"] = 1
    with pytest.raises(CheckpointError, match="Python's shelve"), atomic_shelve(str(path)):
        pass
    save_obj([1], str(tmp_path / "list"))
    with pytest.raises(CheckpointError), atomic_shelve(str(tmp_path / "list")):
        pass
    assert not (tmp_path / "ran").exists()


def test_threads_and_processes_take_turns(tmp_path: Path) -> None:
    path = str(tmp_path / "shelf")
    code = (
        "from neonport.util.shelver import atomic_shelve\n"
        "for _ in range(20):\n"
        f"    with atomic_shelve({path!r}) as s: s['n'] = s.get('n', 0) + 1\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]

    def count() -> None:
        for _ in range(20):
            with atomic_shelve(path) as shelf:
                shelf["n"] = shelf.get("n", 0) + 1

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0]
    with atomic_shelve(path) as shelf:
        assert shelf["n"] == 80


def test_a_mean_image_becomes_means_of_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "dataset_cache.pkl")
    mean = np.arange(12, dtype=np.float32).reshape(12, 1)
    save_obj({"global_mean": mean, "ntrain": 7}, path)
    assert update_dataset_cache(path).tolist() == [[1.5], [5.5], [9.5]]
    found = load_obj(path)
    assert found["global_mean"].tolist() == [[1.5], [5.5], [9.5]]
    assert (found["global_mean"].dtype, found["ntrain"]) == (np.float32, 7)
    content = Path(path).read_bytes()
    assert main([path]) == 0
    assert "[1.5, 5.5, 9.5]" in capsys.readouterr().out
    assert Path(path).read_bytes() == content
    for wrong in ([1], {"mean": mean}, {"global_mean": mean[:5]}, {"global_mean": "x"}):
        save_obj(wrong, path)
        with pytest.raises(CheckpointError):
            update_dataset_cache(path)
    assert main([path]) == 1
    assert main(["-h"]) == 0
    assert main([]) == 2
