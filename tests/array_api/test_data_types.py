"""Dtypes: the promotion table, `astype` and what asks for limits and kinds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.errors import ConfigurationError, DtypeError
from tests.array_api.conftest import FLOATS, SIGNED, UNSIGNED, same

NAMES = ("bool", *SIGNED, *UNSIGNED, *FLOATS)


def allowed(a: str, b: str) -> bool:
    """Whether the standard's table has the pair."""
    if a == b or (a in FLOATS and b in FLOATS):
        return True
    integers = (*SIGNED, *UNSIGNED)
    mixed = ("uint64" in (a, b)) and (a in SIGNED or b in SIGNED)
    return a in integers and b in integers and not mixed


@pytest.mark.parametrize(("a", "b"), list(product(NAMES, NAMES)))
def test_promotion_is_the_standards_table(a, b):
    one, two = getattr(xp, a), getattr(xp, b)
    if allowed(a, b):
        assert xp.result_type(one, two) == np.result_type(a, b)
        assert xp.can_cast(one, two) == (np.result_type(a, b) == np.dtype(b))
    else:
        with pytest.raises(DtypeError, match=rf"{a} and {b}"):
            xp.result_type(one, two)
        assert not xp.can_cast(one, two)


def test_results_have_the_promoted_dtype(put):
    for a, b in [
        ("int8", "uint8"),
        ("uint8", "uint64"),
        ("float32", "float64"),
    ]:
        (x, left), (y, right) = put([3, 7], a), put([2, 5], b)
        same(x * y, left * right)
        same(xp.concat([x, y]), np.concatenate([left, right]))
        same(
            xp.where(xp.asarray([True, False], device=x.device), x, y),
            np.where([1, 0], left, right),
        )


def test_result_type_of_arrays_and_scalars(put):
    x, _ = put([1], "int8")
    assert xp.result_type(x, 1) == xp.int8
    assert xp.result_type(xp.float32, 1.5, 2) == xp.float32
    for wrong in [(x, 1.5), (1, 2), (x, True), (x, 300)]:
        with pytest.raises(DtypeError):
            xp.result_type(*wrong)


VALUES = {
    "bool": [True, False],
    **{d: [-5, 0, 1, 100, 127] for d in SIGNED},
    **{d: [0, 1, 100, 127] for d in UNSIGNED},
    **{d: [-5.7, -0.5, 0.0, 0.5, 1.5, 2.5, 99.9] for d in FLOATS},
}
PAIRS = [
    *(("float32", d) for d in ("bool", "int8", "int64", "uint8", "uint64", "float64")),
    *(("float64", d) for d in ("int32", "float32", "uint64")),
    *(("int64", d) for d in ("bool", "int8", "uint16", "uint64", "float32", "float64")),
    *(("uint64", d) for d in ("bool", "int64", "uint8", "float32", "float64")),
    *(("uint8", d) for d in ("int8", "float32")),
    *(("bool", d) for d in ("int8", "uint64", "float64", "bool")),
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_astype(put, source, target):
    values = VALUES[source]
    if target.startswith("u"):
        values = [abs(v) for v in values]
    x, theirs = put(values, source)
    same(xp.astype(x, getattr(xp, target)), theirs.astype(target))


def test_integers_of_64_bits_convert_without_a_detour(put):
    x, theirs = put([2**53 + 1, -(2**62) - 1, 2**63 - 1], "int64")
    same(xp.astype(x, xp.float64), theirs.astype("float64"))
    same(xp.astype(x, xp.float32), theirs.astype("float32"))
    same(xp.astype(x, xp.int8), theirs.astype("int8"))
    u, words = put([2**64 - 1, 2**63 + 1025], "uint64")
    same(xp.astype(u, xp.float64), words.astype("float64"))
    same(xp.astype(u, xp.int64), words.astype("int64"))


@pytest.mark.parametrize("target", ["int8", "int64", "uint64"])
def test_floats_beyond_integers_saturate(put, target):
    x, _ = put([np.inf, -np.inf, np.nan, 1e30], "float64")
    info = np.iinfo(target)
    found = xp.astype(x, getattr(xp, target)).host()
    assert found.tolist() == [info.max, info.min, 0, info.max]


def test_astype_copies_unless_told_otherwise(put):
    x, _ = put([1.0])
    assert xp.astype(x, x.dtype, copy=False) is x
    assert xp.astype(x, x.dtype) is not x
    with pytest.raises(DtypeError, match="complex"):
        xp.astype(x, "complex64")
    with pytest.raises(DtypeError, match="float16"):
        xp.astype(x, "float16")


@pytest.mark.parametrize("name", FLOATS)
def test_finfo(name, put):
    ours, theirs = xp.finfo(getattr(xp, name)), np.finfo(name)
    for word in ("bits", "eps", "max", "min", "smallest_normal", "dtype"):
        assert getattr(ours, word) == getattr(theirs, word)
    assert isinstance(ours.eps, float)
    assert xp.finfo(put([1.0], name)[0]) == ours


@pytest.mark.parametrize("name", [*SIGNED, *UNSIGNED])
def test_iinfo(name):
    ours, theirs = xp.iinfo(getattr(xp, name)), np.iinfo(name)
    for word in ("bits", "max", "min", "dtype"):
        assert getattr(ours, word) == getattr(theirs, word)
    with pytest.raises(DtypeError):
        xp.finfo(getattr(xp, name))


KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "numeric"]


@pytest.mark.parametrize("kind", [*KINDS, "complex floating"])
def test_isdtype(kind):
    for name in NAMES:
        dtype = getattr(xp, name)
        assert xp.isdtype(dtype, kind) == np.isdtype(dtype, kind)
        assert xp.isdtype(dtype, (kind, xp.bool)) == np.isdtype(dtype, (kind, np.dtype("bool")))
    with pytest.raises(ConfigurationError, match="kind 'float'"):
        xp.isdtype(xp.int8, "float")
