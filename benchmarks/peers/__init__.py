"""One file a peer: `make(tree, inputs)` gives what it does, ready to run.

A peer module says `LIBRARY` (what must be installed) and `make`, which raises Skip where the peer
has no way to do a workload. `run` does the work once, to its end; `outputs` gives what it computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.trees import Arrays, Tree

NAMES = ("numpy", "numexpr", "numba", "torch", "torch_compile", "torch_graphs", "jax")


class Skip(Exception):
    """Why a peer sits out."""


@dataclass
class Job:
    """A workload of a peer, ready to run."""

    run: Callable[[], object]
    outputs: Callable[[], Sequence[Any]]
    finish: Callable[[], object] = lambda: None


def find(name: str) -> Callable[[Tree, Arrays], Job]:
    """The `make` of a peer.

    Raises:
        Skip: its library is not installed, or broken.
    """
    module = import_module(f"benchmarks.peers.with_{name}")
    if find_spec(module.LIBRARY) is None:
        raise Skip(f"{module.LIBRARY} is not installed: pip install '.[bench]'")
    try:
        import_module(module.LIBRARY)
    except Exception as error:
        raise Skip(f"{module.LIBRARY} cannot be imported: {error}") from error
    make: Callable[[Tree, Arrays], Job] = module.make
    return make


def host(array: Any) -> Any:
    """An output as an array of the host."""
    return array.cpu() if hasattr(array, "cpu") else array


def rebinding(
    step: Callable[..., Sequence[Any]],
    tree: Tree,
    values: dict[str, Any],
    finish: Callable[[], object] | None = None,
) -> Job:
    """A job of a function that returns new arrays: those of the state are used the next time."""
    values = dict(values)
    last: list[Any] = []

    def run() -> None:
        last[:] = step(**values)
        values.update(zip(tree.state, last, strict=False))

    return Job(run, lambda: last, finish or (lambda: None))
