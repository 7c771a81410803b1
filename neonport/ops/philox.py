"""Counter-based random numbers: the same seed gives the same bits on every backend.

The generator is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
1, 2, 3", 2011). A number is a pure function of a key and a position, so any backend can compute any
part of a stream in any order. This module is the definition; C, OpenCL and CUDA text repeats it.

A stream, given a 64-bit `key` and a 64-bit block `offset`:

* block j is ``philox(counter=(low32(offset + j), high32(offset + j), 0, 0),
  key=(low32(key), high32(key)))``, offset + j modulo 2^64; it has four 32-bit lanes u0..u3;
* bits: element i is lane ``i % 4`` of block ``i // 4``;
* uniform float32: element i is ``(u >> 8) * 2^-24`` with u = bits element i;
* uniform float16: ``(u >> 21) * 2^-11`` of the same u; bfloat16: ``(u >> 24) * 2^-8``;
* uniform float64: element i takes two lanes of block ``i // 2``: with ``h = u[2 * (i % 2)]`` and
  ``l = u[2 * (i % 2) + 1]`` it is ``((h >> 5) * 2^26 + (l >> 6)) * 2^-53``;
* normal (Box and Muller, 1958), from the uniform stream U of the same dtype (short ones: float32):
  ``r = sqrt(-2 log(1 - U[2j]))``, ``t = 2 pi U[2j + 1]``, element 2j is ``r cos t`` and element
  2j + 1 is ``r sin t``. 1 - U is exact and lies in (0, 1], so log never sees 0. All steps are done
  in the dtype (float16 and bfloat16: in float32, one rounding at the end).

Bits and uniform numbers agree bit for bit everywhere; normal numbers as far as log, cos and sin do.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from neonport.dtypes import as_dtype, is_float
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.foundation.fork import call_in_child

LANES = 4
ROUNDS = 10
MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ALGORITHM = "philox4x32-10"

_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_CHUNK = 1 << 13  # blocks worked on at a time: about ten arrays of 64 KiB stay in the L2 cache

_Fill = Callable[[np.ndarray, int, int], None]


def philox4x32(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: int) -> np.ndarray:
    """Apply the ten rounds of Philox 4x32 to counters.

    Args:
        counter: the four 32-bit words of the counters, low word first; arrays broadcast.
        key: 64-bit key; its low half is the first key word.

    Returns:
        uint32 array of the broadcast shape plus a last axis of length 4.

    Raises:
        ConfigurationError: the key is not in [0, 2^64).
    """
    low, high = _key_words(key)
    words = np.broadcast_arrays(*(np.asarray(word, np.uint32) for word in counter))
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in words)
    mask, half = np.uint64(_MASK32), np.uint64(32)
    for step in range(ROUNDS):
        k0 = np.uint64((low + step * WEYL[0]) & _MASK32)
        k1 = np.uint64((high + step * WEYL[1]) & _MASK32)
        p0 = c0 * np.uint64(MULTIPLIER[0])  # 32 x 32 bits: never overflows 64
        p1 = c2 * np.uint64(MULTIPLIER[1])
        c0 = (p1 >> half) ^ c1 ^ k0
        c2 = (p0 >> half) ^ c3 ^ k1
        c1 = p1 & mask
        c3 = p0 & mask
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def blocks_needed(n: int, dtype: DTypeLike = np.float32) -> int:
    """Count the blocks that `n` elements of a dtype take: two lanes for float64, else one."""
    lanes = 2 * n if np.dtype(dtype) == np.float64 else n
    return -(-lanes // LANES)


def bits(key: int, offset: int, n: int) -> np.ndarray:
    """Return the first `n` lanes of a stream as uint32.

    Args:
        key: 64-bit key.
        offset: first block, modulo 2^64.
        n: number of lanes.

    Raises:
        ConfigurationError: the key is not in [0, 2^64) or n is negative.
    """
    return _filled(np.empty(_length(n), np.uint32), LANES, _bits_filler(key, offset))


def uniform(
    key: int,
    offset: int,
    n: int,
    dtype: DTypeLike = np.float32,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return `n` uniform numbers in [0, 1); the module docstring states the exact bits.

    Args:
        key: 64-bit key.
        offset: first block, modulo 2^64.
        n: number of elements.
        dtype: float16, bfloat16, float32 or float64.
        out: C-contiguous array of n elements and that dtype to fill; None makes a new one.

    Returns:
        `out`, or a new array of shape (n,).

    Raises:
        DtypeError: dtype is no such float, or `out` has another one.
        ShapeError: `out` is not contiguous or has not n elements.
        ConfigurationError: the key is not in [0, 2^64) or n is negative.
    """
    dtype = _float_dtype(dtype)
    result, flat = _target(out, n, dtype)
    lanes = 2 if dtype == np.float64 else LANES
    _filled(flat, lanes, _uniform_filler(key, offset, dtype))
    return result


def normal(
    key: int,
    offset: int,
    n: int,
    dtype: DTypeLike = np.float32,
    mean: float = 0.0,
    std: float = 1.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return `n` normal numbers by Box and Muller; the module docstring states the formula.

    Args:
        key: 64-bit key.
        offset: first block, modulo 2^64.
        n: number of elements.
        dtype: float16, bfloat16, float32 or float64.
        mean: added after the scaling.
        std: standard deviation; element = std * z + mean, in the working dtype.
        out: C-contiguous array of n elements and that dtype to fill; None makes a new one.

    Returns:
        `out`, or a new array of shape (n,).

    Raises:
        DtypeError: dtype is no such float, or `out` has another one.
        ShapeError: `out` is not contiguous or has not n elements.
        ConfigurationError: the key is not in [0, 2^64) or n is negative.
    """
    dtype = _float_dtype(dtype)
    result, flat = _target(out, n, dtype)
    work = np.dtype(np.float64) if dtype == np.float64 else np.dtype(np.float32)
    lanes = 2 if work == np.float64 else LANES
    _filled(flat, lanes, _normal_filler(key, offset, work, float(mean), float(std)))
    return result


def _key_words(key: int) -> tuple[int, int]:
    if not 0 <= key <= _MASK64:
        raise ConfigurationError(f"a Philox key is an integer in [0, 2**64), got {key}")
    return int(key) & _MASK32, int(key) >> 32


def _length(n: int) -> int:
    if n < 0:
        raise ConfigurationError(f"the number of random elements must not be negative, got {n}")
    return int(n)


def _float_dtype(dtype: DTypeLike) -> np.dtype:
    found = as_dtype(dtype)
    if not is_float(found):
        raise DtypeError(
            f"random numbers come as float16, bfloat16, float32 or float64, not {found}; "
            "draw one of these and convert, or use bits() for integers"
        )
    return found


def _target(out: np.ndarray | None, n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return the array to give back and a flat view of its memory."""
    if out is None:
        out = np.empty(_length(n), dtype)
    elif out.dtype != dtype:
        raise DtypeError(f"out has dtype {out.dtype}, {dtype} is to be drawn; pass dtype=out.dtype")
    elif out.size != _length(n) or not out.flags.c_contiguous:
        raise ShapeError(
            f"out must be C-contiguous with {n} elements, got shape {out.shape} and strides "
            f"{out.strides}; draw into a contiguous array and copy"
        )
    return out, out.reshape(-1)


def _filled(flat: np.ndarray, per_block: int, fill: _Fill) -> np.ndarray:
    """Fill `flat` in chunks of whole blocks, so that the scratch arrays stay in cache."""
    step = _CHUNK * per_block
    for start in range(0, flat.size, step):
        part = flat[start : start + step]
        fill(part, start // per_block, -(-part.size // per_block))
    return flat


def _lanes(key: int, offset: int, first: int, count: int) -> np.ndarray:
    """Lanes of `count` blocks from block offset + first on, flat uint32."""
    start = np.uint64((offset + first) & _MASK64)
    index = np.arange(count, dtype=np.uint64) + start  # unsigned arrays wrap, as the counter does
    words = (index.astype(np.uint32), (index >> np.uint64(32)).astype(np.uint32), 0, 0)
    return philox4x32(words, key).reshape(-1)


def _bits_filler(key: int, offset: int) -> _Fill:
    def fill(part: np.ndarray, first: int, count: int) -> None:
        part[...] = _lanes(key, offset, first, count)[: part.size]

    return fill


def _uniform_filler(key: int, offset: int, dtype: np.dtype) -> _Fill:
    if dtype == np.float64:

        def fill(part: np.ndarray, first: int, count: int) -> None:
            pairs = _lanes(key, offset, first, count).reshape(-1, 2)[: part.size]
            np.multiply(pairs[:, 0] >> 5, 2.0**26, out=part)
            part += pairs[:, 1] >> 6
            part *= 2.0**-53

        return fill
    digits = {"float16": 11, "bfloat16": 8}.get(dtype.name, 24)

    def fill_short(part: np.ndarray, first: int, count: int) -> None:
        lanes = _lanes(key, offset, first, count)[: part.size] >> (32 - digits)
        np.multiply(lanes.astype(part.dtype), part.dtype.type(2.0**-digits), out=part)

    return fill_short


def _normal_filler(key: int, offset: int, work: np.dtype, mean: float, std: float) -> _Fill:
    draw = _uniform_filler(key, offset, work)
    per_block = 2 if work == np.float64 else LANES

    def fill(part: np.ndarray, first: int, count: int) -> None:
        u = np.empty(count * per_block, work)
        draw(u, first, count)
        radius = np.sqrt(-2.0 * np.log(1.0 - u[0::2]))
        angle = work.type(2.0 * math.pi) * u[1::2]
        u[0::2] = radius * np.cos(angle)
        u[1::2] = radius * np.sin(angle)
        u *= std
        u += mean
        part[...] = u[: part.size]

    return fill


class PhiloxState:
    """A seed and the position reached in its stream; shared by threads, a plain tuple on disk.

    Args:
        seed: integer in [0, 2^64), used as the key as it is; None draws one from the system.

    Raises:
        ConfigurationError: the seed is out of range.
    """

    def __init__(self, seed: int | None = None) -> None:
        key = secrets.randbits(64) if seed is None else int(seed)
        _key_words(key)
        self._seed = key
        self._key = key
        self._offset = 0
        self._renew_lock()
        call_in_child(self, PhiloxState._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    @property
    def seed(self) -> int:
        """The seed the state was made with; `reset` returns to it."""
        return self._seed

    @property
    def key(self) -> int:
        """The 64-bit key of the stream."""
        return self._key

    def reserve(self, n: int, dtype: DTypeLike = np.float32) -> int:
        """Take the blocks of `n` elements out of the stream.

        Every call takes whole blocks, so two draws never share one. A kernel that needs key and
        offset of one moment while others may call `set_state` uses `reserve_with_key`.

        Args:
            n: number of elements.
            dtype: dtype they are drawn in; float64 takes twice as many blocks.

        Returns:
            The first block, to be given as `offset` to `uniform`, `normal`, `bits` or a kernel.
        """
        return self.reserve_with_key(n, dtype)[1]

    def reserve_with_key(self, n: int, dtype: DTypeLike = np.float32) -> tuple[int, int]:
        """Do what `reserve` does and return (key, offset) that belong together."""
        count = blocks_needed(_length(n), dtype)
        with self._lock:
            offset = self._offset
            self._offset = (offset + count) & _MASK64
            return self._key, offset

    def get_state(self) -> tuple[str, int, int]:
        """Return ("philox4x32-10", key, offset): plain values that JSON can hold."""
        with self._lock:
            return ALGORITHM, self._key, self._offset

    def set_state(self, state: Any) -> None:
        """Continue where `get_state` was called.

        Args:
            state: what `get_state` returned; a list, as JSON gives it back, is fine.

        Raises:
            ConfigurationError: it is something else; the state is left as it was.
        """
        try:
            name, key, offset = state
            valid = name == ALGORITHM and 0 <= int(key) <= _MASK64 and 0 <= int(offset) <= _MASK64
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ConfigurationError(
                f"a random state is ({ALGORITHM!r}, key, offset) as get_state() returns it, "
                f"got {state!r}"
            )
        with self._lock:
            self._key, self._offset = int(key), int(offset)

    def reset(self) -> None:
        """Return to the seed and the start of its stream."""
        with self._lock:
            self._key, self._offset = self._seed, 0
