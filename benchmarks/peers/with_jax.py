"""jax.jit of the formula; the arrays of an optimizer's state are given away, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers import Job, rebinding
from benchmarks.trees import Arrays, Tree

LIBRARY = "jax"


class Functions:
    """jax.numpy with axes that stay."""

    def __init__(self, jnp: Any) -> None:
        self.jnp = jnp
        self.exp, self.log, self.tanh, self.sqrt = jnp.exp, jnp.log, jnp.tanh, jnp.sqrt
        self.maximum, self.minimum, self.where = jnp.maximum, jnp.minimum, jnp.where

    def sum(self, x: Any, axis: Any) -> Any:
        return self.jnp.sum(x, axis=axis, keepdims=True)

    def max(self, x: Any, axis: Any) -> Any:
        return self.jnp.max(x, axis=axis, keepdims=True)

    def mean(self, x: Any, axis: Any) -> Any:
        return self.jnp.mean(x, axis=axis, keepdims=True)

    def var(self, x: Any, axis: Any) -> Any:
        return self.jnp.var(x, axis=axis, keepdims=True)


def make(tree: Tree, inputs: Arrays) -> Job:
    import jax

    jax.config.update("jax_platforms", "cpu")
    functions = Functions(jax.numpy)

    def formula(**values: Any) -> Sequence[Any]:
        return tree.formula(functions, **values)

    compiled = jax.jit(formula, donate_argnames=tuple(tree.state))
    values = {name: jax.device_put(array.copy()) for name, array in inputs.items()}

    def step(**values: Any) -> Sequence[Any]:
        return jax.block_until_ready(compiled(**values))

    return rebinding(step, tree, values)
