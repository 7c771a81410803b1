"""A script of a few lines for each failed case, that fails in the same way when it is run.

Where the case is one op on tensors, the script shows the op, its operands and the right result, cut
down to the first wrong element if that is enough to see the fault. All other cases are run by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.dtypes import BFLOAT16
from neonport.ops.op import OPS, Kind
from neonport.optree.node import OpTreeNode, apply
from neonport.optree.random_nodes import is_random
from neonport.testing.cases import Case, Statement, Want, compare, defined, judge
from neonport.testing.inputs import seeded
from neonport.testing.layouts import Target

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.testing.conformance import Result

Array = npt.NDArray[Any]
LARGEST = 64  # elements of all operands that are written out
NAMES = "abcdefgh"


def script(be: Backend, case: Case, result: Result, seed: int = 0) -> str:
    """Python that reproduces a failure.

    Args:
        be: the backend that fails; some statements are run on it.
        case: the case that failed.
        result: what it gave.
        seed: that of the run.

    Returns:
        The text of a file; it ends with an error as long as the fault is there.
    """
    title = f"# {case.op}: {case.id}, on {be.backend_name}\n"
    message = "".join(f"# {line}\n" for line in result.message.splitlines()[:4])
    try:
        with seeded(seed):
            shown = _statement(be, case)
    except Exception:  # the device fails elsewhere too; by its name the case can always be run
        shown = None
    return title + message + (shown or by_name(be, case, seed))


def by_name(be: Backend, case: Case, seed: int = 0) -> str:
    """Python that runs a case by its name."""
    more = f", seed={seed}" if seed else ""
    return (
        "from neonport.testing.conformance import run_one\n\n"
        f"result = run_one({be.backend_name!r}, {case.op!r}, {case.id!r}{more})\n"
        "assert result.passed, result.message\n"
    )


def _statement(be: Backend, case: Case) -> str | None:
    """The script of a case that is one op on tensors; None if it is not, or does not fail so."""
    if case.statement is None:
        return None
    statement = case.statement(be)
    tree = statement.tree
    if not isinstance(tree, OpTreeNode) or is_random(tree):
        return None
    if any(isinstance(arg, OpTreeNode) for arg in tree.args):
        return None
    operands = [arg.get() if hasattr(arg, "get") else arg for arg in tree.args]
    dtype = statement.target.tensor.dtype
    for some in (_one_element(statement, tree, operands), operands):
        if some is None or _elements(some) > LARGEST:
            continue
        want = _fails(be, tree, some, dtype)
        if want is not None:
            return _text(be.backend_name, tree, some, dtype, want)
    return None


def _elements(operands: list[Any]) -> int:
    return sum(x.size for x in operands if isinstance(x, np.ndarray))


def _one_element(statement: Statement, tree: OpTreeNode, operands: list[Any]) -> list[Any] | None:
    """The operands of the first wrong element, where ops work on each element alone."""
    target = statement.target.tensor
    if OPS[tree.op].kind is not Kind.ELEMENTWISE or not target.size:
        return None
    try:
        target[:] = tree
        got, values = target.get(), np.asarray(statement.want.values)
        wrong = np.argwhere((got != values) & ~((got != got) & (values != values)))
        errors = [i for i in map(tuple, wrong) if compare(got[i], _at(statement.want, i)).message]
    except Exception:  # an op that raises does so for any element
        errors = []
    at = errors[0] if errors else (0,) * target.ndim
    return [_cell(x, target.shape, at) if isinstance(x, np.ndarray) else x for x in operands]


def _at(want: Want, at: tuple[Any, ...]) -> Want:
    others = tuple(other[at] for other in want.others)
    allowed = want.allowed._replace(absolute=want.allowed.absolute[at])
    return Want(np.asarray(want.values)[at], allowed, others)


def _cell(x: Array, shape: tuple[int, ...], at: tuple[Any, ...]) -> Array:
    return np.array(np.broadcast_to(x, shape)[at]).reshape(1, 1)


def _fails(be: Backend, tree: OpTreeNode, operands: list[Any], dtype: Any) -> Want | None:
    """The right result, if the backend gives another one or an error."""
    made = [be.array(x, dtype=x.dtype) if isinstance(x, np.ndarray) else x for x in operands]
    values = {id(t): x for t, x in zip(made, operands, strict=True) if isinstance(x, np.ndarray)}
    again = apply(tree.op, *made, **dict(tree.params))
    target = Target(be, again.shape, dtype, "plain")
    want = defined(again, values, target)
    try:
        target.tensor[:] = again
        failed = bool(judge(Statement(target, again, want)).message)
    except Exception:
        failed = True
    if any(np.any(other != want.values) for other in want.others):
        return None  # more than one result is right
    return want if failed else None


def _text(backend: str, tree: OpTreeNode, operands: list[Any], dtype: Any, want: Want) -> str:
    arrays = {NAMES[i]: x for i, x in enumerate(operands) if isinstance(x, np.ndarray)}
    arguments = [NAMES[i] if NAMES[i] in arrays else _number(x) for i, x in enumerate(operands)]
    call = _call(tree, arguments)
    wanted, allowed = _double(want)
    same = "(got == wanted) | ((got != got) & (wanted != wanted))"
    if np.any(allowed):
        same = f"{same} | (abs(got.astype('float64') - wanted) <= {_array(allowed)})"
    lines = [
        "import numpy as np",
        "",
        *(["from neonport.optree.node import apply"] if call.startswith("apply(") else []),
        "from neonport.plugins.registry import create_backend",
        "",
        f"be = create_backend({backend!r}, rng_seed=0)",
        *(f"{name} = be.array({_array(x)}, dtype={str(x.dtype)!r})" for name, x in arrays.items()),
        f"y = be.empty({wanted.shape}, dtype={str(dtype)!r})",
        f"y[:] = {call}",
        f"got, wanted = y.get(), {_array(wanted)}",
        f"right = {same}",
        'assert right.all(), f"{got} instead of {wanted}"',
    ]
    return "\n".join(lines) + "\n"


def _double(want: Want) -> tuple[Array, Array]:
    """Right values and allowances as numbers that can be written out."""
    values, allowed = np.asarray(want.values), np.asarray(want.allowed.absolute)
    if values.dtype == np.longdouble:
        with np.errstate(all="ignore"):
            return values.astype(np.float64), (allowed + abs(values) * 2.0**-53).astype(np.float64)
    return values, allowed


def _call(tree: OpTreeNode, arguments: list[str]) -> str:
    """The op as one writes it: a function of the backend, or its row of the op table."""
    from neonport.backends.backend import Backend

    params: Mapping[str, Any] = dict(tree.params)
    if not params and OPS[tree.op].kind is Kind.ELEMENTWISE and hasattr(Backend, tree.op):
        return f"be.{tree.op}({', '.join(arguments)})"
    more = [f"{name}={value!r}" for name, value in params.items()]
    return f"apply({', '.join([repr(tree.op), *arguments, *more])})"


def _number(x: Any) -> str:
    value = float(x)
    return repr(x) if abs(value) < np.inf else f'float("{value}")'


def _array(values: Any) -> str:
    """An array as Python text, exact to the last bit."""
    array = np.asarray(values)
    if array.dtype.name == BFLOAT16:
        array = array.astype(np.float32)
    if not prod(array.shape):
        return f"np.empty({array.shape}, {array.dtype.name!r})"
    return f"np.array({_nested(array.tolist())}, {array.dtype.name!r})"


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_nested, value))}]"
    if isinstance(value, float) and not abs(value) < np.inf:
        return f"np.{'nan' if value != value else 'inf' if value > 0 else 'inf * -1'}"
    return repr(value)
