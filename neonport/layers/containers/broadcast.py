"""Broadcast: the base of containers whose paths all read one input."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs
from neonport.layers.containers.paths import (
    as_paths,
    first_layer,
    need_one_output,
    need_own_gradient,
    need_own_place,
)
from neonport.layers.deltas import DeltasTree
from neonport.layers.layer_container import LayerContainer
from neonport.layers.sequential import Sequential


class Broadcast(LayerContainer):
    """Gives its input to every path; subclasses merge the outputs of the paths into one.

    All paths add their input gradients into one buffer, which is `deltas`. The layers behind the
    first of each path take turns with two more buffers, those of the tree's child.

    Args:
        layers: one entry a path: a layer, a list of layers or a Sequential.
        name: given name, or None.

    Raises:
        ConfigurationError: an entry is no path.
    """

    nest_deltas: ClassVar[bool] = True
    mixes: ClassVar[bool] = True

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.layers: list[Sequential] = as_paths(self, layers)

    def configure(self, in_obj: Any) -> Broadcast:
        """Configure each path with the same input; subclasses set `out_shape`.

        Args:
            in_obj: the layer below, a shape, a tensor or a data set.

        Raises:
            ConfigurationError: a path cannot share its input or its output with others.
        """
        super().configure(in_obj)
        for path in self.layers:
            need_own_place(self, path)
            path.configure(in_obj)
            need_one_output(self, path)
            if len(self.layers) > 1 or self.prev_layer:
                self._check_first(path)
        self.parallelism = self.layers[-1].parallelism
        return self

    def _check_first(self, path: Sequential) -> None:
        # without a layer below there is no gradient, but there are others who read the data
        if self.prev_layer or not first_layer(path).owns_output:
            need_own_gradient(self, path, "begins a path")

    def get_terminal(self) -> list[Any]:
        """The terminals of all paths."""
        return [path.get_terminal() for path in self.layers]

    # ---- error buffers -----------------------------------------------------------------------

    def measure_deltas(self, tree: DeltasTree) -> None:
        """Measure: the joint gradient here, what the paths need inside of them in the child."""
        self._agree_on_below()
        if self.prev_layer:
            tree.proc_layer(self)
        inner = tree.decend()
        for path in self.layers:
            _measure(path, inner)

    def set_deltas(self, delta_buffers: Any) -> None:
        """Take one buffer for the gradient of the input, and hand out the child's."""
        self._agree_on_below()
        buffers = getattr(delta_buffers, "buffers", delta_buffers)
        inner = delta_buffers.decend() if hasattr(delta_buffers, "decend") else DeltasTree()
        below = self.prev_layer
        shared = bool(getattr(below, "is_branch", False) and below.deltas is not None)
        if not below:
            self.deltas = None
        elif shared:
            self.deltas = below.deltas
        else:
            self.deltas = self.be.iobuf(
                self.in_shape, shared=buffers[0], parallelism=self.parallelism
            )
        for path in self.layers:
            _hand_out(path, self.deltas, inner)
        if below and not shared:
            buffers.reverse()

    def _agree_on_below(self) -> None:
        """Who drives layers alone says by any of them that a gradient of the input is wanted."""
        firsts = (path._layers[0].prev_layer for path in self.layers)
        self.prev_layer = self.prev_layer or next(filter(None, firsts), None)
        for path in self.layers:
            _put_below(path, self.prev_layer)

    # ---- checks of subclasses ----------------------------------------------------------------

    def _see_inputs(self, inputs: Any) -> None:
        check_inputs(self, inputs, floats=False)
        self.inputs = inputs

    def _see_error(self, error: Any) -> None:
        check_error(self, error)


def _put_below(layer: Layer, below: Any) -> None:
    """Tell the first layer of a path that there is a layer below."""
    while below and not layer.prev_layer:
        layer.prev_layer = below
        if isinstance(layer, Sequential):
            layer = layer._layers[0]
        elif isinstance(layer, Broadcast):
            for path in layer.layers:
                _put_below(path, below)


def _measure(path: Sequential, inner: DeltasTree) -> None:
    first = path._layers[0]
    if isinstance(first, Sequential):
        _measure(first, inner)
    elif first.nest_deltas:
        first.allocate_deltas(_joint(None, inner))
    for layer in path.layers:
        if layer is not first and layer is not first.prev_layer:
            layer.allocate_deltas(inner.at(layer.be))


def _hand_out(path: Sequential, bottom: Any, inner: DeltasTree) -> None:
    """Give the first layer of a path the joint buffer and the others those of the inner tree."""
    first = path._layers[0]
    if isinstance(first, Sequential):
        _hand_out(first, bottom, inner)
    elif first.nest_deltas:
        first.set_deltas(_joint(bottom, inner))
    else:
        first.set_deltas([bottom, bottom])
    for layer in path.layers:
        if layer is not first and layer is not first.prev_layer:
            layer.set_deltas(inner.at(layer.be))


def _joint(bottom: Any, inner: DeltasTree) -> DeltasTree:
    """The tree of a container that begins a path: its gradient goes to the joint buffer.

    The layers inside of it need buffers besides those of the path, which hold its error.
    """
    tree = DeltasTree()
    tree.buffers = [bottom, bottom]
    tree.child = inner.decend()
    return tree
