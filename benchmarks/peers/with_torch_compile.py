"""torch.compile of the formula, for these shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers import Job, rebinding
from benchmarks.peers.torch_functions import Functions, finish, tensors
from benchmarks.trees import Arrays, Tree

LIBRARY = "torch"


def make(tree: Tree, inputs: Arrays) -> Job:
    import torch

    torch.compiler.reset()
    functions = Functions()
    state = len(tree.state)

    def formula(**values: Any) -> Sequence[Any]:
        results = tree.formula(functions, **values)
        # an optimizer writes its state in place
        for name, result in zip(tree.state, results, strict=False):
            values[name].copy_(result)
        return (*(values[name] for name in tree.state), *results[state:])

    compiled = torch.compile(formula, dynamic=False)
    return rebinding(compiled, tree, tensors(inputs), finish)
