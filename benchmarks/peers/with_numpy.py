"""NumPy, one operation after another, as people write it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers import Job, rebinding
from benchmarks.trees import Arrays, Tree

LIBRARY = "numpy"


class Functions:
    """NumPy with axes that stay."""

    exp, log, tanh, sqrt = np.exp, np.log, np.tanh, np.sqrt
    maximum, minimum, where = np.maximum, np.minimum, np.where

    @staticmethod
    def sum(x: Any, axis: Any) -> Any:
        return np.sum(x, axis=axis, keepdims=True)

    @staticmethod
    def max(x: Any, axis: Any) -> Any:
        return np.max(x, axis=axis, keepdims=True)

    @staticmethod
    def mean(x: Any, axis: Any) -> Any:
        return np.mean(x, axis=axis, keepdims=True)

    @staticmethod
    def var(x: Any, axis: Any) -> Any:
        return np.var(x, axis=axis, keepdims=True)


def make(tree: Tree, inputs: Arrays) -> Job:
    return rebinding(partial(tree.formula, Functions), tree, inputs)
