"""Autodiff: gradients of an op-tree, as op-trees.

Trees in, trees out: a gradient is made of the same ops and can be differentiated again. The rules
stand in `derivatives.py`, the walk in `gradients.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from neonport.autodiff.instance_cache import Instances, identity
from neonport.autodiff.reverse_pass import Leaves, gradient_of, leaf_gradients
from neonport.autodiff.simplify import as_tree, close_sizes, shape_of
from neonport.dtypes import is_float
from neonport.errors import (
    AliasError,
    BackendMismatchError,
    ConfigurationError,
    DtypeError,
    ShapeError,
)
from neonport.ops.inference import LEADING
from neonport.optree.node import Expression, OpTreeNode, tensors
from neonport.tensor.backend_protocol import TensorBackend
from neonport.tensor.overlaps import MemoryIndex
from neonport.tensor.storage import views_overlap
from neonport.tensor.tensor import Tensor

MAX_TREES = 1024  # gradients of views that one instance remembers
MAX_PLANS = 16  # sets of buffers


class Autodiff:
    """Gradients of an op-tree with respect to its tensors.

    The same tree (structure, tensors and numbers), backend and `next_error` give the same instance
    as long as one is alive, and a second request keeps it alive together with the tensors: asking
    for it in every training step costs a look-up.

    Args:
        op_tree: the function: an op-tree, a tensor (its own gradient is `next_error`) or a number.
        be: backend of its tensors.
        next_error: gradient of the loss with respect to the value of the tree, a tensor or tree of
            its shape; None is all ones, which gives the gradient of the sum of the elements.

    Raises:
        ShapeError: `next_error` has another shape than the tree.
        BackendMismatchError: a tensor lives on another backend.
        TypeError: not a tree, not a backend.
    """

    __slots__ = (
        "__weakref__",
        "_key",
        "_leaves",
        "_plans",
        "_trees",
        "be",
        "next_error",
        "op_tree",
    )

    op_tree: Any
    be: TensorBackend
    next_error: Any
    _key: Any
    _leaves: Leaves | None
    _plans: dict[Any, list[OpTreeNode]]
    _trees: dict[int, OpTreeNode]

    def __new__(cls, op_tree: Any, be: TensorBackend, next_error: Any = None) -> Autodiff:
        """Look up the instance or make it."""
        key = (cls, be, identity(op_tree), identity(next_error))
        found = _instances.find(key)
        if found is not None:
            return found
        self = object.__new__(cls)
        self.op_tree, self.next_error = _check(op_tree, be, next_error)
        self.be = be
        self._leaves = None
        self._trees = {}
        self._plans = {}
        self._key = key
        return _instances.keep(key, self, self.op_tree, self.next_error)

    # ---- results -----------------------------------------------------------------------------

    @overload
    def get_grad_op_tree(self, tensors: Tensor) -> OpTreeNode: ...

    @overload
    def get_grad_op_tree(self, tensors: Sequence[Tensor]) -> list[OpTreeNode]: ...

    def get_grad_op_tree(self, tensors: Tensor | Sequence[Tensor]) -> OpTreeNode | list[OpTreeNode]:
        """Gradients as op-trees, one for each tensor and of its shape.

        Args:
            tensors: tensors of the tree, or views of them; any other tensor gets zeros. One tensor
                that stands alone, not in a list, has one gradient as the result.

        Raises:
            NotDifferentiableError: a gradient would go through an op that has none.
        """
        trees = [self._tree(t) for t in self._check_tensors("get_grad_op_tree", tensors)]
        return trees[0] if isinstance(tensors, Tensor) else trees

    @overload
    def get_grad_tensor(self, tensors: Tensor) -> Tensor: ...

    @overload
    def get_grad_tensor(self, tensors: Sequence[Tensor]) -> list[Tensor]: ...

    def get_grad_tensor(self, tensors: Tensor | Sequence[Tensor]) -> Tensor | list[Tensor]:
        """Gradients in new tensors of the backend's default dtype; see `get_grad_op_tree`."""
        trees = self.get_grad_op_tree([tensors] if isinstance(tensors, Tensor) else tensors)
        results = [self.be.empty(tree.shape) for tree in trees]
        self.be.assign_many(list(zip(results, trees, strict=True)))
        return results[0] if isinstance(tensors, Tensor) else results

    @overload
    def get_grad_asnumpyarray(self, tensors: Tensor) -> np.ndarray: ...

    @overload
    def get_grad_asnumpyarray(self, tensors: Sequence[Tensor]) -> list[np.ndarray]: ...

    def get_grad_asnumpyarray(
        self, tensors: Tensor | Sequence[Tensor]
    ) -> np.ndarray | list[np.ndarray]:
        """Gradients as new NumPy arrays of the backend's default dtype; see `get_grad_op_tree`."""
        found = self.get_grad_tensor([tensors] if isinstance(tensors, Tensor) else tensors)
        arrays = [t.get().astype(self.be.default_dtype) for t in found]
        return arrays[0] if isinstance(tensors, Tensor) else arrays

    def back_prop_grad(
        self, tensors: Tensor | Sequence[Tensor], gradients: Tensor | Sequence[Tensor]
    ) -> None:
        """Store the gradient of each tensor into a buffer; everything is read before any store.

        Args:
            tensors: tensors of the tree, or views of them; any other tensor gets zeros.
            gradients: a float buffer for each, of the same shape. A buffer may share memory with
                `next_error`, but not with a tensor of the tree nor with another buffer. One tensor
                and its buffer need no lists.

        Raises:
            AliasError, ShapeError, DtypeError, BackendMismatchError, NotDifferentiableError: before
                anything is written.
        """
        tensors = self._check_tensors("back_prop_grad", tensors)
        gradients = self._check_tensors("back_prop_grad", gradients)
        key = (tuple([t.tokens for t in tensors]), tuple([g.tokens for g in gradients]))
        trees = self._plans.get(key)
        if trees is None:
            self._check_buffers(tensors, gradients)
            trees = [self._tree(t) for t in tensors]
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[key] = trees
        self.be.assign_many(zip(gradients, trees, strict=True))

    def cleanup(self) -> None:
        """Let go of the trees and forget this instance; it cannot be used any more."""
        if self._key is not None:
            _instances.drop(self._key, self.op_tree, self.next_error)
        self.op_tree = self.next_error = self._leaves = self._key = None
        self._trees, self._plans = {}, {}

    # ---- how ---------------------------------------------------------------------------------

    def _tree(self, tensor: Tensor) -> OpTreeNode:
        """The gradient tree of a tensor; the same node object each time for one in the tree."""
        token = tensor.tokens[0]
        found = self._trees.get(token)
        if found is not None:
            return found
        if self._leaves is None:
            seed = 1.0 if self.next_error is None else self.next_error
            self._leaves = leaf_gradients(self.op_tree, seed)
        g = gradient_of(tensor, self._leaves)
        if g is None:  # not remembered: foreign tensors are not ours to keep alive
            return as_tree(0.0, tensor)
        if len(self._trees) >= MAX_TREES:
            self._trees.clear()
        return self._trees.setdefault(token, as_tree(g, tensor))

    def _check_tensors(self, what: str, given: Any) -> list[Tensor]:
        if self._key is None:
            raise ConfigurationError(
                f"{what}: this Autodiff was cleaned up; make a new one: Autodiff(tree, be)"
            )
        if isinstance(given, OpTreeNode):
            raise TypeError(f"{what}: needs tensors, not an op-tree; give what the tree reads: [t]")
        checked = [given] if isinstance(given, Tensor) else list(given)
        for t in checked:
            if not isinstance(t, Tensor):
                raise TypeError(f"{what}: {type(t).__name__} is not a Tensor")
            if t.backend is not self.be:
                raise BackendMismatchError(
                    f"{what}: a tensor of shape {t.shape} lives on {t.backend}, not on {self.be}"
                )
        return checked

    def _check_buffers(self, wanted: list[Tensor], buffers: list[Tensor]) -> None:
        if len(wanted) != len(buffers):
            raise ShapeError(
                f"back_prop_grad: {len(wanted)} tensors but {len(buffers)} gradient buffers"
            )
        forward = tensors(self.op_tree)
        reads, writes = MemoryIndex(forward), MemoryIndex(buffers)
        for i, (tensor, buffer) in enumerate(zip(wanted, buffers, strict=True)):
            label = f"back_prop_grad: gradient buffer {i}"
            if buffer.shape != tensor.shape:
                raise ShapeError(
                    f"{label} has shape {buffer.shape}, its tensor {tensor.shape}; reshape one"
                )
            if not is_float(buffer.dtype):
                raise DtypeError(f"{label} has dtype {buffer.dtype}; gradients need a float type")
            buffer.check_writable(label)
            for other in (forward[j] for j in reads.near(buffer)):
                if views_overlap(buffer, other):
                    raise AliasError(
                        f"{label} of shape {buffer.shape} shares memory with a tensor of shape "
                        f"{other.shape} that the tree reads; give another buffer"
                    )
            for j in writes.near(buffer):
                other = buffers[j]
                if j < i and views_overlap(buffer, other):
                    raise AliasError(
                        f"{label} of shape {buffer.shape} shares memory with buffer {j} of shape "
                        f"{other.shape}; one of the gradients would be lost"
                    )


_instances: Instances[Autodiff] = Instances()


def _check(op_tree: Any, be: Any, next_error: Any) -> tuple[Any, Any]:
    """The tree and its error, with open sizes filled in."""
    if be is None or not hasattr(be, "assign_many"):
        raise TypeError(f"Autodiff: be must be a backend, not {type(be).__name__}")
    if op_tree is None:
        raise TypeError(
            "Autodiff: op_tree is None; give an op-tree such as be.sum(x * x), not what an "
            "assignment returns"
        )
    for what, x in (("op_tree", op_tree), ("next_error", next_error)):
        if isinstance(x, Expression) and x.sig.backend not in (None, be):
            raise BackendMismatchError(f"Autodiff: {what} lives on {x.sig.backend}, not on {be}")
    shape = shape_of(op_tree)
    if next_error is None:
        if isinstance(op_tree, OpTreeNode) and op_tree.sig.wild - {LEADING}:
            raise ShapeError(
                "Autodiff: the shape of the tree is only known on assignment; give the size "
                "(onehot: classes=, rand: shape=)"
            )
        return close_sizes(op_tree, shape), None
    if not isinstance(next_error, Expression):
        raise TypeError(
            f"Autodiff: next_error must be a tensor or an op-tree, not {type(next_error).__name__}"
        )
    if next_error.sig.open:
        next_error = close_sizes(next_error, shape)
    if isinstance(op_tree, OpTreeNode) and op_tree.sig.open:
        op_tree = close_sizes(op_tree, next_error.sig.shape)
    if shape_of(op_tree) != next_error.sig.shape:
        raise ShapeError(
            f"Autodiff: next_error has shape {next_error.sig.shape}, the tree {shape_of(op_tree)}"
        )
    return op_tree, next_error
