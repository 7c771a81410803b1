"""Ops of plugins: methods of a backend that no class here has."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neonport.compiler.codegen import dialect
from neonport.errors import NeonportError
from neonport.ops.op import OPS, Kind, Op, register
from neonport.optree.functions import emit
from neonport.optree.node import apply
from neonport.plugins.extension_lookup import find
from neonport.plugins.extensions import Extension, load, unavailable
from neonport.plugins.info import OpInfo

KINDS = (Kind.ELEMENTWISE, Kind.AXIS, Kind.WINDOW, Kind.SEQUENCE)
"""Kinds of ops that a plugin can bring: kernels need nothing but an expression, or a call."""

_lock = threading.Lock()
_functions: dict[str, Callable[..., Any]] = {}


class PluginOps:
    """Finds the op of a plugin when a name is asked for that a backend does not have."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            function = None if name.startswith("_") else plugin_op(name)
            if function is None:
                kind = type(self).__name__
                raise AttributeError(
                    f"{kind!r} object has no attribute {name!r}", name=name, obj=self
                )
            return function


def plugin_op(name: str) -> Callable[..., Any] | None:
    """The function that builds nodes of an op of an installed plugin; None: there is no such.

    Args:
        name: of the op.

    Raises:
        ExtensionUnavailable: a plugin announces it, but it cannot be used.
    """
    function = _functions.get(name)
    if function is None and name not in OPS:
        extension = find("op", name)
        if extension is not None:
            with _lock:
                if name not in _functions:
                    _functions[name] = _added(extension)
            function = _functions[name]
    return function


def check_op(extension: Extension) -> tuple[Op, Any]:
    """The row and the derivative of an op that a plugin announces.

    Raises:
        ExtensionUnavailable: they cannot be imported, or do not fit together.
    """
    info = extension.info
    assert isinstance(info, OpInfo)
    row = load(extension, info.row)
    derivative = load(extension, info.derivative) if info.derivative else None
    wrong = ""
    if not isinstance(row, Op):
        wrong = f"{info.row} is a {type(row).__name__}, not an Op"
    elif row.name != info.name:
        wrong = f"{info.row} is the row of {row.name!r}"
    elif row.kind not in KINDS:
        kinds = ", ".join(kind.value for kind in KINDS)
        wrong = f"it is of kind {row.kind.value}; a plugin brings ops of kind {kinds}"
    elif (row.kind is Kind.ELEMENTWISE) != bool(info.expression):
        wrong = "an element-wise op needs a C expression, and no other has one"
    elif derivative is not None and not callable(derivative):
        wrong = f"{info.derivative} is no function"
    if wrong:
        raise unavailable(extension, TypeError(wrong))
    return row, derivative


def _added(extension: Extension) -> Callable[..., Any]:
    """Enter an op in the tables; all of it or nothing."""
    from neonport.autodiff import vjps  # which backends do not need

    row, derivative = check_op(extension)
    info = extension.info
    assert isinstance(info, OpInfo)
    tables = (OPS, vjps.ROWS, vjps.ZERO, vjps.NOT_DIFFERENTIABLE, dialect.EXPRESSIONS)
    if any(info.name in table for table in tables):
        raise unavailable(extension, NeonportError(f"neonport has an op {info.name!r}"))
    register(row)
    if derivative is not None:
        vjps.register(info.name, derivative)
    if info.expression:
        dialect.register(info.name, info.expression)
    return _builder(row)


def _builder(row: Op) -> Callable[..., Any]:
    def build(*operands: Any, out: Any = None, **params: Any) -> Any:
        return emit(apply(row.name, *operands, **params), out)

    build.__name__ = build.__qualname__ = row.name
    build.__doc__ = f"{row.summary}; an op-tree, or `out`."
    return build
