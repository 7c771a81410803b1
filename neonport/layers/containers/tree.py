"""Tree: a trunk and paths that branch off it, each with an output; SingleOutputTree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.layers.branch import BranchNode, unify_branches
from neonport.layers.checks import label
from neonport.layers.containers.paths import as_paths, need_own_gradient, numbers
from neonport.layers.deltas import DeltasTree
from neonport.layers.layer_container import LayerContainer
from neonport.layers.sequential import Sequential


class Tree(LayerContainer):
    """A network with several outputs: a trunk, and paths that begin at its BranchNodes.

    `fprop` gives a list of outputs, one a path, the trunk's first; costs are a Multicost. The
    gradients of all paths add up in the `deltas` of the BranchNodes.

    Args:
        layers: the trunk, then the other paths: lists of layers or Sequentials. Every path but the
            trunk begins with a BranchNode that stands in a path before it: the same object, or one
            of the same explicit name.
        name: given name, or None.
        alphas: factors of the gradients with which the paths enter their BranchNodes; None for 1.
            The first scales the trunk's where it passes a BranchNode, each time.

    Attributes:
        betas: whether a path adds to what its BranchNode holds (1.0) or comes first there (0.0).

    Raises:
        ConfigurationError: an entry is no path, or (in `configure`) BranchNodes stand where
            gradients would be lost.

    Example:
        fork = BranchNode("fork")
        trunk = [Affine(nout=5, init=Gaussian()), fork, Affine(nout=2, init=Gaussian())]
        model = Model(Tree([trunk, [fork, Affine(nout=3, init=Gaussian())]]))
        model.initialize(train)
        assert [y.shape for y in model.fprop(x)] == [(2, 4), (3, 4)]
    """

    neon_module = "neon.layers.container"
    nest_deltas: ClassVar[bool] = True
    mixes: ClassVar[bool] = True

    def __init__(self, layers: Any, name: str | None = None, alphas: Any = None) -> None:
        super().__init__(name)
        self.layers: list[Sequential] = as_paths(self, layers)
        self.alphas = numbers(self, "alphas", alphas, len(self.layers))
        unify_branches(self.layers)
        self.betas: list[float] = [1.0] * len(self.layers)
        self._wire()

    def _wire(self) -> None:
        """Find out which path is the first to write the gradient at a BranchNode.

        Paths run backwards, so it is the last one that reads the node.
        """
        written: set[int] = set()
        for i in range(len(self.layers) - 1, -1, -1):
            path = self.layers[i]
            for chain in _chains(path):
                chain.at_nodes = {}
            for chain, node, behind in reversed(list(_nodes(path))):
                beta = 1.0 if id(node) in written else 0.0
                written.add(id(node))
                chain.at_nodes[behind] = self.alphas[i], beta
                if i and node is path.layers[0]:
                    self.betas[i] = beta

    def _check(self) -> None:
        """Raise where a gradient would get lost, or a path would not find its input."""
        known: set[int] = set()
        for i, path in enumerate(self.layers):
            root = path.layers[0]
            if i and not (isinstance(root, BranchNode) and id(root) in known):
                raise ConfigurationError(
                    f"{label(self)}: path {i} begins with {label(root)}; it must begin with a "
                    "BranchNode that stands in a path before it, such as the trunk"
                )
            for chain in _chains(path):
                before: Any = None
                for layer in [*chain.layers, None]:
                    node = isinstance(before, BranchNode)
                    if node and (layer is None or isinstance(layer, BranchNode)):
                        what = "ends a chain" if layer is None else f"stands before {label(layer)}"
                        raise ConfigurationError(
                            f"{label(self)}: {label(before)} {what}, so that gradients would not "
                            "get to it; put a SkipNode() after it"
                        )
                    if node:
                        need_own_gradient(self, layer, f"reads {label(before)}")
                    before = layer
            for _, found, _ in _nodes(path):
                if found is not root or not i:
                    if id(found) in known:
                        raise ConfigurationError(
                            f"{label(self)}: {label(found)} stands twice on the way of a path; "
                            "only the first layer of a path may be a BranchNode used before"
                        )
                    known.add(id(found))
        for tree in [layer for layer in self.layers_fprop() if isinstance(layer, Tree)]:
            for layer in tree.layers_fprop():
                if isinstance(layer, BranchNode) and id(layer) in known:
                    raise ConfigurationError(
                        f"{label(self)}: {label(layer)} stands in {label(tree)} inside of it too; "
                        "give the nodes of the two trees other names"
                    )

    def configure(self, in_obj: Any) -> Tree:
        """Configure the trunk with `in_obj`, and the other paths with their BranchNodes."""
        self._check()
        self._wire()
        super().configure(in_obj)
        for i, path in enumerate(self.layers):
            path.configure(None if i else in_obj)
        if not isinstance(self.layers[0].in_shape, (int, tuple)):
            self.in_shape = self.layers[0].in_shape  # of several streams
        self.parallelism = self.layers[0].parallelism
        self.out_shape = [path.out_shape for path in self.layers]
        return self

    def allocate(self, accumulate_updates: bool = False) -> None:  # type: ignore[override]
        """Make the buffers of all paths, trunk first.

        Args:
            accumulate_updates: also make what `set_acc_on` needs.
        """
        for path in self.layers:
            path.allocate(accumulate_updates=accumulate_updates)
        self.accumulate_updates = accumulate_updates

    # ---- error buffers -----------------------------------------------------------------------

    def measure_deltas(self, tree: DeltasTree) -> None:
        """Measure the trunk; the other paths have trees of their own."""
        self.layers[0].measure_deltas(tree)

    def set_deltas(self, delta_buffers: Any) -> None:
        """Hand out buffers: those given to the trunk, own ones to each other path.

        The last path goes first: a BranchNode's buffer is one of the path that writes it first.
        """
        for path in reversed(self.layers[1:]):
            path.allocate_deltas()
        self.layers[0].set_deltas(delta_buffers)
        self.deltas = self.layers[0]._layers[0].deltas

    # ---- propagation -------------------------------------------------------------------------

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Run all paths, the trunk first; return the list of their outputs."""
        self.inputs = inputs
        self.outputs = [
            path.fprop(None if i else inputs, inference) for i, path in enumerate(self.layers)
        ]
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Run all paths backwards, the trunk last; return the gradient of the input.

        Args:
            error: list of the gradients of the outputs.
            alpha, beta: as of `Sequential.bprop`, where the trunk begins.
        """
        if not isinstance(error, (list, tuple)) or len(error) != len(self.layers):
            found = len(error) if isinstance(error, (list, tuple)) else type(error).__name__
            raise ConfigurationError(
                f"{label(self)}: bprop takes a list of {len(self.layers)} errors, one a path, got "
                f"{found}; use a Multicost with a cost for each path"
            )
        for i in range(len(self.layers) - 1, 0, -1):
            self.layers[i].bprop(error[i], self.alphas[i], self.betas[i])
        return self.layers[0].bprop(error[0], self.alphas[0] * alpha, beta)

    def get_terminal(self) -> list[Any]:
        """The terminals of all paths."""
        return [path.get_terminal() for path in self.layers]


class SingleOutputTree(Tree):
    """A Tree whose other paths only help to train: inference runs the trunk alone.

    Args:
        layers, name, alphas: as of Tree.

    Example:
        fork = BranchNode("fork")
        trunk = [Affine(nout=5, init=Gaussian()), fork, Affine(nout=2, init=Gaussian())]
        model = Model(SingleOutputTree([trunk, [fork, Affine(nout=3, init=Gaussian())]]))
        model.initialize(train)
        assert len(model.fprop(x)) == 2
        assert model.fprop(x, inference=True).shape == (2, 4)
    """

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Training: the list of all outputs; inference: the trunk's output."""
        if not inference:
            return super().fprop(inputs)
        self.inputs = inputs
        self.outputs = self.layers[0].fprop(inputs, inference)
        return self.outputs


def _chains(path: Sequential) -> Iterator[Sequential]:
    """A path and the chains in it."""
    yield path
    for layer in path.layers:
        if isinstance(layer, Sequential):
            yield from _chains(layer)


def _nodes(path: Sequential) -> Iterator[tuple[Sequential, BranchNode, Any]]:
    """The BranchNodes of a path in order: their chain, the node, and the layer that reads it."""
    for layer, behind in zip(path.layers, [*path.layers[1:], None], strict=True):
        if isinstance(layer, BranchNode):
            yield path, layer, behind
        elif isinstance(layer, Sequential):
            yield from _nodes(layer)
