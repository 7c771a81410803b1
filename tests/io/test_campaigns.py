"""Campaigns on checkpoint files; what they found is in docs/explanation/reliability.md.

`--campaign N` runs N times as many tries.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from neonport.errors import CheckpointError
from neonport.io import checkpoint
from neonport.io.json_encoding import encode

VALUE = {
    "epoch_index": 3,
    "rng_state": ("MT19937", np.arange(7, dtype=np.uint32), 5, 0, 0.5),
    "names": np.array(["one", "three"]),
    "odd": {3: b"bytes", None: 1j, "$": float("nan"), "half": np.float16(2)},
    "model": {"layers": [{"W": np.arange(12.0).reshape(3, 4), "n": None}, {"W": np.ones((4, 2))}]},
}


def same(one: Any, other: Any) -> bool:
    (structure, arrays), (others, other_arrays) = encode(one), encode(other)
    return repr(structure) == repr(others) and all(
        arrays[name].tobytes() == other_arrays[name].tobytes() for name in arrays | other_arrays
    )


def damage(data: bytes, r: random.Random) -> bytes:
    """Bytes of a file that something went wrong with."""
    out, place = bytearray(data), r.randrange(len(data))
    size = r.choice([1, 2, 8, 64, 512, 4096])
    kind = r.choice(["bits", "cut", "zeros", "noise", "insert", "remove", "swap", "repeat"])
    if kind == "bits":
        for _ in range(r.choice([1, 1, 2, 8])):
            out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    elif kind == "cut":
        del out[place:]
    elif kind == "zeros":
        out[place : place + size] = bytes(len(out[place : place + size]))
    elif kind == "noise":
        out[place : place + size] = r.randbytes(len(out[place : place + size]))
    elif kind == "insert":
        out[place:place] = r.randbytes(size)
    elif kind == "remove":
        del out[place : place + size]
    elif kind == "swap":
        other = r.randrange(len(out))
        out[place], out[other] = out[other], out[place]
    else:
        out[place:place] = out[place : place + size]
    return bytes(out)


def test_random_damage(tmp_path: Path, campaign: int) -> None:
    """Damage is noticed, or was none; no other error comes out."""
    path, r = tmp_path / "c.prm", random.Random(campaign)
    checkpoint.save(VALUE, path)
    data = path.read_bytes()
    noticed = 0
    for _ in range(600 * campaign):
        path.write_bytes(damage(data, r))
        try:
            value = checkpoint.load(path)
        except CheckpointError:
            noticed += 1
        else:
            assert same(value, VALUE)
    assert noticed > 400 * campaign


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """All (holder, key) of a JSON value."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((value, key))
        if isinstance(item, (dict, list)):
            found += nodes(item)
    return found


def test_random_structures_with_a_right_checksum(tmp_path: Path, campaign: int) -> None:
    """A structure that nobody wrote gives a value or a CheckpointError, in little memory."""
    from safetensors.numpy import save_file

    path, r = tmp_path / "c.prm", random.Random(campaign)
    good, arrays = encode(VALUE)
    kinds = ["tuple", "dict", "float", "complex", "bytes", "array", "scalar", "exec", "", 7, None]
    words = ["items", "value", "name", "dtype", "shape", "$", "x"]
    values = [
        None, True, 0, -1, 2**70, 1.5, float("nan"), "", "nan", "\ud800", "rng_state/1", "names",
        "<U3", "<f8", "|O8", "|V4", ">c16", "<U99999999", [], {}, [[]], [-1], [2**62, 2], [1, "x"],
        [[1, 2]], [[[], 1]], "x" * 10_000,
    ]  # fmt: skip
    tracemalloc.start()
    try:
        for _ in range(300 * campaign):
            tree = copy.deepcopy({"root": good})
            for _ in range(r.choice([1, 1, 2, 4])):
                holder, key = r.choice(nodes(tree))
                if r.random() < 0.3:
                    names = r.sample(words, 3)
                    holder[key] = {
                        "$": r.choice(kinds),
                        **{n: copy.deepcopy(r.choice(values)) for n in names},
                    }
                elif r.random() < 0.2 and isinstance(holder, dict) and len(holder) > 1:
                    del holder[key]
                else:
                    holder[key] = copy.deepcopy(r.choice(values))
            text = json.dumps(tree.get("root"))
            metadata = {
                "format": "neonport",
                "version": "1",
                "structure": text,
                "sha256": checkpoint._digest(text, arrays),
            }
            save_file(arrays, path, metadata)
            tracemalloc.reset_peak()
            with contextlib.suppress(CheckpointError):
                checkpoint.load(path)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


class FullDisk:
    """A binary file on a disk with room for `room` bytes, that fails in one way or another."""

    def __init__(self, file: IO[bytes], room: int, number: int) -> None:
        self.file, self.room, self.number = file, room, number

    def write(self, data: Any) -> int:
        data = bytes(data)
        self.file.write(data[: max(0, self.room)])
        self.room -= len(data)
        if self.room < 0:
            raise OSError(self.number, os.strerror(self.number))
        return len(data)


def test_full_disks(tmp_path: Path, campaign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails after any number of bytes leaves the old file, and nothing else."""
    path, r = tmp_path / "c.prm", random.Random(campaign)
    checkpoint.save(VALUE, path)
    before, write_file = path.read_bytes(), checkpoint.write_file
    for _ in range(100 * campaign):
        room, number = r.randrange(len(before)), r.choice([errno.ENOSPC, errno.EDQUOT, errno.EIO])

        def limited(target: Any, write: Any, room: int = room, number: int = number) -> None:
            write_file(target, lambda file: write(FullDisk(file, room, number)))

        monkeypatch.setattr(checkpoint, "write_file", limited)
        with pytest.raises(OSError, match=r"c\.prm"):
            checkpoint.save(VALUE, path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["c.prm"]


WRITER = """
import sys, numpy as np
from neonport.io import checkpoint
number = int(sys.argv[2])
print("ready", flush=True)
for count in range(10**9):
    checkpoint.save({"writer": number, "x": np.full(3000 + number, number * 10**6 + count)},
                    sys.argv[1])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to replace a file that is read")
def test_readers_beside_writers(tmp_path: Path, campaign: int) -> None:
    """While three processes write one file, each reading gives what one of them wrote."""
    path, r = tmp_path / "c.prm", random.Random(campaign)
    checkpoint.save({"writer": 0, "x": np.full(3000, 0)}, path)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, str(n)], stdout=subprocess.PIPE)
        for n in (1, 2, 3)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        seen = set()
        for count in range(400 * campaign):
            if count % 100 == 50:  # one is killed now and then, and another takes its place
                n = r.randrange(3)
                writers[n].kill()
                writers[n].communicate()
                command = [sys.executable, "-c", WRITER, path, str(n + 1)]
                writers[n] = subprocess.Popen(command, stdout=subprocess.PIPE)
            value = checkpoint.load(path)
            number, x = value["writer"], value["x"]
            assert x.shape == (3000 + number,)
            assert (x == x[0]).all()
            assert x[0] // 10**6 == number
            seen.add(int(x[0]))
        assert len(seen) > 2
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    checkpoint.save(1, path)
    assert os.listdir(tmp_path) == ["c.prm"]
