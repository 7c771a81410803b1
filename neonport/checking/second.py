"""The backend that is asked for its opinion: statements of another one run on copies there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.checking.spec import Check
from neonport.optree.node import OpTreeNode, apply, tensors, walk, with_draw
from neonport.optree.random_nodes import draw_of, is_random
from neonport.plugins import registry


class SecondBackend:
    """A backend of its own, which runs statements of others.

    Args:
        check: names it.

    Attributes:
        be: the backend.

    Raises:
        BackendUnavailable: it cannot be used here; the message says why and what to do.
    """

    def __init__(self, check: Check) -> None:
        registry.require(check.backend)
        self.be: Any = registry.create_backend(check.backend, device_id=check.device, rng_seed=0)

    def results(
        self, targets: Sequence[Any], values: Sequence[Any], contents: dict[int, np.ndarray]
    ) -> list[np.ndarray]:
        """What a statement stores in its targets there.

        Args:
            targets: of the statement.
            values: its right-hand sides; random nodes among them must replay.
            contents: id of each tensor -> what it holds.
        """
        be = self.be
        done: dict[int, Any] = {
            id(t): be.array(contents[id(t)], dtype=t.dtype) for t in tensors(*values)
        }
        for node in walk(*values):
            made = apply(node.op, *(done.get(id(a), a) for a in node.args), **node.params)
            if is_random(node):
                made = with_draw(made, draw_of(node))
            done[id(node)] = made
        made_targets = [be.empty(t.shape, dtype=t.dtype) for t in targets]
        roots = [done.get(id(value), value) for value in values]
        be.assign_many(list(zip(made_targets, roots, strict=True)))
        return [t.get() for t in made_targets]

    def close(self) -> None:
        """Release it."""
        self.be.cleanup_backend()


def root_op(value: Any) -> str:
    """Name of the op that gives a value; `copy` of a tensor, `fill` of a number."""
    if isinstance(value, OpTreeNode):
        return value.op
    return "copy" if hasattr(value, "sig") else "fill"
