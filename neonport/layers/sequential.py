"""Sequential: a chain of layers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.branch import BranchNode
from neonport.layers.checks import accepts, label, need_distinct
from neonport.layers.crossing import Crossing, crossings
from neonport.layers.data_transform import DataTransform
from neonport.layers.dropout import Dropout
from neonport.layers.layer_container import LayerContainer
from neonport.layers.shapes import is_flat
from neonport.tensor.tensor import Tensor

PLAIN = (1.0, 0.0)  # alpha and beta of a gradient that is neither scaled nor added


def _is_branch(layer: Any) -> bool:
    return getattr(layer, "is_branch", False)


def flatten(layers: Any, where: str) -> list[Layer]:
    """Flatten nested lists (compound layers are lists) of layers.

    Raises:
        ConfigurationError: something in it is not a layer.
    """
    if isinstance(layers, Layer):
        return [layers]
    if isinstance(layers, Iterable) and not isinstance(layers, (str, bytes, dict)):
        return [layer for item in layers for layer in flatten(item, where)]
    hint = f"; did you mean {layers.__name__}(...)?" if isinstance(layers, type) else ""
    raise ConfigurationError(
        f"{where}: {layers!r} is no layer{hint}; give layers and lists of layers"
    )


class Sequential(LayerContainer):
    """Layers one after the other.

    Args:
        layers: layers and lists of layers, nested as you like.
        name: given name, or None.

    Attributes:
        layers: the flat list.

    Example:
        chain = Sequential([Affine(nout=5, init=Gaussian()), Affine(nout=2, init=Gaussian())])
        model = Model(chain)
        model.initialize(train)
        assert model.fprop(x).shape == (2, 4)
    """

    neon_module = "neon.layers.container"
    nest_deltas = True  # so that the inner layers of a first member are measured
    mixes: ClassVar[bool] = True

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.layers = flatten(layers, label(self))
        chain: list[Layer] = [x for x in self.layers if not isinstance(x, BranchNode)]
        self._layers = chain
        self._joined: list[Any] = []  # layers that may do the work of the member above them
        self.crossings: dict[Any, Crossing] = {}  # where its backend changes, by the layer above
        # factors of the gradients that enter BranchNodes, by the layer above the node: of a Tree
        self.at_nodes: dict[Layer, tuple[float, float]] = {}
        if not chain:
            raise ConfigurationError(f"{label(self)}: needs at least one layer")
        need_distinct(self, self.layers)
        if not chain[0].owns_output and not isinstance(chain[0], (Dropout, DataTransform)):
            raise ConfigurationError(
                f"{label(self)}: the first layer, {label(chain[0])}, works in the buffer below it, "
                "and below is the data; start with a layer that has its own outputs, such as "
                "SkipNode()"
            )

    def configure(self, in_obj: Any) -> Sequential:
        """Configure the members, each with the one before.

        Args:
            in_obj: what the first member reads; None in a path whose first member is a BranchNode.
        """
        members = self.layers
        if in_obj is None:
            if not isinstance(members[0], BranchNode):
                raise ConfigurationError(
                    f"{label(self)}: no input given; only a path that starts with a BranchNode has "
                    "none"
                )
            in_obj = members[0].configure(None)
            while isinstance(members[0], BranchNode):
                members = members[1:]
        super().configure(in_obj)
        below = in_obj
        for layer in members:
            layer.configure(below)
            if isinstance(below, Layer):
                below.set_next(layer)
            below = layer
        if not is_flat(members[0].in_shape):
            self.in_shape = members[0].in_shape  # two streams of 5 features are no shape (5, 5)
        self.parallelism = self.layers[-1].parallelism
        self.out_shape = self.layers[-1].out_shape
        self.crossings = crossings(self, self.layers)
        pairs = pairwise(self.layers)
        self._joined = [a for a, b in pairs if hasattr(a, "in_chain") and a.next_layer is b]
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make the buffers of all members: first the last one that owns outputs, then in order.

        Parameters are drawn in this order too, so it belongs to what a seed means.

        Args:
            shared_outputs: memory for the outputs of the chain.
            accumulate_updates: also make what `set_acc_on` needs.
        """
        owners = [layer for layer in self.layers if layer.owns_output]
        for layer in [*owners[-1:], *self.layers]:
            kwargs: dict[str, Any] = {}
            if shared_outputs is not None and owners and layer is owners[-1]:
                kwargs["shared_outputs"] = shared_outputs
            if accepts(layer.allocate, "accumulate_updates"):
                kwargs["accumulate_updates"] = accumulate_updates
            layer.allocate(**kwargs)
        self.accumulate_updates = accumulate_updates

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Run the members in order; return the outputs of the last.

        Args:
            inputs: for the first member.
            inference: handed to all members.
            beta: factor of what the last member's outputs hold, handed to it when not 0.
        """
        x, last, across = inputs, self.layers[-1], self.crossings
        if across:
            return self._fprop_across(x, inference, beta)
        for layer in self._joined:
            layer.in_chain = True
        try:
            for layer in self.layers[:-1]:
                x = layer.fprop(x, inference)
        finally:
            for layer in self._joined:
                layer.in_chain = False
        if not beta:
            return last.fprop(x, inference)
        self._need(last, "fprop", "beta")
        return last.fprop(x, inference, beta=beta)

    def _fprop_across(self, x: Any, inference: bool, beta: float) -> Any:
        """The same for members on several backends."""
        across = self.crossings
        for layer in self.layers:
            if layer in across:
                x = across[layer].forward(x)
            if beta and layer is self.layers[-1]:
                self._need(layer, "fprop", "beta")
                x = layer.fprop(x, inference, beta=beta)
            else:
                x = layer.fprop(x, inference)
        return across[None].forward(x) if None in across else x

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Run the members backwards; return the gradient at the input, None if nobody needs it.

        It ends at the lowest member that is trained if those below are frozen.

        Args:
            error: gradient at the outputs.
            alpha: factor of the gradient that leaves at the bottom or into a BranchNode.
            beta: factor of what is there already.
        """
        first = self._layers[0]
        bottom = self._frozen_members()
        layer: Any
        across = self.crossings
        if None in across:
            error = across[None].backward(error)
        for layer in reversed(self._layers[bottom:]):
            factors = PLAIN
            if layer in self.at_nodes:
                factors = self.at_nodes[layer]
            elif layer.prev_layer and (layer is first or _is_branch(layer.prev_layer)):
                factors = alpha, beta
            if factors == PLAIN:
                error = layer.bprop(error)
            else:
                self._need(layer, "bprop", "beta")
                error = layer.bprop(error, alpha=factors[0], beta=factors[1])
            if across and layer in across and layer.prev_layer:
                error = across[layer].backward(error)
        return error if first.prev_layer else first.deltas

    def _frozen_members(self) -> int:
        """How many members, from the first, need no backward pass because they are frozen."""
        if self._layers[0].trained or self._layers[0].prev_layer:
            return 0
        frozen = False
        for count, layer in enumerate(self._layers):
            if layer.trained:
                return count if frozen else 0
            frozen = frozen or layer.frozen
        return len(self._layers) if frozen else 0

    def _need(self, layer: Layer, method: str, argument: str) -> None:
        if not accepts(getattr(layer, method), argument):
            raise ConfigurationError(
                f"{label(self)}: paths that are summed need {method}(..., {argument}=...) of "
                f"{label(layer)}, which lacks it; put a SkipNode() "
                + ("after it" if method == "fprop" else "before it")
            )

    def get_terminal(self) -> Any:
        """The terminal of the last member."""
        return self.layers[-1].get_terminal()
