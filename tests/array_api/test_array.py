"""`Array`: operators, numbers, devices, and what other libraries ask of it."""

from __future__ import annotations

import copy
import operator
import subprocess
import sys

import numpy as np
import pytest

import neonport
import neonport.array_api as xp
from neonport.backends import cleanup_backend, gen_backend
from neonport.errors import (
    BackendUnavailable,
    ClosedBackendError,
    ConfigurationError,
    DtypeError,
    ReadOnlyError,
    ShapeError,
)
from tests.array_api.conftest import same

NUMERIC = ["add", "sub", "mul", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge"]
BITS = ["and_", "or_", "xor", "lshift", "rshift"]
IN_PLACE = [
    "iadd",
    "isub",
    "imul",
    "ifloordiv",
    "imod",
    "ipow",
    "iand",
    "ior",
    "ixor",
    "ilshift",
    "irshift",
]


@pytest.mark.parametrize("name", [*NUMERIC, *BITS])
def test_operators_of_integers(put, name):
    do = getattr(operator, name)
    (x, a), (y, b) = put([5, 9, 4], "uint64"), put([2, 3, 1], "uint64")
    same(do(x, y), do(a, b))
    same(do(x, 2), do(a, 2))
    same(do(2, x), do(2, a))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_operators_of_floats(put, name):
    do = getattr(operator, name)
    (x, a), (y, b) = put([5, 9, 4], "float64"), put([2, 3, 0.5], "float64")
    same(do(x, y), do(a, b), 20)
    same(do(2.5, x), do(2.5, a), 20)


@pytest.mark.parametrize("name", IN_PLACE)
def test_operators_in_place(put, name):
    do = getattr(operator, name)
    (x, a), (y, b) = put([5, 9, 4], "uint64"), put([2, 3, 1], "uint64")
    kept, view = x, x[1:]
    x = do(x, y)
    assert x is kept
    same(x, do(a, b))
    same(view, a[1:])
    same(do(x, 1), do(a, 1))


def test_in_place_keeps_shape_and_dtype(put):
    (x, theirs), (y, _) = put([1, 2, 3], "int8"), put([[1], [2]], "int16")
    with pytest.raises(DtypeError, match="int16"):
        x += y
    with pytest.raises(ShapeError, match="iadd"):
        x += xp.astype(y, xp.int8)
    same(x, theirs)
    z, floats = put([1.0, 2.0])
    z /= 2
    same(z, floats / 2)
    z @= xp.eye(2, dtype=xp.float64, device=z.device)
    same(z, floats / 2)


def test_operators_of_one_array(put):
    x, theirs = put([-3, 0, 2])
    same(-x, -theirs)
    same(+x, +theirs)
    same(abs(x), abs(theirs))
    same(~x, ~theirs)
    same(~(x > 0), ~(theirs > 0))


def test_operators_leave_strangers_alone(put):
    x, _ = put([1.0])
    assert (x == "a") is False
    assert (x == None) is False  # noqa: E711
    with pytest.raises(TypeError):
        operator.add(x, [1.0])
    with pytest.raises(TypeError):
        np.ones(1) + x
    with pytest.raises(TypeError):
        hash(x)
    same(np.float64(2) * x, np.array([2.0]))


def test_numbers(put):
    number, _ = put(3)
    assert (int(number), float(number), complex(number), operator.index(number)) == (
        3,
        3.0,
        3 + 0j,
        3,
    )
    assert [10, 20, 30, 40][number] == 40
    assert bool(number)
    assert not bool(put(0.0)[0])
    assert repr(put(True)[0]).startswith("Array(True, dtype=bool")
    with pytest.raises(DtypeError, match="no integer"):
        operator.index(put(1.0)[0])
    vector, _ = put([1, 2])
    for make in (bool, int, float, complex, operator.index):
        with pytest.raises(TypeError, match=r"\(2,\)"):
            make(vector)


def test_facts(put, device):
    x, theirs = put(np.zeros((2, 3), np.int16))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.int16, 2)
    assert x.device == device == str(device)
    assert x.device != "elsewhere"
    assert hash(x.device) == hash(device)
    assert str(device) in repr(x)
    assert repr(device) == f"Device('{device}')"
    for ours, row in zip(x, theirs, strict=True):
        same(ours, row)
    assert x.tensor.shape == (2, 3)
    assert x[0].tensor.shape == (1, 3)
    with pytest.raises(TypeError):
        len(x[0, 0])


def test_the_namespace_is_found(put):
    x, _ = put([1.0])
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version=xp.__array_api_version__) is xp
    with pytest.raises(ConfigurationError, match="1999"):
        x.__array_namespace__(api_version="1999.12")


def test_copies_are_apart(put):
    x, theirs = put([1.0, 2.0])
    for other in (copy.copy(x), copy.deepcopy(x), xp.asarray(x, copy=True)):
        other[0] = 9
    same(x, theirs)


def test_to_device(put, device):
    x, theirs = put([[1.0, 2.0]], "float32")
    assert x.to_device(device) is x
    assert x.to_device(str(device)) is x
    there = x.to_device(gen_backend("cpu"))
    try:
        same(there, theirs)
        assert there.device != x.device
        back = there.to_device(x.device)
        assert back.device == x.device
        same(back, theirs)
        assert xp.asarray(there, device=x.device).device == x.device
        assert xp.astype(there, xp.int8, device=x.device).device == x.device
    finally:
        cleanup_backend()
    with pytest.raises(ConfigurationError, match="stream"):
        x.to_device(device, stream=1)
    with pytest.raises(ClosedBackendError):
        there + 1
    assert "cleaned up" in repr(there)


def test_read_only_memory_is_not_written(device):
    host = np.arange(3.0)
    host.flags.writeable = False
    x = xp.from_dlpack(host, device=device)
    if x.tensor.readonly:
        with pytest.raises(ReadOnlyError):
            x[0] = 1
        with pytest.raises(ReadOnlyError):
            x += 1
        with pytest.raises(ReadOnlyError):
            x[xp.asarray([True, False, False], device=device)] = 1.0
    assert host.tolist() == [0, 1, 2]
    same(x + 1, host + 1)


# ---- devices and what the namespace says of itself -----------------------------------------------


def test_the_default_device_is_that_of_gen_backend():
    cleanup_backend()
    alone = xp.asarray([1.0])
    assert xp.asarray([1.0]).device == alone.device
    be = gen_backend("cpu", datatype=np.float64)
    try:
        assert xp.asarray([1.0]).tensor.backend is be
        assert xp.asarray([1.0]).dtype == xp.float64
        assert xp.zeros(2, device="cpu").tensor.backend is be
        info = xp.__array_namespace_info__()
        assert info.default_device() == xp.Device(be)
        assert info.default_dtypes()["real floating"] == xp.float64
        assert info.devices()[0] == xp.Device(be)
        with neonport.on(alone.device.backend):
            assert xp.zeros(2).device == alone.device
    finally:
        cleanup_backend()
    assert xp.asarray([1.0]).tensor.backend is not be


def test_a_named_device_is_one_whatever_the_batch_size():
    cleanup_backend()
    x = xp.zeros(2, device="cpu")
    with neonport.on("cpu") as placed:
        assert x.device == xp.Device(placed)
    placed.bsz = 7
    assert xp.zeros(2, device="cpu:0").device == x.device
    cleanup_backend()


@pytest.mark.parametrize("device", [5, "cpu:x", 1.5])
def test_what_is_no_device(device):
    with pytest.raises(ConfigurationError, match="device"):
        xp.zeros(2, device=device)


def test_an_unknown_device_is_named():
    with pytest.raises(BackendUnavailable, match="nonesuch"):
        xp.zeros(2, device="nonesuch")


def test_info(device):
    info = xp.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 32,
    }
    whole = info.dtypes(device=device)
    assert list(whole) == [n for n in np.__array_namespace_info__().dtypes() if n in whole]
    assert set(whole) >= {"bool", "int64", "uint64", "float32"}
    for kind in ("bool", "integral", ("signed integer", "bool"), "complex floating"):
        theirs = np.__array_namespace_info__().dtypes(kind=kind)
        ours = info.dtypes(device=device, kind=kind)
        assert ours == {n: d for n, d in theirs.items() if n in whole}
    assert info.default_dtypes(device=device)["integral"] == xp.int64
    with pytest.raises(ConfigurationError, match="kind"):
        info.dtypes(kind="number")


def test_as_many_axes_as_promised(device):
    most = xp.__array_namespace_info__().capabilities()["max dimensions"]
    x = xp.ones((1,) * (most - 2) + (2, 3), device=device)
    assert xp.sum(x + x, axis=-1).shape == (1,) * (most - 2) + (2,)
    deep = xp.ones((2,) * 9, device=device)
    same(
        xp.sum(xp.exp(xp.permute_dims(deep, tuple(range(9))[::-1])) * 0 + deep, axis=(0, 8)),
        np.full((2,) * 7, 4, np.float32),
    )


def test_importing_the_namespace_loads_no_device_library():
    text = (
        "import sys, neonport.array_api\n"
        "bad = {'pyopencl', 'cupy', 'torch', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
