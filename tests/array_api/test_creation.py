"""Functions that make arrays, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import ConfigurationError, DLPackError, DtypeError, ShapeError
from tests.array_api.conftest import FLOATS, SIGNED, UNSIGNED, same

SHAPES = [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 3, 2)]
DTYPES = ["bool", *SIGNED, *UNSIGNED, *FLOATS]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_constants_of_a_shape(device, shape):
    for name in ("zeros", "ones"):
        same(getattr(xp, name)(shape, device=device), getattr(np, name)(shape, np.float32))
    same(xp.full(shape, 7, device=device), np.full(shape, 7))
    same(xp.full(shape, 2.5, device=device), np.full(shape, 2.5, np.float32))
    same(xp.full(shape, True, device=device), np.full(shape, True))
    assert xp.empty(shape, device=device).shape == shape
    assert xp.empty(shape, dtype=xp.int8, device=device).dtype == xp.int8


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_of_a_dtype(device, dtype):
    limits = (
        [1] if dtype == "bool" or dtype in FLOATS else [np.iinfo(dtype).min, np.iinfo(dtype).max]
    )
    for value in limits:
        same(xp.full(3, value, dtype=dtype, device=device), np.full(3, value, dtype))
    like = xp.ones((2, 3), dtype=dtype, device=device)
    for name in ("zeros_like", "ones_like"):
        same(getattr(xp, name)(like), getattr(np, name)(like.host()))
    assert xp.empty_like(like).dtype == dtype
    same(xp.full_like(like, 1), np.ones((2, 3), dtype))
    assert xp.zeros_like(like, dtype=xp.float32).dtype == xp.float32
    assert like.device == xp.zeros_like(like).device == device


def test_numbers_that_a_dtype_does_not_hold_are_refused(device):
    for value, dtype in [(300, "int8"), (-1, "uint64"), (1.5, "int32"), (1j, None)]:
        with pytest.raises(DtypeError):
            xp.full((2,), value, dtype=dtype, device=device)
    with pytest.raises(ShapeError, match="negative"):
        xp.zeros((2, -1), device=device)


@pytest.mark.parametrize(
    "numbers", [(5,), (0,), (2, 9), (9, 2), (9, 2, -2), (0, 1, 0.25), (1.0, 5), (0, 10, 3)], ids=str
)
def test_arange(device, numbers):
    theirs = np.arange(*numbers)
    kind = np.float32 if theirs.dtype.kind == "f" else np.int64
    same(xp.arange(*numbers, device=device), theirs.astype(kind))
    same(xp.arange(*numbers, dtype=xp.float64, device=device), theirs.astype(np.float64))
    with pytest.raises(ConfigurationError, match="step"):
        xp.arange(0, 5, 0)


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 5])
def test_linspace(device, num, endpoint):
    for dtype in FLOATS:
        ours = xp.linspace(-1, 2.5, num, dtype=dtype, device=device, endpoint=endpoint)
        same(ours, np.linspace(-1, 2.5, num, endpoint=endpoint).astype(dtype))


def test_eye(device):
    for arguments, k in [((3,), 0), ((2, 4), 1), ((4, 2), -1), ((0, 2), 0)]:
        same(xp.eye(*arguments, k=k, device=device), np.eye(*arguments, k=k, dtype=np.float32))
    same(xp.eye(2, dtype=xp.int8, device=device), np.eye(2, dtype=np.int8))


@pytest.mark.parametrize("k", [-3, -1, 0, 1, 5])
@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles(put, name, k):
    for dtype in ("float32", "uint64"):
        x, theirs = put(np.arange(1, 25).reshape(2, 3, 4), dtype)
        same(getattr(xp, name)(x, k=k), getattr(np, name)(theirs, k))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(put, indexing):
    pairs = [put(np.arange(n), "int32") for n in (2, 3, 4)]
    for count in (1, 2, 3):
        ours = xp.meshgrid(*(x for x, _ in pairs[:count]), indexing=indexing)
        theirs = np.meshgrid(*(v for _, v in pairs[:count]), indexing=indexing)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    with pytest.raises(ConfigurationError, match="'ab'"):
        xp.meshgrid(indexing="ab")


CASES = {
    "int": (3, np.asarray(3)),
    "float": (2.5, np.asarray(2.5, np.float32)),
    "bool": (True, np.asarray(True)),
    "list": ([[1, 2], [3, 4]], np.asarray([[1, 2], [3, 4]])),
    "floats": ([1.5, 2], np.asarray([1.5, 2], np.float32)),
    "empty": ([], np.asarray([], np.float32)),
    "ndarray": (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3)),
    "reversed": (np.arange(6)[::-1], np.arange(6)[::-1]),
    "strided": (np.arange(6, dtype=np.int16)[::2], np.arange(6, dtype=np.int16)[::2]),
    "repeated": (np.broadcast_to(np.float32(2), (2, 3)), np.full((2, 3), np.float32(2))),
    "big-endian": (np.arange(3, dtype=">i4"), np.arange(3, dtype=np.int32)),
    "scalar": (np.float64(1.5), np.asarray(1.5)),
    "bytes": (memoryview(b"\x01\x02"), np.asarray([1, 2], np.uint8)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("copy", [None, True])
def test_asarray(device, case, copy):
    obj, theirs = CASES[case]
    same(xp.asarray(obj, device=device, copy=copy), theirs)


def test_asarray_of_arrays(put, device):
    x, theirs = put([1.5, -2.5], "float32")
    assert xp.asarray(x) is x
    assert xp.asarray(x, copy=False) is x
    copy = xp.asarray(x, copy=True)
    copy[0] = 0
    same(x, theirs)
    same(xp.asarray(x, dtype=xp.int32), theirs.astype(np.int32))
    with pytest.raises(ShapeError, match="copy=False"):
        xp.asarray(x, dtype=xp.int32, copy=False)
    with pytest.raises(ShapeError, match="copy=False"):
        xp.asarray([1.0], copy=False, device=device)
    with pytest.raises((ShapeError, DLPackError), match="copy"):
        xp.asarray(np.ones(2), dtype=xp.float32, copy=False, device=device)
    tensor = device.backend.ones((2, 3))
    assert xp.asarray(tensor).tensor is tensor
    same(xp.asarray([x[0], x[1]], device=device), theirs)
    short = device.backend.array(np.array([[1.7, -2.7]]), dtype=np.float16)
    same(xp.asarray(short, dtype=xp.int8), np.array([[1, -2]], np.int8))
    same(xp.asarray(np.float16([1.5]), dtype=xp.float32, device=device), np.float32([1.5]))
    with pytest.raises(DtypeError, match="float16"):
        xp.asarray(short)
    same(xp.asarray([1.7, -2.7], dtype=xp.int8, device=device), np.asarray([1, -2], np.int8))
    same(xp.asarray([0.1], dtype=xp.float64, device=device), np.asarray([0.1]))
    same(xp.asarray([2**63], dtype=xp.uint64, device=device), np.asarray([2**63], np.uint64))


@pytest.mark.parametrize(
    "obj", [1j, "a", [1j], None, np.array([1 + 1j]), np.array(["a"]), object()]
)
def test_what_is_no_real_number_is_refused(device, obj):
    with pytest.raises(DtypeError):
        xp.asarray(obj, device=device)


def test_asarray_leaves_memory_that_may_not_be_written_alone(device):
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    x = xp.asarray(frozen, device=device)
    x[0] = 5
    assert frozen[0] == 0


class Producer:
    """A DLPack producer that is no ndarray."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 1, 3)], ids=str)
def test_from_dlpack_keeps_the_shape(device, shape):
    theirs = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    same(xp.from_dlpack(Producer(theirs), device=device), theirs)
    same(xp.asarray(Producer(theirs), device=device), theirs)
    x = xp.asarray(theirs, device=device, copy=True)
    same(xp.from_dlpack(x), theirs)
    assert np.from_dlpack(x, device="cpu").tolist() == theirs.tolist()
    assert np.asarray(x).tolist() == theirs.tolist()


def test_memory_in_which_elements_repeat_is_copied(device):
    host = np.broadcast_to(np.float32(2), (2, 3))
    same(xp.from_dlpack(host, device=device), host)
    with pytest.raises((DLPackError, ShapeError)):
        xp.from_dlpack(host, device=device, copy=False)


def test_from_dlpack_shares_the_memory_or_says_that_it_cannot(device):
    host = np.arange(3.0)
    try:
        x = xp.from_dlpack(host, device=device, copy=False)
    except DLPackError:
        with pytest.raises(DLPackError):
            xp.asarray(host, device=device, copy=False)
    else:
        host[0] = 7
        assert float(x[0]) == 7
    y = xp.from_dlpack(host, device=device, copy=True)
    host[1] = 9
    assert float(y[1]) == 1
