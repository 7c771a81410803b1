"""Names that Python, NumPy and helper packages had when neon's scripts were written.

They are attributes of stand-ins, which only scripts see (see `scripts`): a stand-in gives the real
module's attributes and, where that has none, those of this table.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import time
import unittest
from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import zip_longest
from types import ModuleType
from typing import Any

import numpy as np


class _ArgSpec(tuple):
    """What `inspect.getargspec` returned."""

    __slots__ = ()
    args = property(lambda self: self[0])
    varargs = property(lambda self: self[1])
    keywords = property(lambda self: self[2])
    defaults = property(lambda self: self[3])


def _getargspec(function: Callable[..., Any]) -> _ArgSpec:
    full = inspect.getfullargspec(function)
    return _ArgSpec((full.args, full.varargs, full.varkw, full.defaults))


def _old_div(a: Any, b: Any) -> Any:
    """Python 2's division: whole numbers give whole numbers."""
    whole = isinstance(a, (int, np.integer)) and isinstance(b, (int, np.integer))
    return a // b if whole else a / b


def _iterate(method: str) -> Callable[[Any], Iterator[Any]]:
    return lambda mapping: iter(getattr(mapping, method)())


def _msort(a: Any) -> np.ndarray:
    return np.sort(a, axis=0)


def _asscalar(a: Any) -> Any:
    return np.asarray(a).item()


def _asfarray(a: Any, dtype: Any = np.float64) -> np.ndarray:
    return np.asarray(a, dtype=dtype if np.issubdtype(dtype, np.inexact) else np.float64)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """What install_aliases of `future` did is part of Python now."""


def _attribute(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """A decorator that only marked a test."""
    return lambda function: function


_PYTHON2: dict[str, Any] = {
    "basestring": str,
    "unicode": str,
    "long": int,
    "xrange": range,
    "raw_input": input,
    "unichr": chr,
    "reduce": reduce,
    "cmp": lambda a, b: (a > b) - (a < b),
}
_SAME = {name: getattr(importlib.import_module("builtins"), name) for name in (
    "str", "int", "bytes", "dict", "list", "object", "range", "super", "zip", "map", "filter",
    "open", "round", "input", "pow", "chr", "ascii", "oct", "hex", "next", "max", "min",
)}  # fmt: skip

DROPPED: dict[str, dict[str, Any]] = {
    "numpy": {
        "float": float, "int": int, "bool": bool, "object": object, "str": str, "complex": complex,
        "long": int, "unicode": str, "float_": np.float64, "complex_": np.complex128,
        "string_": np.bytes_, "unicode_": np.str_, "Inf": np.inf, "Infinity": np.inf,
        "infty": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan, "NAN": np.nan,
        "product": np.prod, "cumproduct": np.cumprod, "alltrue": np.all, "sometrue": np.any,
        "row_stack": np.vstack, "trapz": np.trapezoid if hasattr(np, "trapezoid") else None,
        "in1d": lambda a, b, **kwargs: np.isin(a, b, **kwargs).ravel(), "round_": np.round,
        "asscalar": _asscalar, "asfarray": _asfarray, "msort": _msort, "mat": np.asmatrix,
        "typeDict": np.sctypeDict,
    },
    "collections": {
        name: getattr(collections.abc, name) for name in collections.abc.__all__
    },
    "inspect": {"getargspec": _getargspec},
    "time": {"clock": time.perf_counter},
    "itertools": {
        "izip": zip, "imap": map, "ifilter": filter, "izip_longest": zip_longest,
    },
}  # fmt: skip
"""Module -> names that it had."""

_test = unittest.TestCase()
GONE: dict[str, dict[str, Any]] = {
    "past": {},
    "past.utils": {"old_div": _old_div},
    "past.builtins": {**_PYTHON2, **_SAME},
    "future": {},
    "future.standard_library": {"install_aliases": _nothing, "hooks": _nothing},
    "future.builtins": dict(_SAME),
    "future.utils": {
        "PY2": False, "PY3": True, "iteritems": _iterate("items"), "iterkeys": _iterate("keys"),
        "itervalues": _iterate("values"), "viewitems": lambda d: d.items(),
        "viewkeys": lambda d: d.keys(), "viewvalues": lambda d: d.values(),
        "native": lambda value: value, "native_str": str, "string_types": (str,),
        "with_metaclass": lambda meta, *bases: meta("NewBase", bases or (object,), {}),
        "old_div": _old_div,
    },
    "nose": {"SkipTest": unittest.SkipTest},
    "nose.tools": {
        "nottest": lambda f: f, "istest": lambda f: f, "with_setup": _attribute,
        "assert_equal": _test.assertEqual, "assert_equals": _test.assertEqual,
        "assert_not_equal": _test.assertNotEqual, "assert_true": _test.assertTrue,
        "assert_false": _test.assertFalse, "assert_raises": _test.assertRaises,
        "assert_almost_equal": _test.assertAlmostEqual, "assert_in": _test.assertIn,
        "assert_is_none": _test.assertIsNone, "eq_": _test.assertEqual, "ok_": _test.assertTrue,
    },
    "nose.plugins": {},
    "nose.plugins.attrib": {"attr": _attribute},
    "nose.plugins.skip": {"SkipTest": unittest.SkipTest},
    "__builtin__": {**_PYTHON2, **_SAME},
}  # fmt: skip
"""Modules that are not there any more, with what scripts took from them."""

RENAMED = {
    "cPickle": "pickle", "ConfigParser": "configparser", "Queue": "queue",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse", "StringIO": "io", "cStringIO": "io", "HTMLParser": "html.parser",
    "Tkinter": "tkinter", "commands": "subprocess",
}  # fmt: skip
"""Modules of Python 2 -> those of today that hold what scripts took from them."""


class StandIn(ModuleType):
    """A module for scripts: a real one, or a name that is gone, with names of former times.

    Args:
        name: the module's name.
        real: where its attributes come from; None if there is no such module any more.
        names: further attributes.
    """

    def __init__(self, name: str, real: ModuleType | None, names: dict[str, Any]) -> None:
        super().__init__(name, getattr(real, "__doc__", None))
        self.__dict__["_real"] = real
        self.__dict__["_names"] = {key: value for key, value in names.items() if value is not None}
        self.__path__: list[str] = list(getattr(real, "__path__", ()))

    def __getattr__(self, name: str) -> Any:
        real, names = self.__dict__["_real"], self.__dict__["_names"]
        if real is not None and (name not in names or _is_there(real, name)):
            return getattr(real, name)
        if name in names:
            return names[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*dir(self.__dict__["_real"]), *self.__dict__["_names"]})


def _is_there(real: ModuleType, name: str) -> bool:
    """Whether a module has a name of its own; NumPy's `__getattr__` refuses those that it lost."""
    return name in vars(real)


def stand_in(name: str, found: Callable[[], ModuleType | None]) -> ModuleType | None:
    """The module that a script gets for a name, if it is not the one of today.

    Args:
        name: dotted name of the module.
        found: gives the real module; called only if there is one to stand in for.
    """
    if name in DROPPED:
        return StandIn(name, found(), DROPPED[name])
    if name in GONE:
        module = StandIn(name, None, GONE[name])
        for other in GONE:
            parent, _, child = other.rpartition(".")
            if parent == name:
                module.__dict__[child] = stand_in(other, partial(StandIn, other, None, {}))
        return module
    if name in RENAMED:
        return importlib.import_module(RENAMED[name])
    return None
