"""The Python array API standard, version 2024.12, over any backend.

    import neonport.array_api as xp

    x = xp.asarray([1.0, 2.0, 4.0], device="opencl")
    y = xp.exp(x) / xp.sum(xp.exp(x))

Each function builds the op-tree of what it computes and runs it at once, on the device of its
arrays. What the op table has no op for is computed by NumPy on the host; the reference page lists
these functions, and what of the standard is not there.
"""

from __future__ import annotations

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

from neonport.array_api import linalg as linalg
from neonport.array_api import operators as operators
from neonport.array_api.core.array import VERSION as __array_api_version__
from neonport.array_api.core.array import Array as Array
from neonport.array_api.core.devices import Device as Device
from neonport.array_api.core.dtypes import bool_ as bool
from neonport.array_api.core.dtypes import float32 as float32
from neonport.array_api.core.dtypes import float64 as float64
from neonport.array_api.core.dtypes import int8 as int8
from neonport.array_api.core.dtypes import int16 as int16
from neonport.array_api.core.dtypes import int32 as int32
from neonport.array_api.core.dtypes import int64 as int64
from neonport.array_api.core.dtypes import uint8 as uint8
from neonport.array_api.core.dtypes import uint16 as uint16
from neonport.array_api.core.dtypes import uint32 as uint32
from neonport.array_api.core.dtypes import uint64 as uint64
from neonport.array_api.creation import arange as arange
from neonport.array_api.creation import asarray as asarray
from neonport.array_api.creation import empty as empty
from neonport.array_api.creation import empty_like as empty_like
from neonport.array_api.creation import eye as eye
from neonport.array_api.creation import from_dlpack as from_dlpack
from neonport.array_api.creation import full as full
from neonport.array_api.creation import full_like as full_like
from neonport.array_api.creation import linspace as linspace
from neonport.array_api.creation import meshgrid as meshgrid
from neonport.array_api.creation import ones as ones
from neonport.array_api.creation import ones_like as ones_like
from neonport.array_api.creation import tril as tril
from neonport.array_api.creation import triu as triu
from neonport.array_api.creation import zeros as zeros
from neonport.array_api.creation import zeros_like as zeros_like
from neonport.array_api.data_types import astype as astype
from neonport.array_api.data_types import can_cast as can_cast
from neonport.array_api.data_types import finfo as finfo
from neonport.array_api.data_types import iinfo as iinfo
from neonport.array_api.data_types import isdtype as isdtype
from neonport.array_api.data_types import result_type as result_type
from neonport.array_api.elementwise import abs as abs
from neonport.array_api.elementwise import acos as acos
from neonport.array_api.elementwise import acosh as acosh
from neonport.array_api.elementwise import add as add
from neonport.array_api.elementwise import asin as asin
from neonport.array_api.elementwise import asinh as asinh
from neonport.array_api.elementwise import atan as atan
from neonport.array_api.elementwise import atan2 as atan2
from neonport.array_api.elementwise import atanh as atanh
from neonport.array_api.elementwise import bitwise_and as bitwise_and
from neonport.array_api.elementwise import bitwise_invert as bitwise_invert
from neonport.array_api.elementwise import bitwise_left_shift as bitwise_left_shift
from neonport.array_api.elementwise import bitwise_or as bitwise_or
from neonport.array_api.elementwise import bitwise_right_shift as bitwise_right_shift
from neonport.array_api.elementwise import bitwise_xor as bitwise_xor
from neonport.array_api.elementwise import ceil as ceil
from neonport.array_api.elementwise import clip as clip
from neonport.array_api.elementwise import conj as conj
from neonport.array_api.elementwise import copysign as copysign
from neonport.array_api.elementwise import cos as cos
from neonport.array_api.elementwise import cosh as cosh
from neonport.array_api.elementwise import divide as divide
from neonport.array_api.elementwise import equal as equal
from neonport.array_api.elementwise import exp as exp
from neonport.array_api.elementwise import expm1 as expm1
from neonport.array_api.elementwise import floor as floor
from neonport.array_api.elementwise import floor_divide as floor_divide
from neonport.array_api.elementwise import greater as greater
from neonport.array_api.elementwise import greater_equal as greater_equal
from neonport.array_api.elementwise import hypot as hypot
from neonport.array_api.elementwise import imag as imag
from neonport.array_api.elementwise import isfinite as isfinite
from neonport.array_api.elementwise import isinf as isinf
from neonport.array_api.elementwise import isnan as isnan
from neonport.array_api.elementwise import less as less
from neonport.array_api.elementwise import less_equal as less_equal
from neonport.array_api.elementwise import log as log
from neonport.array_api.elementwise import log1p as log1p
from neonport.array_api.elementwise import log2 as log2
from neonport.array_api.elementwise import log10 as log10
from neonport.array_api.elementwise import logaddexp as logaddexp
from neonport.array_api.elementwise import logical_and as logical_and
from neonport.array_api.elementwise import logical_not as logical_not
from neonport.array_api.elementwise import logical_or as logical_or
from neonport.array_api.elementwise import logical_xor as logical_xor
from neonport.array_api.elementwise import maximum as maximum
from neonport.array_api.elementwise import minimum as minimum
from neonport.array_api.elementwise import multiply as multiply
from neonport.array_api.elementwise import negative as negative
from neonport.array_api.elementwise import nextafter as nextafter
from neonport.array_api.elementwise import not_equal as not_equal
from neonport.array_api.elementwise import positive as positive
from neonport.array_api.elementwise import pow as pow
from neonport.array_api.elementwise import real as real
from neonport.array_api.elementwise import reciprocal as reciprocal
from neonport.array_api.elementwise import remainder as remainder
from neonport.array_api.elementwise import round as round
from neonport.array_api.elementwise import sign as sign
from neonport.array_api.elementwise import signbit as signbit
from neonport.array_api.elementwise import sin as sin
from neonport.array_api.elementwise import sinh as sinh
from neonport.array_api.elementwise import sqrt as sqrt
from neonport.array_api.elementwise import square as square
from neonport.array_api.elementwise import subtract as subtract
from neonport.array_api.elementwise import tan as tan
from neonport.array_api.elementwise import tanh as tanh
from neonport.array_api.elementwise import trunc as trunc
from neonport.array_api.indexing import take as take
from neonport.array_api.indexing import take_along_axis as take_along_axis
from neonport.array_api.info import __array_namespace_info__ as __array_namespace_info__
from neonport.array_api.linear_algebra import matmul as matmul
from neonport.array_api.linear_algebra import matrix_transpose as matrix_transpose
from neonport.array_api.linear_algebra import tensordot as tensordot
from neonport.array_api.linear_algebra import vecdot as vecdot
from neonport.array_api.manipulation import broadcast_arrays as broadcast_arrays
from neonport.array_api.manipulation import broadcast_to as broadcast_to
from neonport.array_api.manipulation import concat as concat
from neonport.array_api.manipulation import expand_dims as expand_dims
from neonport.array_api.manipulation import flip as flip
from neonport.array_api.manipulation import moveaxis as moveaxis
from neonport.array_api.manipulation import permute_dims as permute_dims
from neonport.array_api.manipulation import repeat as repeat
from neonport.array_api.manipulation import reshape as reshape
from neonport.array_api.manipulation import roll as roll
from neonport.array_api.manipulation import squeeze as squeeze
from neonport.array_api.manipulation import stack as stack
from neonport.array_api.manipulation import tile as tile
from neonport.array_api.manipulation import unstack as unstack
from neonport.array_api.searching import argmax as argmax
from neonport.array_api.searching import argmin as argmin
from neonport.array_api.searching import count_nonzero as count_nonzero
from neonport.array_api.searching import nonzero as nonzero
from neonport.array_api.searching import searchsorted as searchsorted
from neonport.array_api.searching import where as where
from neonport.array_api.sets import unique_all as unique_all
from neonport.array_api.sets import unique_counts as unique_counts
from neonport.array_api.sets import unique_inverse as unique_inverse
from neonport.array_api.sets import unique_values as unique_values
from neonport.array_api.sorting import argsort as argsort
from neonport.array_api.sorting import sort as sort
from neonport.array_api.statistical import cumulative_prod as cumulative_prod
from neonport.array_api.statistical import cumulative_sum as cumulative_sum
from neonport.array_api.statistical import max as max
from neonport.array_api.statistical import mean as mean
from neonport.array_api.statistical import min as min
from neonport.array_api.statistical import prod as prod
from neonport.array_api.statistical import std as std
from neonport.array_api.statistical import sum as sum
from neonport.array_api.statistical import var as var
from neonport.array_api.utility import all as all
from neonport.array_api.utility import any as any
from neonport.array_api.utility import diff as diff

newaxis = None

__all__ = [
    "Array",
    "Device",
    "__array_api_version__",
    "__array_namespace_info__",
    "abs",
    "acos",
    "acosh",
    "add",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "bool",
    "broadcast_arrays",
    "broadcast_to",
    "can_cast",
    "ceil",
    "clip",
    "concat",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "divide",
    "e",
    "empty",
    "empty_like",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "finfo",
    "flip",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_dlpack",
    "full",
    "full_like",
    "greater",
    "greater_equal",
    "hypot",
    "iinfo",
    "imag",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "linalg",
    "linspace",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "nan",
    "negative",
    "newaxis",
    "nextafter",
    "nonzero",
    "not_equal",
    "ones",
    "ones_like",
    "permute_dims",
    "pi",
    "positive",
    "pow",
    "prod",
    "real",
    "reciprocal",
    "remainder",
    "repeat",
    "reshape",
    "result_type",
    "roll",
    "round",
    "searchsorted",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sort",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "tril",
    "triu",
    "trunc",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unstack",
    "var",
    "vecdot",
    "where",
    "zeros",
    "zeros_like",
]
