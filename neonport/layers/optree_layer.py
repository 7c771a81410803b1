"""OpTreeLayer: a layer from its forward expression alone; autodiff does the rest."""

from __future__ import annotations

from math import prod
from typing import Any

from neonport.autodiff.autodiff import Autodiff
from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, label, need_backend
from neonport.layers.named_parameters import NamedParameterLayer
from neonport.layers.shapes import LogicalShape, buffer_shape, interpret_in_shape, is_int
from neonport.optree.node import OpTreeNode
from neonport.tensor.tensor import Tensor


class OpTreeLayer(NamedParameterLayer):
    """A layer whose subclass writes one method, the expression of its outputs.

    Example:
        class Scale(OpTreeLayer):
            def forward(self, x):
                gain = self.parameter("gain", (x.shape[0], 1), Constant(1.0))
                return self.be.tanh(x * gain)

    `forward` builds a tree and computes nothing: it is called once to learn the output shape and
    once for each input buffer, not once a batch. If it reads Python values that you change later,
    call `rebuild`.

    Args:
        name: given name, or None.
    """

    neon_module = "neonport.layers.optree_layer"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self._tree: Any = None
        self._target: Any = None
        self._gradients: Any = None

    def forward(self, x: Tensor) -> OpTreeNode:
        """Return the op-tree of the outputs. Subclasses implement it.

        Args:
            x: inputs, (features, steps * batch).
        """
        raise NotImplementedError(f"{self.classnm} must implement forward(self, x)")

    def infer_out_shape(self, shape: tuple[int, ...]) -> LogicalShape:
        """Logical shape of outputs that a tree of `shape` computes; override it for other layouts.

        A tree of the inputs' shape, or of one row for each map of an image, keeps `in_shape`. Any
        other one has features down and whole batches across.

        Raises:
            ConfigurationError: the columns are not whole batches.
        """
        batch, given = self.be.bsz, self.in_shape
        size = prod(buffer_shape(given, batch))
        image = not is_int(given) and len(given) > 2
        if shape == buffer_shape(given, batch) or (image and shape == (given[0], size // given[0])):
            return given
        if len(shape) != 2 or shape[1] % batch:
            raise ConfigurationError(
                f"{label(self)}: forward gives a tree of shape {shape} for inputs of "
                f"{buffer_shape(given, batch)}; outputs are 2-D, features down, and samples "
                f"across: the columns must be a multiple of the batch size {batch}"
            )
        steps = shape[1] // batch
        pair = not is_int(given) and len(given) == 2
        return (shape[0], steps) if pair or steps > 1 else shape[0]

    def rebuild(self) -> None:
        """Call `forward` anew at the next `fprop`."""
        self._tree = self._gradients = None

    def configure(self, in_obj: Any) -> OpTreeLayer:
        """Learn the output shape and the parameters from a tree on a probe of the input."""
        super().configure(in_obj)
        need_backend(self)
        interpret_in_shape(self.in_shape)
        self.rebuild()
        tree = self._grow(self.be.empty(buffer_shape(self.in_shape, self.be.bsz)))
        self.out_shape = self.infer_out_shape(tree.shape)
        if prod(buffer_shape(self.out_shape, self.be.bsz)) != prod(tree.shape):
            raise ConfigurationError(
                f"{label(self)}: infer_out_shape says {self.out_shape}, which for a batch of "
                f"{self.be.bsz} does not hold as many elements as the tree's shape {tree.shape}"
            )
        return self

    def _grow(self, x: Tensor) -> OpTreeNode:
        tree = self.forward(x)
        if not isinstance(tree, OpTreeNode):
            raise ConfigurationError(
                f"{label(self)}: forward returned {type(tree).__name__}, not an op-tree; return "
                "the expression, as in `return self.be.tanh(x)`, and assign nothing"
            )
        return tree

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Compute forward(inputs) + beta * outputs."""
        check_inputs(self, inputs, floats=bool(self.prev_layer))
        if self._tree is None or self.inputs is not inputs:
            tree = self._grow(inputs)
            if late := [name for name, p in self.parameters.items() if not p.filled]:
                raise ConfigurationError(
                    f"{label(self)}: forward asks for {', '.join(late)} only now; parameters must "
                    "be asked for in every call, so that allocate can fill them"
                )
            self._target = self.outputs.reshape(tree.shape)
            self._tree, self._gradients, self.inputs = tree, None, inputs
        target = self._target
        target[:] = self._tree + beta * target if beta else self._tree
        return self.outputs

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Gradients of the inputs (alpha * gradient + beta * deltas) and of every parameter."""
        check_error(self, error)
        deltas = self.deltas
        trained = () if self.frozen else tuple(self.parameters.values())
        made = self._gradients
        if made is None or made[0] is not error or made[1] != self.frozen:
            view = error.reshape(self._target.shape)
            wanted = [p.value for p in trained]
            if deltas is not None:
                wanted.append(self.inputs)
            ad = Autodiff(self._tree, self.be, next_error=view)
            self._gradients = error, self.frozen, ad.get_grad_op_tree(wanted)
        trees = list(self._gradients[2])
        targets = [p.gradient for p in trained]
        if deltas is not None:
            targets.append(deltas)
            if alpha != 1:
                trees[-1] = trees[-1] * alpha
            if beta:
                trees[-1] = trees[-1] + beta * deltas
        self.be.assign_many(list(zip(targets, trees, strict=True)))
        return deltas
