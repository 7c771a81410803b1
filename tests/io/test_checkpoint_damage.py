"""Old files are read; those that are not what they should be give an error that says why."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from neonport.errors import CheckpointError
from neonport.io import checkpoint
from tests.fixtures.checkpoints.value import VALUE as FIRST

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checkpoints"

VALUE = {
    "epoch_index": 3,
    "rng_state": ("MT19937", np.arange(7, dtype=np.uint32), 5),
    "model": {"layers": [{"W": np.arange(12.0).reshape(3, 4), "n": None}]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "c.prm"
    checkpoint.save(VALUE, path)
    return path


def assert_same(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        found, wanted = list(found.values()), list(wanted.values())
    if isinstance(wanted, np.ndarray):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert found.tobytes() == wanted.tobytes()
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for x, y in zip(found, wanted, strict=True):
            assert_same(x, y)
    else:
        assert repr(found) == repr(wanted)


def sha256(path: Path) -> str:
    data = path.read_bytes()
    return json.loads(data[8 : header_end(data)])["__metadata__"]["sha256"]


def test_a_file_of_the_first_release_is_read_and_written_again(tmp_path: Path) -> None:
    first, again = FIXTURES / "version-1.prm", tmp_path / "again.prm"
    value = checkpoint.load(first)
    assert_same(value, FIRST)
    checkpoint.save(value, again)
    assert_same(checkpoint.load(again), FIRST)
    assert sha256(again) == sha256(first)


def header_end(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


def test_truncation_anywhere_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=re.escape(repr(str(path)))):
            checkpoint.load(path)


def test_appended_bytes_are_noticed(path: Path) -> None:
    data = path.read_bytes()
    for extra in (b"\0", b"x" * 100, data):
        path.write_bytes(data + extra)
        with pytest.raises(CheckpointError):
            checkpoint.load(path)


def test_no_flipped_bit_gives_other_contents(path: Path) -> None:
    data = path.read_bytes()
    silent = 0
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.unlink()  # ext4 flushes a file that is emptied and written anew
            path.write_bytes(damaged)
            try:
                loaded = checkpoint.load(path)
            except CheckpointError:
                continue
            silent += 1
            assert repr(loaded) == repr(VALUE), (place, bit)
    assert silent < 64  # spaces of the header's padding may become other white space


def test_zeroed_blocks_are_noticed(path: Path) -> None:
    data = path.read_bytes()
    for start in range(0, len(data), 32):
        block = data[start : start + 32]
        if block.strip(b"\0 "):
            path.write_bytes(data[:start] + bytes(len(block)) + data[start + 32 :])
            with pytest.raises(CheckpointError):
                checkpoint.load(path)


def foreign_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"model": deque()}, protocol=2))


def foreign_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"abc"))


def foreign_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "b")


def foreign_npy(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.ones(3))


def foreign_hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    h5py.File(path, "w").close()


def foreign_safetensors(path: Path) -> None:
    save_file({"w": np.ones(3)}, path, metadata={"format": "pt"})


def foreign_text(path: Path) -> None:
    path.write_text("epochs: 3\nlayers: [] # a good deal longer than a header\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign_pickle, r"at byte \d+ of \d+: it asks for 'collections.deque'"),
        (foreign_gzip, "gzip"),
        (foreign_zip, "zip archive"),
        (foreign_npy, ".npy"),
        (foreign_hdf5, "HDF5"),
        (foreign_safetensors, "safetensors file, but not a neonport checkpoint"),
        (foreign_text, "no checkpoint"),
        (empty, "empty file"),
    ],
)
def test_foreign_files_are_called_by_name(make: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    make(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.load(path)
    assert "model.pkl" in str(caught.value)
    assert not checkpoint.is_checkpoint(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no\.prm' does not exist; give"):
        checkpoint.load(tmp_path / "no.prm")
    with pytest.raises(CheckpointError, match="is a folder"):
        checkpoint.load(tmp_path)
    assert not checkpoint.is_checkpoint(tmp_path / "no.prm")


def test_unreadable_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        checkpoint.load(path)


def rewrite(path: Path, **metadata: Any) -> None:
    """Replace metadata and repair the header's length."""
    data = path.read_bytes()
    header = json.loads(data[8 : header_end(data)])
    header["__metadata__"].update(metadata)
    text = json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[header_end(data) :])


@pytest.mark.parametrize("change", [{"dtype": "I64"}, {"shape": [4, 3]}])
def test_a_header_that_reads_the_bytes_differently_is_noticed(path: Path, change: Any) -> None:
    data = path.read_bytes()
    header = json.loads(data[8 : header_end(data)])
    header["model/layers/0/W"].update(change)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[header_end(data) :])
    with pytest.raises(CheckpointError, match="checksum"):
        checkpoint.load(path)


@pytest.mark.parametrize("version", ["2", "0", "", "1.5", "x"])
def test_other_versions_are_refused(path: Path, version: str) -> None:
    assert checkpoint.is_checkpoint(path)
    rewrite(path, version=version)
    with pytest.raises(CheckpointError, match=f"version '{version}', this release reads 1"):
        checkpoint.load(path)


def resign(path: Path, structure: str) -> None:
    """Write a structure with a checksum that fits, as an attacker can."""
    _, arrays = checkpoint.encode(VALUE)
    rewrite(path, structure=structure, sha256=checkpoint._digest(structure, arrays))


@pytest.mark.parametrize(
    "structure",
    [
        "not json",
        "[" * 100_000,
        '{"$": "exec", "value": "1"}',
        '{"$": ["array"]}',
        '{"$": "array"}',
        '{"$": "array", "name": "nowhere"}',
        '{"$": "array", "name": "rng_state/1", "dtype": "|O8", "shape": [1]}',
        '{"$": "array", "name": "rng_state/1", "dtype": "u1,u1", "shape": [14]}',
        '{"$": "array", "name": "rng_state/1", "dtype": "<f8", "shape": [9999999]}',
        '{"$": "dict", "items": [[[], 1]]}',
        '{"$": "float", "value": "1.0"}',
        '{"$": "bytes", "value": "\\u20ac"}',
        '{"$": "scalar", "name": "rng_state/1"}',
        '{"$": "array", "name": "rng_state/1", "dtype": "<U1", "shape": [-7]}',
        '{"$": "array", "name": "rng_state/1", "dtype": "<U1", "shape": [9e99]}',
        '{"$": "array", "name": "rng_state/1", "dtype": ["<U1"], "shape": [7]}',
        '{"$": "array", "name": ["rng_state/1"]}',
        '{"$": "float", "value": ["nan"]}',
    ],
)
def test_hostile_structures_are_refused(path: Path, structure: str) -> None:
    resign(path, structure)
    with pytest.raises(CheckpointError, match="cannot be rebuilt"):
        checkpoint.load(path)


def test_tensors_without_a_place_are_named(path: Path) -> None:
    resign(path, '{"$": "array", "name": "rng_state/1"}')
    with pytest.raises(CheckpointError, match="does not name the tensors 'model/layers/0/W'"):
        checkpoint.load(path)


@pytest.mark.parametrize("raw", [False, True])
def test_many_references_to_one_array_share_it(tmp_path: Path, raw: bool) -> None:
    path, count = tmp_path / "c.prm", 2000
    words = np.array(["x" * 1000] * 65 if raw else np.zeros(32500))
    checkpoint.save({"a": words}, path)
    metadata = checkpoint._read_metadata(path)
    node = json.loads(metadata["structure"])["a"]
    text = json.dumps([node] * count)
    _, arrays = checkpoint.encode({"a": words})
    rewrite(path, structure=text, sha256=checkpoint._digest(text, arrays))
    tracemalloc.start()
    try:
        value = checkpoint.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(value) == count
    assert len({id(item) for item in value}) == 1
    np.testing.assert_array_equal(value[0], words)
    assert peak < 20 * path.stat().st_size


def test_equal_descriptions_give_equal_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.prm" for n in range(8)]
    for file in files:
        checkpoint.save(VALUE, file)
    assert len({file.read_bytes() for file in files}) == 1


def test_a_checksum_is_what_saving_returned(tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    assert checkpoint.save(VALUE, path) == checkpoint.checksum(path)
    assert checkpoint.save({**VALUE, "epoch_index": 4}, path) == checkpoint.checksum(path)
    path.write_bytes(b"x" * 99)
    assert checkpoint.checksum(path) is None
    assert checkpoint.checksum(tmp_path / "no.prm") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps an open file from being truncated")
def test_a_file_truncated_while_it_is_read_is_an_error(tmp_path: Path, campaign: int) -> None:
    """A mapped file would end the process by SIGBUS, so each try is a process of its own."""
    path = tmp_path / "c.prm"
    code = (
        "import os, sys, numpy as np\n"
        "from neonport.errors import CheckpointError\n"
        "from neonport.io import checkpoint\n"
        "path, when = sys.argv[1], int(sys.argv[2])\n"
        "checkpoint.save({'x': np.ones(1 << 20), 'y': np.ones(1 << 20)}, path)\n"
        "calls = 0\n"
        "def cut(frame, event, argument):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls == when: os.truncate(path, 5000)\n"
        "sys.setprofile(cut)\n"
        "try: value = checkpoint.load(path)\n"
        "except CheckpointError as error: print('CheckpointError')\n"
        "else: print(value['x'].sum() == value['y'].sum() == 1 << 20)\n"
    )
    results = []
    for when in np.linspace(1, 120, 8 * campaign, dtype=int):
        command = [sys.executable, "-c", code, str(path), str(when)]
        out = subprocess.run(command, capture_output=True, text=True)
        assert out.returncode == 0, (when, out)
        results.append(out.stdout.strip())
    assert set(results) == {"CheckpointError", "True"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="it is a named pipe"):
        checkpoint.load(pipe)
    with pytest.raises(CheckpointError, match="it is a character device"):
        checkpoint.load(os.devnull)
    assert not checkpoint.is_checkpoint(pipe)


def test_header_that_claims_gigabytes_is_refused(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes((1 << 62).to_bytes(8, "little") + data[8:])
    with pytest.raises(CheckpointError):
        checkpoint.load(path)


def test_tensors_are_readable_by_other_tools(path: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(path)
    np.testing.assert_array_equal(tensors["model/layers/0/W"], VALUE["model"]["layers"][0]["W"])


def test_bytes_paths_and_relative_paths(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert checkpoint.load(b"c.prm")["epoch_index"] == 3
    checkpoint.save(1, os.fsencode("d.prm"))
    assert checkpoint.load("d.prm") == 1
