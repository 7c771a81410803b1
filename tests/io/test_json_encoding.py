"""What goes into a checkpoint comes out with every type, dtype and shape."""

from __future__ import annotations

import collections
import enum
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from safetensors import safe_open

from neonport.errors import CheckpointError
from neonport.io import checkpoint


def roundtrip(value: Any, folder: Path) -> Any:
    checkpoint.save(value, folder / "c.prm")
    return checkpoint.load(folder / "c.prm")


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(k, j) and same(v, w) for (k, v), (j, w) in zip(a.items(), b.items(), strict=True)
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and str(a) == str(b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    return bool(a == b)


PLAIN = [
    {},
    [],
    (),
    None,
    True,
    0,
    -(2**63),
    10**40,
    0.1,
    -0.0,
    1e-320,
    math.inf,
    -math.inf,
    math.nan,
    1 + 2j,
    complex(math.nan, math.inf),
    "",
    "a\x00b\u20ac\U0001f600\ud800",
    b"\x00\xff",
    (1, (2, [3, (4,)], {"k": ()})),
    {1: "a", "1": "b", None: 3, (1, 2): 4, 2.5: 5, False: 6, b"x": 7},
    {"$": "tuple", "items": [1]},
    {"a/b": np.ones(1), "a": {"b": np.zeros(2)}, "__metadata__": np.ones(3)},
    {"a\ud800": np.ones(1), "a\udc00": np.ones(2), "a?": np.ones(3)},  # noqa: F601
    np.float32(0.1),
    np.int64(-3),
    np.bool_(True),
    np.complex64(1j),
    np.str_("text"),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda v: repr(v)[:30])
def test_plain_values_keep_their_types(value: Any, tmp_path: Path) -> None:
    assert same(roundtrip(value, tmp_path), value)


@pytest.mark.parametrize(
    "dtype",
    [*"?gbhilBHILefdFD", ">f4", ">i8", "S3", "U2"],
)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0, 2), (1,), (5, 7), (2, 1, 3, 1)])
def test_arrays_keep_dtype_shape_and_bits(dtype: str, shape: Any, tmp_path: Path) -> None:
    array = np.random.RandomState(0).randint(0, 2, shape).astype(dtype)
    back = roundtrip({"x": array}, tmp_path)["x"]
    assert same(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize("shape", [(), (0, 3), (5, 7)])
def test_bfloat16_is_safetensors_own(shape: Any, tmp_path: Path) -> None:
    bits = np.random.RandomState(0).randint(0, 65536, shape).astype(np.uint16)
    array = bits.view(ml_dtypes.bfloat16)
    back = roundtrip({"x": array, "one": ml_dtypes.bfloat16(1.5)}, tmp_path)
    assert same(back["x"], array)
    assert same(back["one"], ml_dtypes.bfloat16(1.5))
    with safe_open(tmp_path / "c.prm", framework="numpy") as file:
        assert file.get_slice("x").get_dtype() == "BF16"


def test_bfloat16_is_read_by_a_process_that_never_named_it(tmp_path: Path) -> None:
    checkpoint.save([np.ones(2, ml_dtypes.bfloat16)], tmp_path / "c.prm")
    code = (
        "import sys; from neonport.io import checkpoint as c; print(c.load(sys.argv[1])[0].dtype)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "c.prm")]
    assert subprocess.run(run, capture_output=True, text=True).stdout.strip() == "bfloat16"


def test_array_bits_include_nan_payloads(tmp_path: Path) -> None:
    bits = np.array([0x7FC00001, 0xFFC12345, 0x80000000, 1], np.uint32).view(np.float32)
    assert roundtrip([bits], tmp_path)[0].tobytes() == bits.tobytes()


def test_views_are_stored_as_what_they_show(tmp_path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    for view in (base.T, base[::-1, ::2], np.broadcast_to(base[:1], (3, 6)), base[1:1]):
        np.testing.assert_array_equal(roundtrip(view, tmp_path), view)


def test_random_generator_state_comes_back_usable(tmp_path: Path) -> None:
    rng = np.random.RandomState(3)
    rng.normal()
    state = roundtrip({"rng_state": rng.get_state()}, tmp_path)["rng_state"]
    assert isinstance(state, tuple)
    other = np.random.RandomState(9)
    other.set_state(state)
    assert other.normal() == rng.normal()
    assert other.randint(1 << 30) == rng.randint(1 << 30)


def test_subclasses_become_what_they_are(tmp_path: Path) -> None:
    class Colour(enum.IntEnum):
        RED = 3

    class Words(str):
        pass

    pair = collections.namedtuple("pair", "a b")
    value = [Colour.RED, Words("w"), pair(1, 2), collections.OrderedDict(a=1)]
    assert same(roundtrip(value, tmp_path), [3, "w", (1, 2), {"a": 1}])


def test_the_description_is_left_alone(tmp_path: Path) -> None:
    array = np.arange(3)
    value = {"a": [array, (1,)], 1: None}
    roundtrip(value, tmp_path)
    assert value["a"][0] is array  # type: ignore[index]
    assert list(value) == ["a", 1]


class Unstorable:
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, Unstorable()]}, "a/1.*Unstorable"),
        ({"f": lambda: 1}, "f.*function"),
        ({"a": {1, 2}}, "a.*set"),
        ({"o": np.array([None], object)}, "o.*object"),
        ({"o": np.zeros(2, "f4,i4")}, "o.*portable"),
        ({"d": np.array(["2020"], "M8[D]")}, "d.*portable"),
        ({"m": np.ma.masked_array([1, 2], [0, 1])}, "m.*filled"),
        ({"n": 10**5000}, "4300"),
    ],
)
def test_what_cannot_be_stored_is_named(value: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "c.prm"
    checkpoint.save("before", path)
    with pytest.raises(CheckpointError, match=words):
        checkpoint.save(value, path)
    assert checkpoint.load(path) == "before"


def test_cycles_and_depth_are_refused(tmp_path: Path) -> None:
    cycle: list[Any] = []
    cycle.append({"again": cycle})
    with pytest.raises(CheckpointError, match="contains itself"):
        checkpoint.save(cycle, tmp_path / "c.prm")
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="too deep"):
        checkpoint.save(deep, tmp_path / "c.prm")
    twice = [1]
    assert roundtrip([twice, twice], tmp_path) == [[1], [1]]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary(max_size=20)
    | st_np.arrays(
        st_np.integer_dtypes() | st_np.floating_dtypes() | st_np.complex_number_dtypes(),
        st_np.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3),
    )
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.just("$"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_any_nesting_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    assert same(roundtrip(value, tmp_path_factory.mktemp("any")), value)
