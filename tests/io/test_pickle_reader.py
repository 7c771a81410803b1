"""Pickles read as data: the right values, whoever wrote them, and nothing else."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import pickle
import random
import tracemalloc
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError
from neonport.io import checkpoint
from neonport.io.pickle_reader import LARGEST_RATIO, is_pickle, read_pickle
from tests.fixtures.old_pickles import python2, python3
from tests.io.test_campaigns import damage

VALUE = {
    "neon_version": "1.8.1",
    "epoch_index": 4,
    "none": None,
    "flags": [True, False],
    "numbers": (1, -300, 70_000, 2**40, -(2**70), 0.25, float("inf")),
    "scalar": np.float32(0.5),
    "rows": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.array([1, 2], ">i4"),
    "empty": np.zeros((0, 3)),
    "nothing around": np.array(7),
    "half": np.array([1.5], np.float16),
    "rng_state": np.random.RandomState(1).get_state(),
    "nested": {"a": [{"b": ({"c": []},)}], 3: {(1, "x"): "key"}},
    "ordered": OrderedDict([("first", 1), ("second", 2)]),
}
WRITERS: list[tuple[Callable[[Any, int], bytes], int]] = [
    *((python3, protocol) for protocol in range(6)),
    *((python2, protocol) for protocol in range(3)),
    *((pickle.dumps, protocol) for protocol in range(6)),
]


def check_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == wanted.dtype.newbyteorder("=")
        assert found.flags.writeable
        assert found.flags.owndata
        np.testing.assert_array_equal(found, wanted)
    elif isinstance(wanted, dict):
        assert type(found) is dict
        assert list(found) == list(wanted)
        for key in wanted:
            check_same(found[key], wanted[key])
    elif isinstance(wanted, (list, tuple)):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            check_same(one, other)
    else:
        assert found == wanted


@pytest.mark.parametrize(("write", "protocol"), WRITERS)
def test_values_of_every_writer(write: Any, protocol: int, tmp_path: Path) -> None:
    data = write(VALUE, protocol)
    assert is_pickle(data[:16])
    check_same(read_pickle(data, "m.prm"), VALUE)
    for name, content in (("m.prm", data), ("m.prm.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        check_same(checkpoint.load(tmp_path / name), VALUE)


def test_text_of_both_pythons() -> None:
    assert read_pickle(python2({"name": "caf\xe9", "data": b"\x00\xff"}), "") == {
        "name": "caf\xe9",
        "data": "\x00\xff",
    }
    words = {"name": "日本", "data": b"\x00\xff", "many": {1, 2}, "frozen": frozenset("a")}
    for protocol in range(6):
        assert read_pickle(python3(words, protocol), "") == words


def test_classes_become_their_names() -> None:
    value = {"rec_layer": OrderedDict, "dtype": np.dtype(np.float32), "type": np.float16}
    assert read_pickle(python3(value), "") == {
        "rec_layer": "collections.OrderedDict",
        "dtype": "float32",
        "type": "numpy.float16",
    }
    gru = b"\x80\x02cneon.layers.recurrent\nGRU\nq\x00."
    assert read_pickle(gru, "") == "neon.layers.recurrent.GRU"


def test_a_file_of_ours_that_begins_like_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "m.prm"
    for size in range(0, 4000, 8):
        checkpoint.save({"text": "x" * size}, path)
        if path.read_bytes()[0] == 0x80:
            break
    assert is_pickle(path.read_bytes()[:16])
    assert checkpoint.load(path) == {"text": "x" * size}


class _Calls:
    """Something whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


class _Plain:
    """A class of somebody's."""


FORBIDDEN: list[Any] = [
    _Calls(builtins.eval, "open('/tmp/never', 'w')"),
    _Calls(builtins.exec, "raise SystemExit"),
    _Calls(builtins.__import__, "antigravity"),
    _Calls(builtins.getattr, "text", "upper"),
    _Calls(builtins.open, "/tmp/never", "w"),
    _Calls(np.load, "/tmp/never"),
    _Calls(np.memmap, "/tmp/never", "uint8", "w+", 0, (1,)),
    _Calls(np.fromfile, "/tmp/never"),
    _Calls(np.ndarray, (1 << 40,)),
    _Calls(bytearray, 1 << 40),
    _Calls(bytes, 1 << 40),
    _Calls(list, {"a": 1}),
    _Calls(dict, [(1, 2, 3)]),
    _Calls(int, "9" * 10),
    _Plain(),
    deque([1]),
    np.array([None]),
    np.array(["text"]),
    np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]),
    np.array([1j]),
    np.array(["2016-01-01"], "M8[D]"),
    {"key": _Calls(OrderedDict, [([], 1)])},
    range(3),
    slice(1),
    3j,
    Path("m.prm"),
    print,
]


@pytest.mark.parametrize("value", FORBIDDEN, ids=lambda value: type(value).__name__)
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    if value is print:
        assert read_pickle(python3(value, 4), "m.prm") == "builtins.print"  # called by nobody
        return
    for protocol in range(6):
        with pytest.raises(CheckpointError, match=r"'m.prm' .* at byte \d+ of \d+: .*nothing was"):
            read_pickle(python3({"layers": [value]}, protocol), "m.prm")


RAW = {
    "no end": b"\x80\x02}q\x00",
    "only a mark": b"\x80\x02(.",
    "two values": b"\x80\x02NN.",
    "nothing": b"\x80\x02.",
    "persistent": b"\x80\x02U\x01aQ.",
    "extension": b"\x80\x02\x82\x01.",
    "instance": b"(ios\nsystem\n.",
    "object": b"\x80\x02(cos\nsystem\nU\x02lso.",
    "unknown entry": b"\x80\x02h\x05.",
    "later protocol": b"\x80\x05\x80\x09N.",
    "append to a dict": b"\x80\x02}K\x01a.",
    "key without value": b"\x80\x02}(K\x01u.",
    "list as a key": b"\x80\x02}]K\x01s.",
    "negative shape": python3(np.zeros(3)).replace(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),
    "long text": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "long bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "wrong text": b"\x80\x02X\x02\x00\x00\x00\xff\xfe.",
    "number of 5000 digits": b"L" + b"9" * 5000 + b"L\n.",
    "pop of nothing": b"\x80\x020.",
    "build on text": b"\x80\x02U\x01a}b.",
    "call of text": b"\x80\x02U\x01a)R.",
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_programs_that_nobody_wrote(data: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"at byte \d+ of \d+"):
        read_pickle(data, "m.prm")


def test_what_refers_to_itself_or_to_one_thing_again_and_again() -> None:
    endless: list[Any] = []
    endless.append(endless)
    doubled: list[Any] = []
    for _ in range(60):
        doubled = [doubled, doubled]
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x00"
    encode = b"c_codecs\nencode\nh\x00U\x06latin1\x86R"
    copies = b"\x80\x02(" + text + encode * 1000 + b"t."
    for data in (python3(endless), python3(doubled), python3(deep), copies):
        tracemalloc.start()
        with pytest.raises(CheckpointError, match=r"again|deep|more than it holds"):
            read_pickle(data, "m.prm")
        assert tracemalloc.get_traced_memory()[1] < 30 * len(data) + (20 << 20)
        tracemalloc.stop()


def test_gzip_files(tmp_path: Path) -> None:
    packed = gzip.compress(python3(VALUE))
    halves = gzip.compress(python3(VALUE)[:100]) + gzip.compress(python3(VALUE)[100:])
    check_same(read_pickle(halves, ""), VALUE)
    for damaged, words in (
        (packed[:-30], "cut off"),
        (packed[:40] + b"\xff" * 9 + packed[49:], "damaged gzip"),
        (gzip.compress(bytes(LARGEST_RATIO * 200_000)), "unpacks to more than"),
    ):
        with pytest.raises(CheckpointError, match=words):
            read_pickle(damaged, "m.prm")


def test_random_damage(campaign: int) -> None:
    r = random.Random(5)
    originals = [write(VALUE, protocol) for write, protocol in WRITERS]
    originals.append(gzip.compress(originals[2]))
    for _ in range(2_000 * campaign):
        data = damage(r.choice(originals), r)
        with contextlib.suppress(CheckpointError):
            read_pickle(data, "m.prm")


def test_nothing_is_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("executed something")

    data = [write(VALUE, protocol) for write, protocol in WRITERS]
    for content in data:
        read_pickle(content, "m.prm")  # NumPy imports a module of its own at the first time
        with monkeypatch.context() as patch:
            for name in ("loads", "load", "Unpickler", "_Unpickler"):
                patch.setattr(pickle, name, refuse)
            for name in ("eval", "exec", "__import__"):
                patch.setattr(builtins, name, refuse)
            read_pickle(content, "m.prm")
