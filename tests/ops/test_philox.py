"""The counter-based generator: published vectors, the stated stream, statistics, state."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.ops.philox import PhiloxState, bits, blocks_needed, normal, philox4x32, uniform

KEY = 0x0123456789ABCDEF
DTYPES = [np.float16, np.float32, np.float64]


def block(counter: int, key: int) -> list[int]:
    """One block with Python integers, written from the paper."""
    c = [(counter >> (32 * i)) & 0xFFFFFFFF for i in range(4)]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (right >> 32) ^ c[1] ^ k[0],
            right & 0xFFFFFFFF,
            (left >> 32) ^ c[3] ^ k[1],
            left & 0xFFFFFFFF,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers(counter, key, expected):
    words = philox4x32(counter, key)
    assert words.dtype == np.uint32
    assert [f"{word:08x}" for word in words] == expected.split()


def test_counters_broadcast():
    words = philox4x32((np.arange(6).reshape(2, 3), 7, 0, 1), KEY)
    assert words.shape == (2, 3, 4)
    assert words[1, 2].tolist() == block(5 + (7 << 32) + (1 << 96), KEY)


@pytest.mark.parametrize("offset", [0, 5, 2**32 - 2, 2**64 - 2])
def test_bits_are_the_lanes_in_order(offset):
    n = 4 * 5 + 3
    expected = [lane for j in range(6) for lane in block((offset + j) % 2**64, KEY)]
    assert bits(KEY, offset, n).tolist() == expected[:n]


def test_uniform_float32_and_float16_use_the_high_bits_of_a_lane():
    lanes = bits(KEY, 3, 103)
    np.testing.assert_array_equal(uniform(KEY, 3, 103), [(u >> 8) / 2**24 for u in lanes.tolist()])
    np.testing.assert_array_equal(
        uniform(KEY, 3, 103, np.float16), [(u >> 21) / 2**11 for u in lanes.tolist()]
    )


def test_uniform_and_normal_bfloat16():
    u, single = bits(KEY, 3, 103), normal(KEY, 3, 103, mean=1.0, std=3.0)
    short = uniform(KEY, 3, 103, "bfloat16")
    np.testing.assert_array_equal(short.astype(np.float64), (u >> 24) / 2**8)
    drawn = normal(KEY, 3, 103, short.dtype, mean=1.0, std=3.0)
    np.testing.assert_array_equal(drawn, single.astype(short.dtype))


def test_uniform_float64_uses_two_lanes():
    lanes = bits(KEY, 3, 2 * 51).tolist()
    expected = [
        ((h >> 5) * 2**26 + (low >> 6)) / 2**53
        for h, low in zip(lanes[::2], lanes[1::2], strict=True)
    ]
    assert uniform(KEY, 3, 51, np.float64).tolist() == expected


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_normal_is_box_muller_of_the_uniform_stream(n):
    u = uniform(KEY, 9, 8, np.float64)
    expected = []
    for u1, u2 in zip(u[::2], u[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(1 - u1))
        expected += [radius * math.cos(2 * math.pi * u2), radius * math.sin(2 * math.pi * u2)]
    np.testing.assert_allclose(normal(KEY, 9, n, np.float64), expected[:n], rtol=1e-14)


def test_normal_float32_and_float16_share_their_numbers():
    single = normal(KEY, 0, 1001, mean=1.0, std=3.0)
    u = uniform(KEY, 0, 1002).astype(np.float64)
    radius = np.sqrt(-2 * np.log(1 - u[::2]))
    angle = 2 * np.pi * u[1::2]
    exact = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1)[:1001]
    np.testing.assert_allclose(single, 1 + 3 * exact, atol=1e-5)
    half = normal(KEY, 0, 1001, np.float16, mean=1.0, std=3.0)
    np.testing.assert_array_equal(half, single.astype(np.float16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("draw", [uniform, normal])
def test_any_part_of_a_stream_can_be_drawn_alone(draw, dtype):
    whole = draw(KEY, 0, 100_000, dtype)  # more than one chunk
    per_block = 2 if dtype == np.float64 else 4
    first = 33_000 // per_block
    part = draw(KEY, first, 40_001, dtype)
    np.testing.assert_array_equal(part, whole[first * per_block :][:40_001])


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_in_place(dtype):
    out = np.full((3, 35), np.nan, dtype)
    assert uniform(KEY, 1, 105, dtype, out=out) is out
    np.testing.assert_array_equal(out.reshape(-1), uniform(KEY, 1, 105, dtype))
    assert normal(KEY, 1, 105, dtype, out=out) is out
    np.testing.assert_array_equal(out.reshape(-1), normal(KEY, 1, 105, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_look_uniform(dtype):
    n = 200_000
    u = uniform(1, 0, n, dtype).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < (2**-12 if dtype == np.float16 else 0) + 4 / math.sqrt(12 * n)
    counts, _ = np.histogram(u, 64, (0, 1))
    chi_square = ((counts - n / 64) ** 2 / (n / 64)).sum()
    assert 25 < chi_square < 115  # 63 degrees of freedom: mean 63, standard deviation 11
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / math.sqrt(n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_look_normal(dtype):
    n = 200_000
    z = normal(2, 0, n, dtype).astype(np.float64)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.std() - 1) < 5 / math.sqrt(2 * n)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)
    for limit in (0.5, 1.0, 2.0, 3.0):
        share = math.erfc(limit / math.sqrt(2))
        assert abs((abs(z) > limit).mean() - share) < 5 * math.sqrt(share / n)
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 4 / math.sqrt(n / 2)


def test_neighbouring_seeds_and_offsets_are_unrelated():
    n = 100_000
    base = uniform(7, 0, n)
    for other in (uniform(8, 0, n), uniform(7, n, n), uniform(7 << 32, 0, n)):
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / math.sqrt(n)


def test_every_bit_is_set_half_the_time():
    lanes = bits(3, 0, 100_000)
    ones = np.unpackbits(lanes.view(np.uint8).reshape(-1, 4), axis=1).mean(axis=0)
    assert abs(ones - 0.5).max() < 5 * 0.5 / math.sqrt(100_000)


def test_nothing_drawn():
    assert uniform(0, 0, 0).shape == normal(0, 0, 0).shape == bits(0, 0, 0).shape == (0,)


def test_reserved_ranges_do_not_share_blocks():
    state = PhiloxState(5)
    assert [state.reserve(n) for n in (1, 4, 5, 0, 3)] == [0, 1, 2, 4, 4]
    assert state.reserve(3, np.float64) == 5
    assert state.reserve(1, np.float16) == 7
    assert state.get_state() == ("philox4x32-10", 5, 8)
    assert [blocks_needed(n, np.float64) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]


def test_state_round_trip_and_reset():
    state = PhiloxState(5)
    first = state.reserve(100)
    saved = json.loads(json.dumps(state.get_state()))
    second = state.reserve(100)
    state.set_state(saved)
    assert state.reserve(100) == second
    other = PhiloxState(6)
    other.set_state(saved)
    assert other.reserve_with_key(100) == (5, second)
    other.reset()
    assert other.reserve_with_key(1) == (6, 0)
    state.reset()
    assert state.reserve(100) == first


def test_without_a_seed_streams_differ_but_can_be_reset():
    state = PhiloxState()
    assert state.key != PhiloxState().key
    key = state.key
    state.reserve(10)
    state.reset()
    assert state.reserve_with_key(1) == (key, 0)
    assert state.seed == key


def test_the_counter_wraps():
    state = PhiloxState(1)
    state.set_state(("philox4x32-10", 1, 2**64 - 1))
    assert state.reserve(8) == 2**64 - 1
    assert state.reserve(4) == 1


def test_threads_get_disjoint_ranges():
    state = PhiloxState(1)
    offsets: list[int] = []

    def draw():
        mine = [state.reserve(4) for _ in range(2000)]
        offsets.extend(mine)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(offsets) == list(range(8000))


@pytest.mark.parametrize(
    "state",
    [
        None, (), ("mt19937", 1, 2), ("philox4x32-10", -1, 0), ("philox4x32-10", 0, 2**64),
        ("philox4x32-10", "x", 0), ("philox4x32-10", 1),
    ],
)  # fmt: skip
def test_a_foreign_state_is_refused_and_changes_nothing(state):
    philox = PhiloxState(3)
    philox.reserve(12)
    with pytest.raises(ConfigurationError, match="random state"):
        philox.set_state(state)
    assert philox.get_state() == ("philox4x32-10", 3, 3)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ConfigurationError, match="2\\*\\*64"):
        PhiloxState(seed)
    with pytest.raises(ConfigurationError, match="2\\*\\*64"):
        uniform(seed, 0, 1)


def test_wrong_targets_are_refused():
    with pytest.raises(DtypeError, match="int32"):
        uniform(0, 0, 4, np.int32)
    with pytest.raises(DtypeError, match="float64"):
        uniform(0, 0, 4, np.float32, out=np.empty(4))
    with pytest.raises(ShapeError, match="contiguous"):
        normal(0, 0, 4, np.float64, out=np.empty((4, 2))[:, 0])
    with pytest.raises(ShapeError, match="5 elements"):
        normal(0, 0, 5, np.float64, out=np.empty(4))
    with pytest.raises(ConfigurationError, match="negative"):
        bits(0, 0, -1)
