"""PyTorch eager, captured as a CUDA graph and replayed."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.peers import Job, Skip, torch_functions
from benchmarks.peers.torch_functions import Functions, tensors
from benchmarks.peers.with_torch import BETTER
from benchmarks.trees import Arrays, Tree

LIBRARY = "torch"


def make(tree: Tree, inputs: Arrays) -> Job:
    import torch

    if torch_functions.DEVICE == "cpu":
        raise Skip("there are graphs on CUDA devices only")
    values = tensors(inputs)
    formula = partial(BETTER.get(tree.name, tree.formula), Functions())

    def step() -> list[Any]:
        results = list(formula(**values))
        for i, name in enumerate(tree.state):
            if results[i] is not values[name]:
                values[name].copy_(results[i])
            results[i] = values[name]
        return results

    # capturing needs a warm run, which must not count as a step of an optimizer
    saved = {name: values[name].clone() for name in tree.state}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    for name, value in saved.items():
        values[name].copy_(value)
    return Job(graph.replay, lambda: results, torch_functions.finish)
