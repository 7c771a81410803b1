"""Integers are computed in int64: exact where float32 would round, wrapping as NumPy's do."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DtypeError
from neonport.optree.node import apply

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool"]
INT64 = np.iinfo(np.int64)
LARGE = np.array([[16777217, -16777217, 2**53 + 1, INT64.max, INT64.min, -1, 0, 7, -7]], np.int64)
OTHER = np.array([[16777216, 3, 2**53, 1, -1, -2, 0, 0, 2]], np.int64)
OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "mod": np.mod,
    "floordiv": np.floor_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
FUNCTIONS = {
    "neg": np.negative,
    "abs": np.abs,
    "sgn": np.sign,
    "sqr": np.square,
    "logical_not": np.logical_not,
    **{name: lambda x: x for name in ("rint", "floor", "ceil", "trunc")},
}


@pytest.fixture(params=["kernels", "NumPy"])
def device(request, be, monkeypatch):
    """The backend, once as it is and once without kernels."""
    if request.param == "NumPy":
        if not hasattr(be.device, "_jit"):
            pytest.skip("the definitions run on the host alone; the cpu backend tests them")
        monkeypatch.setattr(be.device, "_jit", None)
    return be


def run(be, tree, dtype=np.int64):
    out = be.empty(tree.shape, dtype=dtype)
    out[:] = tree
    return out.get()


@pytest.mark.parametrize("exponent", [0, 1, 3, 4, 7, 64])
def test_whole_powers_are_exact(device, exponent):
    a = device.array(LARGE, dtype=np.int64)
    assert (a**exponent).dtype == np.int64
    np.testing.assert_array_equal(run(device, a**exponent), LARGE**exponent)


def test_other_powers_count_as_float32(be):
    a = be.array([[3, 2]], dtype=np.int32)
    for exponent in (-1, 65, 1.5):
        assert (a**exponent).dtype == np.float32
    assert (be.ones((2, 2)) ** 3).op == "pow"


@pytest.mark.parametrize("name", OPERATORS)
def test_two_operands(device, name):
    x, y = (device.array(v, dtype=np.int64) for v in (LARGE, OTHER))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(device, apply(name, x, y)), OPERATORS[name](LARGE, OTHER))
        for n in (3, -1, 0, 2**53 + 1, np.int32(16777217)):
            for args, wanted in (((x, n), (LARGE, int(n))), ((n, x), (int(n), LARGE))):
                got = run(device, apply(name, *args))
                np.testing.assert_array_equal(got, OPERATORS[name](*wanted), str(n))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_operand(device, name):
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[name](LARGE).astype(np.int64)
    x = device.array(LARGE, dtype=np.int64)
    np.testing.assert_array_equal(run(device, apply(name, x)), wanted)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(3, 5), (1, 4099), (4099, 1), (130, 300), (2, 70000)])
def test_reductions(device, axis, shape):
    values = np.random.RandomState(0).randint(INT64.min // 2, INT64.max // 2, shape)
    x, keep = device.array(values, dtype=np.int64), {"axis": axis, "keepdims": True}
    for name in ("sum", "max", "min"):
        wanted = getattr(np, name)(values, **keep)
        np.testing.assert_array_equal(run(device, getattr(device, name)(x, axis)), wanted, name)
    if axis is not None:
        for name in ("argmax", "argmin"):
            wanted = np.expand_dims(getattr(np, name)(values, axis), axis)
            np.testing.assert_array_equal(run(device, getattr(device, name)(x, axis)), wanted)
    total = run(device, x - device.sum(x, axis))  # the result is used by a later phase
    np.testing.assert_array_equal(total, values - np.sum(values, **keep))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(device, dtype):
    info = np.iinfo(dtype) if dtype != "bool" else None
    ends = [False, True, True] if info is None else [info.min, info.max, info.max - 1]
    values = np.array([ends], dtype)
    wide = values.astype(np.int64)
    x = device.array(values, dtype=dtype)
    np.testing.assert_array_equal(run(device, x + x), wide + wide)
    np.testing.assert_array_equal(run(device, x == x.reshape(3, 1)), wide == wide.T)
    np.testing.assert_array_equal(run(device, device.sum(x)), wide.sum().reshape(1, 1))
    np.testing.assert_array_equal(run(device, x * 1, dtype), values)
    np.testing.assert_array_equal((x + 0).get(), wide)
    if info is not None and dtype != "int64":  # a store saturates; past 64 bits numbers wrap
        np.testing.assert_array_equal(run(device, x + 1, dtype)[0, 1], info.max)


def test_moved_and_picked_elements(device):
    values = np.arange(12).reshape(3, 4) + 2**53
    x = device.array(values, dtype=np.int64)
    np.testing.assert_array_equal(run(device, (x + 1).T), values.T + 1)
    np.testing.assert_array_equal(run(device, device.take(x, [2, 0], 0)), values[[2, 0]])
    np.testing.assert_array_equal(run(device, device.take(x + 1, [3, 1], 1)), values[:, [3, 1]] + 1)
    moved = apply("reshape", x.T * 1, shape=(2, 6))
    np.testing.assert_array_equal(run(device, moved), values.T.reshape(2, 6))


def test_lines_along_an_axis(device):
    x = device.array(LARGE[:, :3], dtype=np.int64)
    indices = device.array(np.array([[2, 0]], np.int32), dtype=np.int32)
    assert run(device, device.take_along_axis(x, indices, axis=1)).tolist() == [
        [2**53 + 1, 16777217]
    ]
    assert (run(device, device.cumsum(x, axis=1)) == LARGE[:, :3].cumsum(1)).all()
    assert (run(device, device.cumprod(x, axis=1)) == LARGE[:, :3].cumprod(1)).all()
    assert run(device, device.argsort(x, axis=1)).tolist() == [[1, 0, 2]]


def test_folds_over_no_axis(device):
    x = device.array(LARGE, dtype=np.int64)
    for name in ("sum", "prod", "max", "min"):
        assert (run(device, getattr(device, name)(x, axis=())) == LARGE).all()
    floats = device.array(OTHER[:, :4].reshape(2, 2))
    both = device.var(floats, axis=()) + device.sum(floats, axis=1) + device.max(-floats, axis=())
    expected = floats.get().sum(1, keepdims=True) - floats.get()
    assert (run(device, both, np.float32) == expected).all()


def test_a_choice_between_integers_keeps_a_fraction_in_its_condition(device):
    c, x = device.array([[0.25, 0.0, np.nan, -0.5]]), LARGE[:, :4]
    tree = device.where(c, device.array(x, dtype=np.int64), 5)
    np.testing.assert_array_equal(run(device, tree)[0], [x[0, 0], 5, x[0, 2], x[0, 3]])
    between = device.where(device.array(x, dtype=np.int64), 0.5, 0.25)
    assert between.dtype == np.float32


def test_a_choice_between_integers_by_places(device):
    x = np.array([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]])
    places, order = device.argmax(device.array(x), axis=0), device.argsort(device.array(x), axis=1)
    tree = device.where(places, order, 7)
    expected = np.where(x.argmax(axis=0), x.argsort(axis=1), 7)
    np.testing.assert_array_equal(run(device, tree), expected)
    other = device.where(order, 3, places - 1)
    expected = np.where(x.argsort(axis=1), 3, x.argmax(axis=0) - 1)
    np.testing.assert_array_equal(run(device, other), expected)


def test_classes_beyond_the_integers_of_float32(device):
    index = device.array([[16777217, 3]], dtype=np.int32)
    row = device.onehot(index, axis=0, classes=16777219)
    tail = apply("slice", row, starts=(16777215, 0), steps=(1, 1), shape=(4, 2))
    assert run(device, tail).tolist() == [[0, 0], [0, 0], [1, 0], [0, 0]]


def test_fills_and_numbers_that_change(device):
    x = device.empty((1, 2), dtype=np.int64)
    for n in (2**53 + 1, 2.5, 2**62 + 1, 3.0, -(2**63)):
        x[:] = n
        assert x.get().tolist() == [[round(n)] * 2]
    for n in (1, 2**53 + 1, 7):  # one structure, found again with another number
        np.testing.assert_array_equal(run(device, device.array([[1]], dtype=np.int64) * n), [[n]])
    whole, real = device.array([[4]], dtype=np.int32), device.array([[4.0]])
    assert run(device, whole * 2 + real * 2.0, np.float32) == 16  # one number in two dtypes


def test_what_stays_floating_point(be):
    x = be.array([[3, 7]], dtype=np.int32)
    for tree in (
        x / 2,
        x / x,
        x * 0.5,
        x + be.ones((1, 2)),
        be.exp(x),
        be.mean(x),
        x**-1,
        be.var(x),
    ):
        assert tree.dtype == np.float32
    assert (x + be.ones((1, 2), dtype=np.float64)).dtype == np.float64
    assert (be.array([[1]], dtype=np.uint64) + 1).dtype == np.float32
    np.testing.assert_allclose((x / 2).get(), [[1.5, 3.5]])


@pytest.mark.parametrize("whole", [1, 2, -3])
def test_a_number_that_is_a_float_here_and_an_integer_there(device, whole):
    be, real = device, np.array([[1.5, -2.0, 0.0]], np.float32)
    count = np.array([[4, 7, -9]], np.int32)
    x, n = be.array(real), be.array(count, dtype=np.int32)
    for step in (0, 1, 2):  # the same statements with other numbers
        number = whole + step
        trees = [
            x * float(number) + n * number,
            n * number + x * float(number),
            be.where(x + float(number) > 0, n - number, 0),
            be.where(n > number, x + float(number), float(number)),
            (x * float(number) + n * number) * number + n * number,
        ]
        rest = (
            np.where(real + number > 0, count - number, 0),
            np.where(count > number, real + number, number),
        )
        both = real * number + count * number
        expected = [both, both, *rest, both * number + count * number]
        for tree, right in zip(trees, expected, strict=True):
            np.testing.assert_allclose(run(be, tree, np.float32), right)


def test_an_integer_that_is_larger_than_any_float(be):
    x = be.ones((2, 2))
    for number in (10**400, -(10**5000)):
        with pytest.raises(DtypeError, match="bits is larger than any float64"):
            x * number
        with pytest.raises(DtypeError, match="bits is larger than any float64"):
            be.maximum(number, x)


def test_a_number_that_no_integer_holds(be):
    x = be.zeros((1, 2), dtype=np.int64)
    with pytest.raises(DtypeError, match=r"int64.*as a float"):
        x + 2**70
    x[:] = x + 1
    with pytest.raises(DtypeError, match="int64"):
        x[:] = x + 2**70
    assert x.get().tolist() == [[1, 1]]
    assert (be.zeros((1, 1)) + 2**70).get() == np.float32(2**70)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floor_division_of_floats(make_backend, dtype):
    be = make_backend(dtype=dtype)
    values = np.array([[7, -7, 1, 0.3, -0.1, 0.0, -0.0, 5e5, np.inf, np.nan]], dtype)
    other = np.array([[0.1], [-0.1], [2.5], [0.0], [np.inf]], dtype)
    with np.errstate(all="ignore"):
        wanted = values // other
    got = run(be, be.array(values) // be.array(other), dtype)
    np.testing.assert_array_equal(got, wanted)
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(wanted)[number])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(be, 2 // be.array(values), dtype), 2 // values)
