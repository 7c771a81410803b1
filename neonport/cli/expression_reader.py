"""Expressions on the command line: a small part of Python, read as a syntax tree, never executed.

    1 / (1 + be.exp(-x))
    m1 = 0.9 * m + 0.1 * g; m = m1; p = p - 0.01 * m1

A name with a shape is a tensor; assigning to it makes one of the statement's assignments, all given
together. Any other name on the left stands for its tree in what follows.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from neonport.errors import ConfigurationError
from neonport.ops.op import OPS
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor

_COMPOSITES = (
    *("clip", "fprop_softmax", "log_softmax", "logsumexp", "mean", "norm", "reciprocal", "softmax"),
    "std",
)
FUNCTIONS = frozenset(_COMPOSITES).union(*(op.public for op in OPS.values()))
"""Functions of a backend that build trees and run nothing."""

BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: lambda x: x}
MAX_LENGTH = 20_000  # characters; Python's own parser recurses


class Reader:
    """Turns text into assignments.

    Args:
        backend: whose functions `be.` names.
        tensors: by name.
    """

    def __init__(self, backend: Any, tensors: dict[str, Tensor]) -> None:
        self.backend = backend
        self.tensors = tensors
        self.names: dict[str, Any] = dict(tensors)

    def read(self, text: str) -> Any:
        """The tree of a lone expression, or (target, value) pairs.

        Raises:
            ConfigurationError: not in the language above.
        """
        if len(text) > MAX_LENGTH:
            raise ConfigurationError(f"an expression of {len(text)} characters; put it in a file")
        try:
            lines = ast.parse(text.strip()).body
            return self._statements(lines)
        except SyntaxError as error:
            raise ConfigurationError(f"{text!r} is no expression: {error.msg}") from error
        except ArithmeticError as error:
            raise ConfigurationError(f"{text!r} has no value: {error}") from error
        except (RecursionError, MemoryError) as error:
            raise ConfigurationError("the expression is nested too deeply") from error

    def _statements(self, lines: list[ast.stmt]) -> Any:
        pairs: list[tuple[Tensor, Any]] = []
        last: Any = None
        for line in lines:
            if isinstance(line, ast.Expr):
                last = self.value(line.value)
                continue
            if not isinstance(line, ast.Assign) or len(line.targets) > 1:
                raise self._unknown(line)
            (name,) = line.targets
            if not isinstance(name, ast.Name):
                raise self._unknown(line)
            last = self.value(line.value)
            if name.id in self.tensors:
                pairs.append((self.tensors[name.id], last))
            else:
                self.names[name.id] = last
        if pairs:
            return pairs
        if not isinstance(last, OpTreeNode):
            raise ConfigurationError(
                "the expression computes nothing: it must contain an operation on a tensor"
            )
        return last

    def value(self, node: ast.AST) -> Any:
        """The value of a part of an expression."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.UnaryOp) and type(node.op) in UNARY:
            return UNARY[type(node.op)](self.value(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            return self._binary(type(node.op), node.left, node.right)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in BINARY:
            return self._binary(type(node.ops[0]), node.left, node.comparators[0])
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return self._of(node, node.value, OpTreeNode, Tensor).T
        if isinstance(node, ast.Subscript):
            return self._of(node, node.value, Tensor)[self._index(node.slice)]
        if isinstance(node, (ast.Tuple, ast.List)):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._unknown(node)

    def _name(self, name: str) -> Any:
        if name not in self.names:
            raise ConfigurationError(f"{name!r} has no shape; say it: --shape {name}=1000x1000")
        return self.names[name]

    def _of(self, node: ast.AST, part: ast.AST, *kinds: type) -> Any:
        found = self.value(part)
        if not isinstance(found, kinds):
            raise self._unknown(node)
        return found

    def _binary(self, kind: type[ast.AST], left: ast.AST, right: ast.AST) -> Any:
        a, b = self.value(left), self.value(right)
        # whole numbers as floats: 9 ** 9 ** 9 ends at once, with an error
        if isinstance(a, int) and isinstance(b, int):
            a, b = float(a), float(b)
        return BINARY[kind](a, b)

    def _index(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return slice(*(None if p is None else self._index(p) for p in parts))
        found = self.value(node)
        if not isinstance(found, int):
            raise self._unknown(node)
        return found

    def _call(self, node: ast.Call) -> Any:
        name, module = ast.unparse(node.func).rpartition(".")[::-2]
        if module != "be":
            raise self._unknown(node)
        if name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise ConfigurationError(f"be.{name} is not one of {known}")
        keywords = {k.arg: self.value(k.value) for k in node.keywords if k.arg and k.arg != "out"}
        if len(keywords) != len(node.keywords):
            raise self._unknown(node)
        function = getattr(self.backend, name)
        return function(*(self.value(a) for a in node.args), **keywords)

    @staticmethod
    def _unknown(node: ast.AST) -> ConfigurationError:
        return ConfigurationError(
            f"{ast.unparse(node)!r}: an expression holds numbers, named tensors, operators, .T, "
            "slices and calls of be; a Python file may hold anything: neonport show FILE.py"
        )
