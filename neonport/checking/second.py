"""The backend that is asked for its opinion: statements of another one run on copies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from neonport.checking.bounds import PRODUCTS
from neonport.checking.spec import Check
from neonport.errors import ConfigurationError
from neonport.foundation.bounded_table import BoundedTable
from neonport.ops.op import Kind
from neonport.optree.node import OpTreeNode, apply, walk, with_draw
from neonport.optree.random_nodes import draw_of, is_random
from neonport.plugins import registry
from neonport.shape import Shape
from neonport.tensor.tensor import Tensor

TWINS = 256  # of a generation, of the tensors of statements


class SecondBackend:
    """A backend of its own, which runs statements of others.

    Args:
        check: names it.

    Attributes:
        be: the backend.

    Raises:
        BackendUnavailable: it cannot be used here; the message says why and what to do.
        ConfigurationError: it computes nothing.
    """

    def __init__(self, check: Check) -> None:
        registry.require(check.backend)
        self.be: Any = registry.create_backend(check.backend, device_id=check.device, rng_seed=0)
        if not self.be.device.capabilities.runs:
            self.be.cleanup_backend()
            raise ConfigurationError(
                f"the backend {check.backend} computes nothing, so it has no opinion; name "
                "another, such as cpu:0.01"
            )
        self._twins: BoundedTable[Any, Any] = BoundedTable(TWINS)

    def results(
        self, targets: Sequence[Any], values: Sequence[Any], contents: dict[int, np.ndarray]
    ) -> list[np.ndarray]:
        """What a statement stores in its targets there.

        Args:
            targets: of the statement.
            values: its right-hand sides; random nodes among them must replay.
            contents: id of each tensor -> what it holds.
        """
        twin, done = self.twins(), dict[int, Any]()
        held: dict[int, tuple[Any, np.ndarray]] = {}
        nodes = walk(*values)
        for t in leaves(nodes, values):
            done[id(t)] = twin(t.shape, t.dtype)
            held[id(t)] = done[id(t)], contents[id(t)]
        for node in nodes:
            made = apply(node.op, *(done.get(id(a), a) for a in node.args), **node.params)
            if is_random(node):
                made = with_draw(made, draw_of(node))
            done[id(node)] = made
        made_targets = [twin(t.shape, t.dtype) for t in targets]
        roots = [done.get(id(value), value) for value in values]
        return self.stored(made_targets, roots, held.values())

    def stored(
        self, targets: Sequence[Any], values: Sequence[Any], held: Iterable[tuple[Any, np.ndarray]]
    ) -> list[np.ndarray]:
        """What a statement of this backend's own tensors stores.

        Args:
            targets: of the statement.
            values: its right-hand sides.
            held: tensors, and what they hold when it runs.
        """
        for t, array in held:
            self.be.device.copy_in(t, array)
        self.be.assign_many(list(zip(targets, values, strict=True)))
        return [self.be.device.copy_out(t) for t in targets]

    def twins(self) -> Callable[[Shape, Any], Any]:
        """A function that gives tensors by shape and dtype, each another one.

        They are the same ones for statements of the same kind: a statement that comes again is
        found bound here, and memory is made once.
        """
        taken: Counter[Any] = Counter()

        def twin(shape: Shape, dtype: Any) -> Any:
            kind = shape, dtype
            key = *kind, taken[kind]
            taken[kind] += 1
            found = self._twins.find(key)
            if found is None:
                found = self.be.empty(shape, dtype=dtype)
                self._twins.keep(key, found)
            return found

        return twin

    def magnitudes(self, value: Any, contents: dict[int, np.ndarray]) -> np.ndarray | None:
        """What a product or convolution of tensors adds up, without signs; None of other values.

        Args:
            value: the right-hand side of a statement.
            contents: id of each tensor -> what it holds.
        """
        if not isinstance(value, OpTreeNode) or value.op not in PRODUCTS:
            return None
        if not all(map(_stored, value.args)):
            return None  # its operands have errors of their own
        tree = apply(value.op, *(apply("abs", a) for a in value.args), **value.params)
        return self.results([tree], [tree], contents)[0]

    def close(self) -> None:
        """Release it."""
        self.be.cleanup_backend()


def leaves(nodes: Iterable[OpTreeNode], values: Iterable[Any]) -> list[Any]:
    """Every distinct tensor of a statement; `tensors` for nodes that have been listed already.

    Args:
        nodes: what `walk` gives.
        values: the right-hand sides.
    """
    found = {id(v): v for v in values if isinstance(v, Tensor)}
    for node in nodes:
        for arg in node.args:
            if isinstance(arg, Tensor):
                found.setdefault(id(arg), arg)
    return list(found.values())


def _stored(x: Any) -> bool:
    """Whether an operand is a tensor, moved or not."""
    while isinstance(x, OpTreeNode) and x.sig.op.kind is Kind.MOVEMENT and x.sig.op.arity == 1:
        x = x.left
    return hasattr(x, "sig") and not isinstance(x, OpTreeNode)


def root_op(value: Any) -> str:
    """Name of the op that gives a value; `copy` of a tensor, `fill` of a number."""
    if isinstance(value, OpTreeNode):
        return value.op
    return "copy" if hasattr(value, "sig") else "fill"
