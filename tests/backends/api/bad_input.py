"""Random calls of every public function of a backend, most of them mistakes.

A call may work. If it does not, the error is one of a user's mistake (never one that names what
happens inside), and no tensor that was handed in has changed.

    python -m tests.backends.api.bad_input --backend cpu --calls 2000 --seed 1
"""

from __future__ import annotations

import argparse
import inspect
import random
import re
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neonport.errors import NeonportError
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor

MISTAKES = (NeonportError, TypeError, ValueError)
INTERNALS = re.compile(
    r"^'.*' object|'type' object|object has no attribute|^unsupported operand|^unhashable"
    r"|not supported between|^cannot unpack|^not enough values|^too many values"
    r"|could not be broadcast|argument must be a string or|^object is not"
    r"|cannot be interpreted as an|negative dimensions"
)
# what devices and other parts of the library call, not users; and what ends the backend
OTHERS = """
    adopt allocate check_dtype check_pair check_same_backend cleanup_backend copy_in copy_out
    count_magnitudes dlpack_adopt dlpack_capsule dlpack_shares draw_normal get_time histogram
    host_array init_mark launch leaf_signature probe record_mark remember scatter
    synchronize_mark unrecordable view wrap allocate_new_outputs
"""
NOT_FOR_USERS = frozenset(OTHERS.split())


class Fault(NamedTuple):
    """One call that did not fail as it should.

    Attributes:
        function: what was called.
        what: what is wrong.
        place: file and line of the error.
        arguments: what was handed in.
    """

    function: str
    what: str
    place: str
    arguments: list[str]


def values(be: Any) -> list[Any]:
    """What functions are called with."""
    t = be.array(np.arange(12.0).reshape(3, 4))
    plain: list[Any] = [
        None, True, 0, 1, -1, 3, 2.5, float("nan"), 10**20, np.int64(2), 1j, "x", "", b"x", [],
        [1, 2], (3, 4), (3, -1), ("a",), {}, object(), int, np.float32, "float32", slice(1, 2), ...,
    ]  # fmt: skip
    arrays = [
        np.ones((3, 4), np.float32), np.ones((2, 5)), np.array("s"), np.array([1 + 2j]),
        np.ma.masked_array([1.0, 2.0], [True, False]),
    ]  # fmt: skip
    tensors = [
        t, t[1:], t.T, be.zeros((2, 5)), be.zeros((0, 4)), be.ones((4, 3)),
        be.array([[1, 2]], dtype=np.int32),
    ]  # fmt: skip
    return [*plain, *arrays, lambda x: x, *tensors, t + 1, be.exp(be.ones((2, 5)))]


def public_functions(be: Any) -> list[str]:
    """Names of the functions that users call."""
    found = []
    for name in dir(be):
        if name.startswith("_") or name in NOT_FOR_USERS:
            continue
        member = getattr(be, name)
        if inspect.ismethod(member) or inspect.isfunction(member):
            found.append(name)
    return found


def faults(be: Any, name: str, calls: int, seed: int) -> Iterator[Fault]:
    """Call one function at random and yield what went wrong."""
    rng = random.Random(f"{name} {seed}")
    function = getattr(be, name)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    needed = sum(p.default is p.empty for p in taken)
    for _ in range(calls):
        given = [rng.choice(values(be)) for _ in range(rng.randint(needed, len(taken)))]
        before = [(a, a.get()) for a in given if isinstance(a, Tensor)]
        try:
            result = function(*given)
            if isinstance(result, OpTreeNode):
                result.get()
            continue
        except MISTAKES as error:
            caught: Exception = error
            words = str(error)
            what = ""
            if not words:
                what = "no message"
            elif INTERNALS.search(words):
                what = f"names internals: {words[:200]}"
            elif any(not np.array_equal(a.get(), v, equal_nan=True) for a, v in before):
                what = f"an argument changed before the error: {words[:200]}"
        except Exception as error:
            caught, what = error, f"raised {type(error).__name__}: {str(error)[:200]}"
        if what:
            frame = traceback.extract_tb(caught.__traceback__)[-1]
            arguments = [
                repr(a) if isinstance(a, (int, float, str, tuple, list)) else type(a).__name__
                for a in given
            ]
            yield Fault(name, what, f"{frame.filename}:{frame.lineno}", arguments)


def main() -> None:
    """Run the campaign and print each fault once."""
    from neonport.backends import gen_backend

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--calls", type=int, default=100, help="of each function")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    be = gen_backend(chosen.backend, rng_seed=0, batch_size=4)
    names = public_functions(be)
    seen = set()
    for name in names:
        for fault in faults(be, name, chosen.calls, chosen.seed):
            if (name, fault.place) not in seen:
                seen.add((name, fault.place))
                print(*fault, sep=" | ")
    print(f"{len(names)} functions, {len(names) * chosen.calls} calls, {len(seen)} faults")


if __name__ == "__main__":
    main()
