"""Every element-wise function of the standard against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import DtypeError, ShapeError
from tests.array_api.conftest import same

SPECIAL = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    3.7,
    -3.7,
    1e-3,
    40.0,
    -40.0,
]
ULPS = {"tan": 7, "log2": 5, "log": 5, "pow": 20, "hypot": 4, "sqrt": 3, "divide": 3}
ULPS |= dict.fromkeys(("sin", "cos", "atan2", "asin", "acos", "atan", "sinh", "cosh"), 5)
ULPS |= dict.fromkeys(("exp", "expm1", "log1p", "tanh", "logaddexp", "reciprocal"), 5)

UNARY_FLOAT = [
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh"),
    *("exp", "expm1", "floor", "imag", "isfinite", "isinf", "isnan", "log", "log10", "log1p"),
    *("log2", "negative", "positive", "real", "reciprocal", "round", "sign", "signbit", "sin"),
    *("sinh", "sqrt", "square", "tan", "tanh", "trunc"),
]
UNARY_INTEGER = [
    *("abs", "bitwise_invert", "ceil", "conj", "floor", "imag", "isfinite", "isinf", "isnan"),
    *("negative", "positive", "real", "round", "sign", "square", "trunc"),
]
BINARY_FLOAT = [
    *("add", "atan2", "copysign", "divide", "equal", "floor_divide", "greater", "greater_equal"),
    *("hypot", "less", "less_equal", "logaddexp", "maximum", "minimum", "multiply", "nextafter"),
    *("not_equal", "pow", "remainder", "subtract"),
]
BINARY_INTEGER = [
    *("add", "bitwise_and", "bitwise_or", "bitwise_xor", "equal", "floor_divide", "greater"),
    *("greater_equal", "less", "less_equal", "maximum", "minimum", "multiply", "not_equal"),
    *("remainder", "subtract"),
]
# the conformance suite tests every op in every dtype: of most, one is enough here
WIDE = {"add", "exp", "hypot", "isinf", "log10", "pow", "remainder", "round", "sqrt", "copysign"}
WRAP = {
    "abs",
    "add",
    "bitwise_invert",
    "floor_divide",
    "multiply",
    "negative",
    "square",
    "subtract",
}


def in_dtypes(names, first, some, second):
    """(name, dtype) for all names and the first dtypes, and some names and a second one."""
    return [(n, d) for n in names for d in (*first, *([second] if n in some else []))]


LOGICAL = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]


def reference(name, *operands):
    with np.errstate(all="ignore"):
        found = getattr(np, name)(*operands)
    integers = operands[0].dtype.kind in "iu" and found.dtype.kind == "f"
    return found.astype(operands[0].dtype) if integers else found


@pytest.mark.parametrize(("name", "dtype"), in_dtypes(UNARY_FLOAT, ["float32"], WIDE, "float64"))
def test_functions_of_floats(put, name, dtype):
    x, theirs = put(SPECIAL, dtype)
    same(getattr(xp, name)(x), reference(name, theirs), ULPS.get(name, 0), 1)


@pytest.mark.parametrize(("name", "dtype"), in_dtypes(BINARY_FLOAT, ["float32"], WIDE, "float64"))
def test_functions_of_two_floats(put, name, dtype):
    x, a = put(np.repeat(SPECIAL, len(SPECIAL)), dtype)
    y, b = put(np.tile(SPECIAL, len(SPECIAL)), dtype)
    expected = reference(name, a, b)
    # the absolute part is for logaddexp, where terms of opposite signs cancel
    same(getattr(xp, name)(x, y), expected, ULPS.get(name, 0), 2)


@pytest.mark.parametrize("name", ["sign", "negative", "ceil", "multiply", "trunc", "copysign"])
def test_zeros_keep_their_sign(put, name):
    x, theirs = put([0.0, -0.0], "float32")
    operands = (x, x) if name in BINARY_FLOAT else (x,)
    values = (theirs,) * len(operands)
    ours, expected = getattr(xp, name)(*operands).host(), reference(name, *values)
    assert (np.signbit(ours) == np.signbit(expected)).all() or name == "sign"


@pytest.mark.parametrize(
    ("name", "dtype"), in_dtypes(UNARY_INTEGER, ["int64", "uint64"], WRAP, "int8")
)
def test_functions_of_integers_are_exact_and_wrap(put, name, dtype):
    info = np.iinfo(dtype)
    x, theirs = put(
        [info.min, info.min + 1, 0, 1, 7, 100, info.max // 2, info.max - 1, info.max], dtype
    )
    same(getattr(xp, name)(x), reference(name, theirs))


@pytest.mark.parametrize(
    ("name", "dtype"), in_dtypes(BINARY_INTEGER, ["int64", "uint64"], WRAP, "int8")
)
def test_functions_of_two_integers_are_exact_and_wrap(put, name, dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, 0, 1, 3, 7, 90, info.max // 3, info.max - 1, info.max], dtype)
    x, a = put(np.repeat(values, len(values)))
    y, b = put(np.tile(values, len(values)))
    same(getattr(xp, name)(x, y), reference(name, a, b))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_unsigned_integers_wrap(put, dtype):
    top = np.iinfo(dtype).max
    (x, a), (y, b) = put([0, 1, top, top], dtype), put([1, top, 2, top], dtype)
    same(xp.subtract(x, y), a - b)
    same(xp.multiply(x, y), a * b)
    same(xp.negative(x), -a)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "uint64"])
@pytest.mark.parametrize("name", ["pow", "bitwise_left_shift", "bitwise_right_shift"])
def test_powers_and_shifts_of_integers(put, name, dtype):
    x, a = put([1, 2, 3, 100], dtype)
    y, b = put([0, 1, 5, 2], dtype)
    same(getattr(xp, name)(x, y), reference(name, a, b))


@pytest.mark.parametrize("name", LOGICAL)
def test_logic_of_bools(put, name):
    x, a = put([True, True, False, False])
    y, b = put([True, False, True, False])
    same(getattr(xp, name)(x, y), reference(name, a, b))
    same(xp.bitwise_invert(x), ~a)
    same(xp.logical_not(x), ~a)
    same(xp.equal(x, y), a == b)


SHAPES = [
    ((), ()),
    ((), (3,)),
    ((3,), (2, 1)),
    ((0,), (1,)),
    ((2, 0, 3), (3,)),
    ((2, 1, 3), (4, 1)),
    ((1, 2, 1, 2), (2, 1, 2, 1)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_shapes_broadcast(put, shapes):
    (x, a), (y, b) = (put(np.arange(np.prod(s), dtype=np.float32).reshape(s)) for s in shapes)
    same(xp.add(x, y), a + b)
    same(x < y, a < b)
    same(xp.negative(x), -a)


def test_shapes_that_do_not_broadcast_are_named(put):
    x, y = put(np.ones(2))[0], put(np.ones(3))[0]
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        xp.add(x, y)


def test_python_scalars_never_change_the_dtype(put):
    x, theirs = put([1, 2, 3], "int8")
    same(x + 1, theirs + np.int8(1))
    same(1 - x, np.int8(1) - theirs)
    same(xp.multiply(2, x), theirs * np.int8(2))
    single, values = put([1.5, 2.5], "float32")
    same(single * 2, values * np.float32(2))
    third, fraction = put([1 / 3, -0.1], "float32")
    same(third**2, fraction * fraction)
    same(single / 3.0, values / np.float32(3), 3)
    same(single * np.float64(2.0), values * np.float32(2))
    flag, bools = put([True, False])
    same(xp.logical_and(flag, True), bools)


@pytest.mark.parametrize(
    ("dtype", "other", "word"),
    [
        ("int8", 1.5, "float"),
        ("bool", 1, "int"),
        ("float32", True, "bool"),
        ("int32", True, "bool"),
        ("int8", 128, "128"),
        ("uint8", -1, "-1"),
        ("float32", 1j, "complex"),
        ("float32", "1", "str"),
        ("float32", [1.0], "list"),
    ],
)
def test_scalars_of_another_kind_are_refused(put, dtype, other, word):
    x, _ = put([1], dtype)
    with pytest.raises(DtypeError, match=word):
        xp.equal(x, other)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("sin", "int32"), ("divide", "int64"), ("less", "bool"), ("bitwise_and", "float32"),
     ("logical_and", "int8"), ("add", "bool")],
)  # fmt: skip
def test_kinds_that_the_standard_leaves_out_are_refused(put, name, dtype):
    x, _ = put([1, 0], dtype)
    operands = (x,) if name == "sin" else (x, x)
    with pytest.raises(DtypeError, match=f"{name}: is not defined for {dtype}"):
        getattr(xp, name)(*operands)


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint64"])
def test_clip(put, dtype):
    x, theirs = put([[0, 5, 9], [3, 7, 120]], dtype)
    low, least = put([1, 2, 3], dtype)
    same(xp.clip(x, 2, 7), np.clip(theirs, 2, 7).astype(dtype))
    same(xp.clip(x, low, None), np.clip(theirs, least, None))
    same(xp.clip(x, max=4), np.clip(theirs, None, 4).astype(dtype))
    same(xp.clip(x), theirs)
    with pytest.raises(TypeError):
        xp.clip(x, "a")


def test_clip_of_nan(put):
    x, theirs = put([np.nan, np.inf, -np.inf, 1.0], "float32")
    same(xp.clip(x, -2.0, 2.0), np.clip(theirs, -2, 2))
