"""Backends by the kind of memory they have, and an independent reader of capsules."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from neonport.plugins.registry import create_backend, probe

MEMORIES = (
    "cpu",
    pytest.param("opencl, shared", marks=pytest.mark.opencl),
    pytest.param("opencl, device memory", marks=pytest.mark.opencl),
)


class Fields(NamedTuple):
    """What stands in a capsule (dlpack.h, versions 0 and 1)."""

    versioned: bool
    flags: int
    data: int
    device: tuple[int, int]
    dtype: tuple[int, int, int]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    byte_offset: int


def read(capsule: Any) -> Fields:
    """The fields of an unconsumed capsule, by their offsets on 64-bit machines."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = (ctypes.py_object,)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    name = api.PyCapsule_GetName(capsule)
    assert name in (b"dltensor", b"dltensor_versioned")
    at = api.PyCapsule_GetPointer(capsule, name)
    flags, versioned = 0, name == b"dltensor_versioned"
    if versioned:
        assert ctypes.c_uint32.from_address(at).value == 1
        flags = ctypes.c_uint64.from_address(at + 24).value
        at += 32
    ndim = ctypes.c_int32.from_address(at + 16).value

    def numbers(where: int) -> tuple[int, ...]:
        first = ctypes.c_void_p.from_address(where).value
        return tuple((ctypes.c_int64 * ndim).from_address(first))

    return Fields(
        versioned,
        flags,
        ctypes.c_void_p.from_address(at).value or 0,
        (
            ctypes.c_int32.from_address(at + 8).value,
            ctypes.c_int32.from_address(at + 12).value,
        ),
        (
            ctypes.c_uint8.from_address(at + 20).value,
            ctypes.c_uint8.from_address(at + 21).value,
            ctypes.c_uint16.from_address(at + 22).value,
        ),
        numbers(at + 24),
        numbers(at + 32),
        ctypes.c_uint64.from_address(at + 40).value,
    )


@pytest.fixture
def fields() -> Callable[[Any], Fields]:
    return read


@pytest.fixture
def with_memory() -> Iterator[Callable[[str], Any]]:
    """Factory of backends, by kind of memory; skips with the reason where there is no device."""
    made = []

    def make(memory: str) -> Any:
        name, _, kind = memory.partition(", ")
        found = probe(name)
        if found.state in ("no-device", "not-installed"):
            pytest.skip(found.reason)
        be = create_backend(name, rng_seed=0, **({"shared": False} if "device" in kind else {}))
        made.append(be)
        if kind == "shared" and not be.shared:
            pytest.skip("the device has memory of its own")
        be.bsz = 4
        return be

    yield make
    for be in made:
        be.cleanup_backend()


@pytest.fixture(params=MEMORIES)
def memory(request: pytest.FixtureRequest, with_memory: Callable[[str], Any]) -> Any:
    return with_memory(request.param)


@pytest.fixture
def values() -> np.ndarray:
    return np.arange(1, 25).reshape(4, 6)
