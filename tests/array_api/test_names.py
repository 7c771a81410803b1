"""Every name of the standard is in the namespace, or in `xfails.toml` with the reason."""

from __future__ import annotations

import doctest
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import neonport.array_api as xp
from neonport.backends import cleanup_backend

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GAPS = tomllib.loads((Path(__file__).parent / "xfails.toml").read_text(encoding="utf-8"))["names"]

# written from the text of the standard, version 2024.12
STANDARD = {
    "constants": "e inf nan newaxis pi",
    "creation": "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid"
    " ones ones_like tril triu zeros zeros_like",
    "data types": "bool complex64 complex128 float32 float64 int8 int16 int32 int64 uint8 uint16"
    " uint32 uint64",
    "data type functions": "astype can_cast finfo iinfo isdtype result_type",
    "element-wise": "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert"
    " bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos"
    " cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite"
    " isinf isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not"
    " logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow"
    " real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc",
    "indexing": "take take_along_axis",
    "inspection": "__array_api_version__ __array_namespace_info__",
    "linear algebra": "matmul matrix_transpose tensordot vecdot",
    "manipulation": "broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims"
    " repeat reshape roll squeeze stack tile unstack",
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "set": "unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistical": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utility": "all any diff",
    "extensions": "fft linalg",
}
LINALG = (
    "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank"
    " matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
)
ARRAY = (
    "__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__"
    " __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__"
    " __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__"
    " __rshift__ __setitem__ __sub__ __truediv__ __xor__ T device dtype mT ndim shape size"
    " to_device"
)
BINARY = "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor"
NAMES = sorted(name for names in STANDARD.values() for name in names.split())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_or_a_known_gap(name):
    there = hasattr(xp, name)
    assert there != (name in GAPS), "the gap is closed: take it out" if there else "not listed"


def test_every_gap_is_a_name_of_the_standard_and_has_a_reason():
    assert set(GAPS) <= set(NAMES)
    assert all(len(reason) > 10 for reason in GAPS.values())


def test_the_list_is_numpys():
    """NumPy follows the same version; what it has of our list shows that no name is misspelt."""
    assert np.__array_api_version__ >= "2022.12"
    assert not [name for name in NAMES if not hasattr(np, name)]


def test_all_is_the_standard_and_two_classes():
    assert set(xp.__all__) - set(NAMES) == {"Array", "Device"}
    assert set(NAMES) - set(xp.__all__) == set(GAPS)


def test_the_extension_and_the_array_are_complete():
    assert sorted(xp.linalg.__all__) == sorted(LINALG.split())
    operators = [f"__{form}{name}__" for form in "ri" for name in BINARY.split()]
    for name in (*ARRAY.split(), *operators):
        assert hasattr(xp.Array, name), name


FUNCTIONS = [n for n in NAMES if n not in GAPS and inspect.isfunction(getattr(xp, n))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_called_as_numpys(name):
    """What NumPy takes by name has that name here; both say where names end."""
    ours = inspect.signature(getattr(xp, name)).parameters
    assert getattr(xp, name).__doc__
    assert getattr(xp, name).__name__ == name
    try:
        theirs = inspect.signature(getattr(np, name)).parameters
    except (TypeError, ValueError):  # written in C
        return
    mine = {n for n, p in ours.items() if p.kind is p.KEYWORD_ONLY}
    standard = {"device", "copy", "stable", "descending", "side", "sorter", "indexing", "endpoint"}
    assert mine - standard <= set(theirs), name


def test_the_reference_lists_what_the_host_computes():
    """A function says so in its docstring."""
    page = (Path(__file__).parents[2] / "docs/reference/array-api.md").read_text(encoding="utf-8")
    table = page.split("| functions | on the host |")[1].split("\n\n")[0]
    listed = set(re.findall(r"`(\w+)`", table)) - {"uint64", "linalg"}
    spaces = {**vars(xp), **vars(xp.linalg)}
    said = {n for n in (*FUNCTIONS, *LINALG.split()) if "host" in spaces[n].__doc__}
    assert said == listed


MODULES = [m for n, m in sorted(sys.modules.items()) if n.startswith("neonport.array_api")]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_examples_print_what_they_say(module):
    cleanup_backend()
    assert doctest.testmod(module).failed == 0
